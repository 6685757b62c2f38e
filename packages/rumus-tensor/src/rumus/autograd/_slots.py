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
    """

    def __init__(self, view: Callable[[], Any]) -> None:
        self._view = view
        self._tenant: weakref.ref[Version] | None = None
        self._lock = FrameLock()

    def lease(self) -> tuple[Any, Version] | None:
        """The array and the version of the tensor to be made of it; None while taken."""
        with self._lock:
            if self._tenant is not None and self._tenant() is not None:
                return None
            version = Version()
            self._tenant = weakref.ref(version)
        return self._view(), version


class _Active(threading.local):
    offer: Callable[[int], Any | None] | None = None


active = _Active()


def leased(i: int) -> Any | None:
    """The place that the running backward pass offers for input ``i``."""
    return active.offer(i) if active.offer is not None else None
