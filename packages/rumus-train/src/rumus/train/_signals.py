"""Signals: noted when they come, and acted on at the next edge."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType
from typing import Any, Self

from ._warn import warn

_NAMES = ("SIGINT", "SIGTERM", "SIGBREAK")


class Interrupts:
    """While it is entered, the first SIGINT, SIGTERM or Ctrl-Break is noted; a second one ends.

    Handlers can be set by the main thread alone; elsewhere signals act as they would, and a
    warning says so.
    """

    def __init__(self) -> None:
        self.pending: int | None = None
        self._process = os.getpid()
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is not threading.main_thread():
            warn(
                "fit runs outside of the main thread, where no signal can be caught: SIGTERM and "
                "Ctrl-C end the process without a checkpoint"
            )
            return self
        for name in _NAMES:
            number = getattr(signal, name, None)
            if number is not None:
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        self._before.clear()

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.pending is not None or os.getpid() != self._process:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        self.pending = number

    def leave(self, signal_number: int, told: str) -> None:
        """End as a signal asked for, which may have come to another process.

        Args:
            signal_number: The signal.
            told: Where the run ends.

        Raises:
            KeyboardInterrupt: It was Ctrl-C or Ctrl-Break; it says where.
            SystemExit: It was SIGTERM; the exit code is 143.
        """
        if signal_number == signal.SIGTERM:
            raise SystemExit(128 + signal.SIGTERM)
        raise KeyboardInterrupt(told)
