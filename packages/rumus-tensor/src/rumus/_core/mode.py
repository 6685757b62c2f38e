"""Whether operations are recorded, thread by thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ContextDecorator, contextmanager
from typing import TYPE_CHECKING, Any

from .errors import ArgumentError


class _Mode(threading.local):
    def __init__(self) -> None:
        # Held while operations are not recorded, as often as blocks ask for it. No lock is needed;
        # but it is entered and left by steps of Python's own, which no interrupt can divide.
        self.off: Any = threading.RLock()


_mode = _Mode()


def is_grad_enabled() -> bool:
    """Whether this thread records operations for a backward pass.

    Example:
        >>> with no_grad():
        ...     is_grad_enabled()
        False
    """
    return not _mode.off._is_owned()


@contextmanager
def grad_enabled() -> Iterator[None]:
    """This thread records operations meanwhile, whatever it does around."""
    off = _mode.off
    try:
        _mode.off = threading.RLock()
        yield
    finally:
        _mode.off = off


class _Step:
    """A method of the lock of whoever calls it, as Python has it."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, block: no_grad | None, _: type[no_grad]) -> Callable[..., Any]:
        if block is None:
            return lambda block, *error: getattr(_mode.off, self._name)(*error)
        step: Callable[..., Any] = getattr(_mode.off, self._name)
        return step


class no_grad(ContextDecorator):  # noqa: N801  a context manager, named like one
    """Operations of this thread are not recorded meanwhile; also a decorator.

    Example:
        >>> from rumus.tensor import ones
        >>> from rumus.nn import Parameter
        >>> weight = Parameter(ones(2))
        >>> with no_grad():
        ...     doubled = weight * 2
        >>> doubled.requires_grad
        False
    """

    if TYPE_CHECKING:

        def __enter__(self) -> None: ...

        def __exit__(self, *_: object) -> None: ...

    else:

        def __init__(self, *given: object) -> None:
            if given:
                raise ArgumentError(
                    "no_grad takes nothing: @no_grad() above a function, or `with no_grad():`"
                )

        __enter__ = _Step("__enter__")
        __exit__ = _Step("__exit__")

    def _recreate_cm(self) -> no_grad:
        return no_grad()
