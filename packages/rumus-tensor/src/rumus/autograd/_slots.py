"""Fixed places for gradients: what lets backward write straight into an arena."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from typing import Any

from rumus._core.frames import FrameLock
from rumus._core.versions import Version


class GradSlot:
    """The place of one parameter's gradient.

    Lent only while no earlier gradient that lives there is alive, views of it included, so that two
    gradient stores never share memory.

    Args:
        view: Gives the device array of the place, a new view object each time.
        holder: Gives what is alive for as long as anything shows the array, where views of it may
            be no tensors (default: tensors alone show it).
    """

    def __init__(
        self, view: Callable[[], Any], holder: Callable[[Any], object] | None = None
    ) -> None:
        self._view = view
        self._holder = holder
        self._tenant: weakref.ref[Version] | None = None
        self._lent: weakref.ref[Any] | None = None
        self._lock = FrameLock()

    def lease(self) -> tuple[Any, Version] | None:
        """The array and the version of the tensor to be made of it; None while taken."""
        with self._lock:
            if _is_alive(self._tenant) or _is_alive(self._lent):
                return None
            array, version = self._view(), Version()
            self._tenant = weakref.ref(version)
            if self._holder is not None:
                self._lent = weakref.ref(self._holder(array))
        return array, version


def _is_alive(lent: weakref.ref[Any] | None) -> bool:
    return lent is not None and lent() is not None


class _Active(threading.local):
    offer: Callable[[int], Any | None] | None = None


active = _Active()


def leased(i: int) -> Any | None:
    """The place that the running backward pass offers for input ``i``."""
    return active.offer(i) if active.offer is not None else None
