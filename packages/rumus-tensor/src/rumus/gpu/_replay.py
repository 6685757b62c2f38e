"""What recordings put into the log: their replays, and at last their memory."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy.typing as npt

from rumus.gpu._array import GpuArray
from rumus.gpu._memory import Buffer
from rumus.gpu._queue import Queue
from rumus.gpu._seam import Command, Commands, Driver


class Ahead:
    """A command buffer of replays that follow each other, encoded by who calls them.

    Encoding takes about as long as to finish and submit, which the device's thread does meanwhile.
    Who works on the buffer takes it: a caller until his replay is in the log as well, the device's
    thread for good. Where it is not to be had, because an interrupt came in between or a caller is
    just encoding one more, or where something else is in the log between its replays, the device's
    thread encodes these itself.

    Attributes:
        recording: the number of that whose replays it holds.
        replays: all of them in the log, in this order, while nobody has taken it.
        is_lost: whether the device's thread could not or need not take it any more.
    """

    __slots__ = ("_free", "commands", "is_lost", "recording", "replays")
    recording: int
    is_lost: bool

    def __init__(self, driver: Driver, recording: int) -> None:
        self.commands: Commands = driver.commands()
        self.recording = recording
        self.replays: list[Replay] = []
        self.is_lost = False
        self._free: list[None] = []

    def is_at_the_end_of(self, log: Sequence[object]) -> bool:
        """Whether nothing was recorded after its replays."""
        try:
            return log[-1] is self.replays[-1]
        except IndexError:  # the device's thread has taken them
            return False

    def take(self) -> bool:
        """Have it alone, if nobody else has."""
        try:
            self._free.pop()  # a step of Python's own: of several who try, one succeeds
        except IndexError:
            return False
        return True

    def give_back(self) -> None:
        """Let others have it."""
        self._free.append(None)


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

    __slots__ = ("_after", "_ahead", "_before", "_commands", "_foreign", "writes")

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
        # Of the arrays only where they lie: what is recorded later may have their memory, and the
        # pool need not wait for the log.
        self._before = [_copy(*pair) for pair in zip(arguments, inputs, strict=True)]
        self._after = [_copy(*pair) for pair in zip(outputs, results, strict=True)]
        # What it uses that is not the recording's.
        self._foreign = [array.storage.buffer for array in (*arguments, *results)]
        for buffer in self._foreign:
            buffer.last_use = batch
        self._ahead: Ahead | None = None
        self.writes: Sequence[tuple[Buffer, npt.NDArray[Any]]] = ()
        """What the host writes before."""

    @property
    def dispatches(self) -> int:
        """How many it runs."""
        return len(self._commands)

    def split(self, ends: Sequence[int]) -> list[Replay]:
        """The same in parts, which end behind so many dispatches; the first one has the writes."""
        parts: list[Replay] = []
        # What the host writes is read by any of them, whatever batch that is in.
        used = [*self._foreign, *(buffer for buffer, _ in self.writes)]
        for start, stop in pairwise([0, *ends, len(self._commands)]):
            part = Replay.__new__(Replay)
            part._commands, part._foreign, part._ahead = self._commands[start:stop], used, None
            part._before = [] if parts else self._before
            part._after = self._after if len(parts) == len(ends) else []
            part.writes = () if parts else self.writes
            parts.append(part)
        return parts

    def encode_into(self, ahead: Ahead) -> None:
        """Encode on this thread, into what it has taken."""
        self._encode(ahead.commands)
        ahead.replays.append(self)
        self._ahead = ahead

    def record(self, queue: Queue) -> None:
        """Write what the host has to, and run behind everything before."""
        ahead = self._ahead
        if ahead is None or not self._leads(ahead, queue):
            self._prepare(queue, (self,))
            self._encode(queue.commands())
            return
        replays, ahead.replays = ahead.replays, []
        for _ in replays[1:]:
            queue.log.popleft()
        self._prepare(queue, replays)
        queue.append(ahead.commands)

    def _leads(self, ahead: Ahead, queue: Queue) -> bool:
        """Whether what was encoded ahead begins with this replay, and the log goes on with it."""
        was_lost, ahead.is_lost = ahead.is_lost, True
        if was_lost or not ahead.take() or ahead.replays[0] is not self:
            return False
        log, rest = queue.log, ahead.replays[1:]
        return len(rest) <= len(log) and all(log[i] is replay for i, replay in enumerate(rest))

    @staticmethod
    def _prepare(queue: Queue, replays: Sequence[Replay]) -> None:
        """Write what the host has to before some replays, and count what they use to the batch."""
        for replay in replays:
            for buffer, data in replay.writes:
                queue.write(buffer, data)
        for replay in replays:
            queue.use(*replay._foreign, *(buffer for buffer, _ in replay.writes))

    def _encode(self, commands: Commands) -> None:
        for place in self._before:
            commands.copy(*place)
        commands.dispatch_all(self._commands)
        for place in self._after:
            commands.copy(*place)


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


def _copy(source: GpuArray, target: GpuArray) -> tuple[Any, int, Any, int, int]:
    """What :meth:`Commands.copy` takes for two contiguous arrays of one size."""
    return (
        source.storage.buffer.handle, source.offset * source.dtype.itemsize,
        target.storage.buffer.handle, target.offset * target.dtype.itemsize,
        (source.nbytes + 3) & ~3,
    )  # fmt: skip
