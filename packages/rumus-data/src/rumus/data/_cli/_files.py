"""Several files, one after the other, and errors that say which one they are about."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rumus.tensor import ArgumentError, RumusError

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


@contextmanager
def naming(source: object) -> Iterator[None]:
    """Let the errors of this package say what they are about.

    Raises:
        RumusError: The same error, with the name in front if it had none.
    """
    try:
        yield
    except MemoryError as error:
        raise RumusError(f"{source} needs more memory than there is ({error})") from error
    except (RumusError, IndexError) as error:
        if isinstance(error, OSError) or str(source) in str(error):
            raise
        raise RumusError(f"{source}: {error}") from error


@contextmanager
def decoding(path: Path, what: str) -> Iterator[None]:
    """Whatever a decoder of other people's files raises is about the file.

    Raises:
        ArgumentError: The file is none of its kind.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (RumusError, MemoryError):
        raise
    except Exception as error:
        reason = str(error) or type(error).__name__
        raise ArgumentError(f"{path} is no {what}: {reason}") from error
