"""What recordings put into the log: their replays, and at last their memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy.typing as npt

from rumus.gpu._array import GpuArray
from rumus.gpu._memory import Buffer
from rumus.gpu._queue import Queue
from rumus.gpu._seam import Command, Commands, Driver

Copies = Sequence[tuple[GpuArray, GpuArray]]
"""Contiguous arrays, each with the one that its elements go to."""


class Replay:
    """One replay of a recording: all of it is in the log, or nothing.

    Args:
        commands: the prepared dispatches.
        before: copies of the arguments to the recording's own inputs.
        after: copies of the outputs.
    """

    __slots__ = ("_after", "_before", "_commands", "_encoded", "writes")

    def __init__(self, commands: Sequence[Command], before: Copies, after: Copies) -> None:
        self._commands = commands
        self._before = before
        self._after = after
        self._encoded: Commands | None = None
        self.writes: Sequence[tuple[Buffer, npt.NDArray[Any]]] = ()
        """What the host writes before."""

    def encode_ahead(self, driver: Driver, batch: int) -> None:
        """Encode on this thread, while the device's own submits what was before."""
        for pair in (*self._before, *self._after):
            for array in pair:
                array.storage.buffer.last_use = batch
        encoded = driver.commands()
        self._encode(encoded)
        self._encoded = encoded

    def record(self, queue: Queue) -> None:
        """Write what the host has to, and run behind everything before."""
        for buffer, data in self.writes:
            queue.write(buffer, data)
            queue.use(buffer)
        for source, target in (*self._before, *self._after):
            queue.use(source.storage.buffer, target.storage.buffer)
        if self._encoded is None:
            self._encode(queue.commands())
        else:
            queue.append(self._encoded)

    def _encode(self, commands: Commands) -> None:
        for source, target in self._before:
            _copy(commands, source, target)
        commands.dispatch_all(self._commands)
        for source, target in self._after:
            _copy(commands, source, target)


class Release(NamedTuple):
    """The end of a recording, whose last replays may still be on their way.

    Attributes:
        owned: its buffers, which go back to the pool.
        used: those of others that its replays read or write.
    """

    owned: Sequence[Buffer]
    used: Sequence[Buffer]

    def record(self, queue: Queue) -> None:
        """Give the memory back."""
        queue.use(*self.owned, *self.used)
        for buffer in self.owned:
            buffer.home.append(buffer)


def _copy(commands: Commands, source: GpuArray, target: GpuArray) -> None:
    commands.copy(
        source.storage.buffer.handle, source.offset * source.dtype.itemsize,
        target.storage.buffer.handle, target.offset * target.dtype.itemsize,
        (source.nbytes + 3) & ~3,
    )  # fmt: skip
