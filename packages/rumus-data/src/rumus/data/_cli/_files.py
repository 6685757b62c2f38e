"""Several files, one after the other, and errors that say which one they are about."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from rumus.tensor import RumusError

from .._convert._naming import naming
from ._text import complain


def for_each(paths: Sequence[Path], work: Callable[[Path], int]) -> int:
    """Do something with each file, also with those behind one that cannot be used.

    Args:
        paths: The files.
        work: Does it; returns 0 if all is well with the file, else 1.

    Returns:
        The largest of the results; 1 if a file cannot be used.
    """
    code = 0
    for path in paths:
        try:
            with naming(path):
                code = max(code, work(path))
        except BrokenPipeError:
            raise
        except (RumusError, OSError) as error:
            complain(error)
            code = 1
    return code
