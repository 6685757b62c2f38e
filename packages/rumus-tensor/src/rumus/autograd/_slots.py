"""Fixed places for gradients: what lets backward write straight into an arena."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from typing import Any, Protocol

from rumus.tensor._base import Version


class GradSlot:
    """The place of one parameter's gradient.

    Lent only while no earlier gradient that lives there is alive, views of it included, so that two
    gradient stores never share memory.

    Args:
        view: Gives the device array of the place, a new view object each time.
    """

    def __init__(self, view: Callable[[], Any]) -> None:
        self._view = view
        self._tenant: weakref.ref[Version] | None = None
        self._lock = threading.Lock()

    def lease(self) -> tuple[Any, Version] | None:
        """The array and the version of the tensor to be made of it; None while taken."""
        with self._lock:
            if self._tenant is not None and self._tenant() is not None:
                return None
            version = Version()
            self._tenant = weakref.ref(version)
        return self._view(), version


class Places(Protocol):
    """A running backward pass, as the functions see it."""

    def offer(self, node: Any, i: int) -> Any | None:
        """Memory for the whole gradient of an input, if there is a place for it."""
        ...

    def total(self, node: Any, i: int) -> Any | None:
        """The gradient of an input so far, if it may be written to."""
        ...


class _Active(threading.local):
    run: Places | None = None
    node: Any = None


active = _Active()
"""The backward pass of this thread, and the node that it is at."""
