"""The packages of this repository as they are, and as they were at each release."""

import re
import subprocess
from functools import cache
from pathlib import Path

from packaging.specifiers import SpecifierSet
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PACKAGES = ("rumus-tensor", "rumus-data", "rumus-optim", "rumus-train")  # dependencies first
PRESENT = ""
"""Stands for the working tree where a commit is asked for."""


class ShallowHistoryError(Exception):
    """The history that says what was released is not here."""


def releases(package: str) -> dict[Version, str]:
    """Each released version and the first commit that declared it: no tag is needed.

    Raises:
        ShallowHistoryError: if this is no clone, or one without its whole history.
    """
    about = f"packages/{package}/src/{package.replace('-', '/')}/__about__.py"
    try:
        shallow = git("rev-parse", "--is-shallow-repository").strip() != b"false"
        commits = git("log", "--reverse", "--format=%H", "--", about).decode().split()
    except (OSError, subprocess.CalledProcessError):
        shallow = True
    if shallow:
        raise ShallowHistoryError(
            "which versions were released is read from git's history, and this is no whole clone: "
            "clone again, or `git fetch --unshallow`"
        )
    found: dict[Version, str] = {}
    for commit in commits:
        declared = declared_version(git("show", f"{commit}:{about}").decode())
        if declared is not None and not declared.is_prerelease:
            found.setdefault(declared, commit)
    return found


@cache
def admitted(package: str, specifier: SpecifierSet) -> dict[Version, str]:
    """The releases that a range admits, and the present tree if it does, oldest first."""
    about = ROOT / "packages" / package / "src" / package.replace("-", "/") / "__about__.py"
    head = declared_version(about.read_text("utf-8"))
    commits = {head: PRESENT, **releases(package)} if head is not None else releases(package)
    fitting = [v for v in commits if specifier.contains(v, prereleases=True)]
    return {version: commits[version] for version in sorted(fitting)}


def declared_version(about: str) -> Version | None:
    """The version in the text of an ``__about__.py``."""
    declared = re.search(r'__version__ = "(.+)"', about)
    return Version(declared[1]) if declared else None


def text_at(commit: str, path: str) -> str | None:
    """A file's text as it was at a commit, None if there was none."""
    if commit == PRESENT:
        file = ROOT / path
        return file.read_text("utf-8") if file.is_file() else None
    try:
        return git("show", f"{commit}:{path}").decode()
    except subprocess.CalledProcessError:
        return None


def git(*arguments: str) -> bytes:
    """What a git command prints."""
    return subprocess.run(["git", "-C", ROOT, *arguments], check=True, capture_output=True).stdout
