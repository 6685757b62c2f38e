"""Errors that say which file they are about, whoever raised them."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from rumus.tensor import ArgumentError, RumusError

T = TypeVar("T")


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
    except (RumusError, MemoryError, ModuleNotFoundError):
        raise
    except Exception as error:
        reason = str(error) or type(error).__name__
        raise ArgumentError(f"{path} is no {what}: {reason}") from error


def decoded(path: Path, what: str, items: Iterable[T]) -> Iterator[T]:
    """Each of the items that a decoder gives, one after the other.

    Raises:
        ArgumentError: As for :func:`decoding`.
    """
    iterator = iter(items)
    while True:
        with decoding(path, what):
            try:
                item = next(iterator)
            except StopIteration:
                return
        yield item
