"""Which Pythons of this machine serve: those that are tested, else the one that runs nox."""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from typing import NamedTuple

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
OLDEST_ADMITTED = (3, 11)


class Pythons(NamedTuple):
    """Versions as ``X.Y``, oldest first."""

    serving: list[str]
    """For sessions that need one; the first and the last are the two ends of the matrix."""
    to_test: list[str]
    """For the tests: those that serve, and the one that runs nox."""
    lacking: list[str]
    """Those that are to be tested and are not here."""


def pythons(tested: Sequence[str], found: Sequence[str], here: str = HERE) -> Pythons:
    """Choose among the Pythons of a machine.

    Args:
        tested: what the packages declare to be tested on.
        found: those of them that are here.
        here: the one that runs nox, which serves from 3.11 on, even if it is newer than these.
    """
    admitted = tuple(map(int, here.split("."))) >= OLDEST_ADMITTED
    newer = [here] if admitted and here not in tested else []
    serving = [*found] or newer or [*tested]  # nox says itself that none of the last is here
    to_test = [*serving, *(version for version in newer if version not in serving)]
    return Pythons(serving, to_test, [version for version in tested if version not in found])


def starts(version: str) -> bool:
    """Whether this Python is here; a version manager's stand-in may be on the path and refuse."""
    if version == HERE:
        return True
    program = shutil.which(f"python{version}")
    if program is None:
        return False
    return subprocess.run([program, "-c", ""], capture_output=True).returncode == 0
