"""The way of recorded work to the GPU. Only the device's own thread comes here.

What the program does is a log: dispatches, uploads, replays, in its order. Here it becomes command
buffers, which are submitted as far as :class:`~rumus.gpu._flight.Flight` has room.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from rumus.gpu._flight import Flight
from rumus.gpu._memory import Buffer
from rumus.gpu._seam import Commands, Driver

PIECE = 16 << 20
"""Bytes that are written at a time, and submitted: each write takes staging memory until then, and
new pages of it cost more than the copy."""
CACHED_GROUPS = 8192


class Runnable(Protocol):
    """A compiled pipeline."""

    @property
    def uid(self) -> int:
        """Its number."""
        ...

    @property
    def name(self) -> str:
        """Of its kernel."""
        ...

    @property
    def handle(self) -> Any:
        """What commands take for it."""
        ...

    def bind(self, buffers: Sequence[Buffer], block: bytes) -> Any:
        """A bind group of buffers and params."""
        ...


class Timer(Protocol):
    """Takes the times of dispatches."""

    @property
    def is_full(self) -> bool:
        """Whether times have to be collected before the next dispatch."""
        ...

    def next(self, name: str) -> tuple[Any, int]:
        """The timestamps of a dispatch of a kernel: their set, and the first one's position."""
        ...

    def collect(self) -> None:
        """Read the times of all dispatches, which are submitted."""
        ...


Dispatch = tuple[Runnable, list[Buffer], bytes, tuple[int, int, int]]
"""A pipeline, the buffers that it binds, its params and the workgroups."""


class Entry(Protocol):
    """Something in the log that is more than a dispatch."""

    def record(self, queue: Queue) -> None:
        """Bring it on its way."""
        ...


class Queue:
    """Command buffers, host writes and submissions of one device.

    Args:
        driver: of the device.
        report: has an error raised by the next call that waits.
    """

    batch: int
    flight: Flight

    def __init__(self, driver: Driver, report: Callable[[Exception], None]) -> None:
        self._driver = driver
        self._report = report
        self.log: deque[Dispatch | Entry | None] = deque()
        """None is the end of a batch."""
        self.batch = 0
        """The number of the batch that is being recorded."""
        self.flight = Flight(driver.wait)
        self.timer: Timer | None = None
        self._groups: dict[tuple[Any, ...], Any] = {}
        self._batch: list[Commands] = []
        """Recorded and not submitted, in order; the last may still be open."""
        self._open: Commands | None = None
        self._touched: set[Buffer] = set()
        """What the batch uses: the host may not write to it before the batch is submitted."""
        self._written = 0
        """Bytes that the host wrote since the last submission."""
        self._then: list[Callable[[Any], object]] = []

    # Recording

    def encode(self, to_end: bool = False) -> None:
        """Make commands of the log; what goes wrong is raised by the next call that waits.

        Args:
            to_end: only to the first end of a batch.
        """
        log = self.log
        while log:
            entry = log.popleft()
            try:
                if type(entry) is tuple:
                    self._dispatch(*entry)
                elif entry is None:
                    if to_end:
                        return
                else:
                    entry.record(self)  # type: ignore[union-attr]
            except Exception as error:
                self._report(error)

    def _dispatch(
        self,
        compiled: Runnable,
        buffers: list[Buffer],
        block: bytes,
        groups: tuple[int, int, int],
    ) -> None:
        key = (compiled.uid, block, *[buffer.uid for buffer in buffers])
        group = self._groups.get(key)
        if group is None:
            group = self._add_group(key, compiled.bind(buffers, block), buffers)
        self._touched.update(buffers)
        if self.timer is not None:
            self._time(self.timer, compiled, group, groups)
            return
        (self._open or self.commands()).dispatch(compiled.handle, group, *groups)

    def _time(
        self, timer: Timer, compiled: Runnable, group: Any, groups: tuple[int, int, int]
    ) -> None:
        if timer.is_full:
            self.submit_encoded()
            timer.collect()
        self.commands().dispatch_timed(
            (compiled.handle, group, *groups), *timer.next(compiled.name)
        )

    def _add_group(self, key: tuple[Any, ...], group: Any, buffers: list[Buffer]) -> Any:
        if len(self._groups) >= CACHED_GROUPS:
            self.forget_groups()
        self._groups[key] = group
        for buffer in buffers:
            buffer.groups.add(key)
        return group

    def forget_groups(self) -> None:
        """Drop the cached bind groups."""
        self._groups.clear()

    def discard(self, buffer: Buffer) -> None:
        """Drop the cached bind groups that hold a buffer, which nobody uses any more."""
        for key in buffer.groups:
            self._groups.pop(key, None)
        buffer.groups.clear()

    def commands(self) -> Commands:
        """The open command buffer."""
        if self._open is None:
            self._open = self._driver.commands()
            self._batch.append(self._open)
        return self._open

    def append(self, commands: Commands) -> None:
        """Take in commands that another thread recorded."""
        self._batch.append(commands)
        self._open = None

    def use(self, *buffers: Buffer) -> None:
        """Count buffers to those that the batch uses."""
        self._touched.update(buffers)

    def then(self, call: Callable[[Any], object]) -> None:
        """Have a call made with the batch's mark when it is submitted, or has failed."""
        self._then.append(call)

    # Writing

    def write(self, buffer: Buffer, data: npt.NDArray[Any], at: int = 0) -> None:
        """Write an array's bytes to a buffer, after everything encoded so far.

        Args:
            buffer: where they go.
            data: the array, contiguous.
            at: the byte of the buffer at which they begin, a multiple of 4.
        """
        if buffer in self._touched:
            self.submit_encoded()
        whole = data.nbytes & ~3
        if whole == data.nbytes <= PIECE:
            if whole:
                self._write(buffer, at, data)
            return
        raw = data.reshape(-1).view(np.uint8)
        for start in range(0, whole, PIECE):
            self._write(buffer, at + start, raw[start : min(start + PIECE, whole)])
        if whole < raw.size:
            tail = np.zeros(4, np.uint8)
            tail[: raw.size - whole] = raw[whole:]
            self._write(buffer, at + whole, tail)

    def _write(self, buffer: Buffer, at: int, data: npt.NDArray[Any]) -> None:
        if self._written and self._written + data.nbytes > PIECE:
            self._send(())  # ahead of the batch, so that its staging memory serves again
        self._driver.write(buffer.handle, at, data)
        self._written += data.nbytes

    # Submitting

    def submit(self, to_end: bool = False) -> None:
        """Submit what is in the log, all or to the end of a batch."""
        self.batch += 1
        self.encode(to_end)
        try:
            self.submit_encoded()
        except Exception as error:
            self._report(error)

    def submit_encoded(self) -> None:
        """Submit what was encoded so far, perhaps in the middle of a batch."""
        batch, self._batch, self._open = self._batch, [], None
        then, self._then = self._then, []
        self._touched.clear()
        try:
            finished = [commands for commands in batch if self._finish(commands)]
            if finished:
                self._send(finished)
        finally:
            for call in then:
                self._try(call, self.flight.latest())

    def _try(self, call: Callable[..., object], *args: Any) -> None:
        try:
            call(*args)
        except Exception as error:
            self._report(error)

    def _finish(self, commands: Commands) -> bool:
        try:
            commands.finish()
        except Exception as error:
            self._report(error)
            return False
        return True

    def _send(self, batch: Sequence[Commands]) -> None:
        """Submit commands behind what was written, once there is room."""
        self.flight.make_room(self._written)
        self.flight.add(self._driver.submit(batch), self._written)
        self._written = 0
