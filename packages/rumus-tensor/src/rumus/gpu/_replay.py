"""What recordings put into the log: their replays, and at last their memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy.typing as npt

from rumus.gpu._array import GpuArray
from rumus.gpu._memory import Buffer
from rumus.gpu._queue import Queue
from rumus.gpu._seam import Command, Commands, Driver


class Replay:
    """One replay of a recording: all of it is in the log, or nothing.

    Args:
        commands: the prepared dispatches.
        arguments: contiguous arrays, which are copied to the inputs before.
        inputs: of the recording.
        outputs: of the recording, which are copied to the results after.
        results: contiguous arrays.
        batch: the number of the batch that it will be in, or an earlier one.
    """

    __slots__ = (
        "_arguments", "_commands", "_encoded", "_foreign", "_inputs", "_outputs", "_results",
        "writes",
    )  # fmt: skip

    def __init__(
        self,
        commands: Sequence[Command],
        arguments: Sequence[GpuArray],
        inputs: Sequence[GpuArray],
        outputs: Sequence[GpuArray],
        results: Sequence[GpuArray],
        batch: int,
    ) -> None:
        self._commands = commands
        self._arguments, self._inputs = arguments, inputs
        self._outputs, self._results = outputs, results
        # What it uses that is not the recording's.
        self._foreign = [array.storage.buffer for array in (*arguments, *results)]
        for buffer in self._foreign:
            buffer.last_use = batch
        self._encoded: Commands | None = None
        self.writes: Sequence[tuple[Buffer, npt.NDArray[Any]]] = ()
        """What the host writes before."""

    def encode_ahead(self, driver: Driver) -> None:
        """Encode on this thread, while the device's own submits what was before."""
        encoded = driver.commands()
        self._encode(encoded)
        self._encoded = encoded

    def record(self, queue: Queue) -> None:
        """Write what the host has to, and run behind everything before."""
        for buffer, data in self.writes:
            queue.write(buffer, data)
            queue.use(buffer)
        queue.use(*self._foreign)
        if self._encoded is None:
            self._encode(queue.commands())
        else:
            queue.append(self._encoded)

    def _encode(self, commands: Commands) -> None:
        for source, target in zip(self._arguments, self._inputs, strict=True):
            _copy(commands, source, target)
        commands.dispatch_all(self._commands)
        for source, target in zip(self._outputs, self._results, strict=True):
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
