"""Whether operations are recorded, thread by thread."""

from __future__ import annotations

import threading
from contextlib import ContextDecorator


class _Mode(threading.local):
    enabled = True


_mode = _Mode()


def is_grad_enabled() -> bool:
    """Whether this thread records operations for a backward pass."""
    return _mode.enabled


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

    def __init__(self) -> None:
        self._before: list[bool] = []

    def __enter__(self) -> None:
        self._before.append(_mode.enabled)
        _mode.enabled = False

    def __exit__(self, *_: object) -> None:
        _mode.enabled = self._before.pop()

    def _recreate_cm(self) -> no_grad:
        return no_grad()
