"""A recorded step: its dispatches, its memory plan and its replay.

While a step is recorded nothing runs. Its arrays get placeholder buffers; when it is complete,
:meth:`Recording.finish` plans which real buffer each of them has for how long, makes the bind
groups, and keeps one flat list of prepared dispatches. A replay writes the host values, copies the
inputs in and encodes that list; replays that follow each other closely are submitted together.
"""

from __future__ import annotations

import itertools
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from math import prod
from typing import Any
from weakref import ref

import numpy as np
import numpy.typing as npt

from rumus._core.frames import FrameLock
from rumus._core.versions import Replays
from rumus.gpu import _capture
from rumus.gpu._array import GpuArray, Guard, Shape, Storage, contiguous_strides
from rumus.gpu._capture import HostCallback
from rumus.gpu._device import GpuDevice
from rumus.gpu._errors import CaptureError
from rumus.gpu._fusion import Launch, fuse
from rumus.gpu._kernel import Chain, Pipeline
from rumus.gpu._memory import Buffer, size_class
from rumus.gpu._replay import Ahead, Release, Replay
from rumus.gpu._seam import Command

_uids = itertools.count()

TURNS = 8
"""Replays that may be in one batch: each of them has its own copy of what the host writes."""
_NOWHERE: deque[Buffer] = deque(maxlen=0)
"""Where the buffers of a recording's arrays go when these die: it keeps them itself."""
_MOST_BUFFERS = 8
"""Storage buffers of a fused kernel: what every adapter can bind."""


@dataclass(slots=True)
class HostValue:
    """What the host writes for each replay."""

    buffers: list[Buffer]
    """One for each turn; what was recorded binds the first."""
    callback: HostCallback
    shape: Shape
    dtype: np.dtype[Any]

    def next(self) -> npt.NDArray[Any]:
        """The value for a replay.

        Raises:
            CaptureError: it has another shape or dtype than was announced.
        """
        # A copy, because the callback may give the same array again before this one is written.
        return np.array(fitting(self.callback(), self.shape, self.dtype), order="C")


class Recording:
    """The work of one step on one device, between its recording and its last replay."""

    def __init__(self, device: GpuDevice) -> None:
        self.device = device
        self.launches: list[Launch] = []
        self._storages: dict[Buffer, ref[Storage]] = {}
        """The placeholders, with what is dead when nobody holds an array there."""
        self._host_values: list[HostValue] = []
        # The storages made outside that the step uses: their buffers must not be reused elsewhere.
        self._used: dict[int, Storage] = {}
        self._owned: list[Buffer] = []
        self._commands: list[list[Command]] = []
        """The dispatches, for each turn."""
        self._turns = itertools.count()
        self._inputs: list[GpuArray] = []
        self._uid = next(_uids)
        self.replays = Replays()
        self.checks: list[Callable[[], None]] = []
        """What has to hold when the step is recorded."""
        self.effects: list[Callable[[], None]] = []
        """What the host does in each replay."""
        self._brought: dict[int, tuple[Guard, set[int]]] = {}
        """Whom replays ask in their middle, and for what, by the storage that it comes to."""
        self._in_parts = FrameLock()
        """Held from a replay's first part to its last: none of another comes in between."""
        self._interruptions: list[tuple[int, Callable[[], None]]] = []
        """What it does in the middle: behind how many launches."""

    # While recording

    def allocate(self, device: GpuDevice, nbytes: int) -> Storage:
        """A storage that has memory once the recording is finished."""
        self._check_device(device)
        placeholder = Buffer(None, size_class(nbytes))
        storage = Storage(device, placeholder, nbytes, self, _NOWHERE)
        self._storages[placeholder] = ref(storage)
        return storage

    def input_like(self, array: GpuArray) -> GpuArray:
        """The array that stands for an argument of the step; each replay copies into it."""
        storage = self._pinned(self._take_buffer(array.nbytes), array.nbytes)
        made = GpuArray(storage, array.shape, contiguous_strides(array.shape), 0, array.dtype)
        self._inputs.append(made)
        return made

    def host_value(self, callback: HostCallback, shape: Shape, dtype: np.dtype[Any]) -> GpuArray:
        """An array that is filled by the callback before each replay."""
        nbytes = prod(shape) * dtype.itemsize
        buffers = [self._take_buffer(nbytes, for_upload=True) for _ in range(TURNS)]
        self._host_values.append(HostValue(buffers, callback, shape, dtype))
        storage = self._pinned(buffers[0], nbytes)
        return GpuArray(storage, shape, contiguous_strides(shape), 0, dtype)

    def launch(
        self,
        pipeline: Pipeline,
        device: GpuDevice,
        arrays: Sequence[GpuArray],
        params: bytes,
        groups: tuple[int, int, int],
        chain: Chain | None,
    ) -> None:
        """Record a dispatch.

        Raises:
            CaptureError: if an array is neither of this recording nor persistent.
        """
        self._check_device(device)
        for array, binding in zip(arrays, pipeline.bindings, strict=False):
            self._check_origin(array, pipeline.name, binding.name)
            if array.storage.guard is not None:
                self._bring(array, array.storage.guard)
        buffers = [array.storage.buffer for array in arrays]
        self.launches.append(Launch(pipeline, buffers, params, groups, chain))

    def _bring(self, array: GpuArray, guard: Guard) -> None:
        """Have each replay wait for what is on its way to an array, where it first needs that."""
        asked, brought = self._brought.setdefault(id(array.storage), (guard, set()))
        parts = set(guard.parts(*array.extent)) - brought
        if parts and asked is guard:
            brought |= parts
            self.interrupt(partial(guard.bring, parts))

    def interrupt(self, effect: Callable[[], None]) -> None:
        """Have something done in each replay between what is recorded and what will be."""
        self._interruptions.append((len(self.launches), effect))

    def _check_device(self, device: GpuDevice) -> None:
        if device is not self.device:
            raise CaptureError(
                f"{_capture.user_line()}: the captured step runs on gpu:{self.device.index}, and "
                f"this uses gpu:{device.index}; capture one step a device"
            )

    def _check_origin(self, array: GpuArray, kernel: str, binding: str) -> None:
        storage = array.storage
        if storage.owner is self:
            return
        if not storage.persistent:
            name = _capture.variable_name((storage.buffer,)) or "a tensor"
            raise CaptureError(
                f"{_capture.user_line()}: {name} of shape {array.shape} and dtype {array.dtype}, "
                f"read by kernel {kernel} as {binding!r}, was made outside of the captured step "
                f"and would be frozen into it: pass it to the step as an argument, or make "
                "what stays the same a buffer of the model"
            )
        self._used[id(storage)] = storage

    def _pinned(self, buffer: Buffer, nbytes: int) -> Storage:
        """A storage with a buffer of its own from the start."""
        return Storage(self.device, buffer, nbytes, self, _NOWHERE)

    def _take_buffer(self, nbytes: int, for_upload: bool = False) -> Buffer:
        device = self.device
        buffer = device.pool.take(max(16, nbytes), device.queue.batch, for_upload)
        self._owned.append(buffer)
        return buffer

    def is_host_value(self, array: GpuArray) -> bool:
        """Whether the host writes the array, another buffer in each turn."""
        buffer = array.storage.buffer
        return any(buffer is value.buffers[0] for value in self._host_values)

    def left_behind(self, outputs: Sequence[GpuArray]) -> set[Buffer]:
        """The memory of arrays that are still held, though they are no outputs."""
        held = {placeholder for placeholder, storage in self._storages.items() if storage()}
        return held - {output.storage.buffer for output in outputs}

    # Once complete

    def finish(self, fuse_all: bool) -> None:
        """Fuse launches, plan the memory and prepare the dispatches.

        Args:
            fuse_all: whether to fuse also where the last bit of a result may change.
        """
        most = min(self.device.limits["max-storage-buffers-per-shader-stage"], _MOST_BUFFERS)
        dead = {placeholder for placeholder, storage in self._storages.items() if not storage()}
        self._fuse(dead, most, exactly=not fuse_all)
        self._plan_memory(dead)
        turns = TURNS if self._host_values else 1
        launches = self.device.submitter.call(self._prepare_all, turns)
        self._commands = [list(commands) for commands in zip(*launches, strict=True)]
        self._commands = self._commands or [[]] * turns
        self.launches.clear()
        for array in self._inputs:
            # Else they and the recording hold each other, and device memory waits for Python's
            # garbage collector.
            storage = array.storage
            self._owned.remove(storage.buffer)
            storage.owner, storage.home = None, storage.buffer.home

    def _fuse(self, dead: set[Buffer], most: int, exactly: bool) -> None:
        """Fuse what lies between two interruptions, and count these by what is left."""
        ends = [0, *(at for at, _ in self._interruptions), len(self.launches)]
        parts = [self.launches[start:stop] for start, stop in pairwise(ends)]
        used = Counter(b for part in parts for b in {b for launch in part for b in launch.buffers})
        free = {buffer for buffer in dead if used[buffer] < 2}
        self.launches = []
        for k, part in enumerate(parts):
            self.launches += fuse(part, free, most, exactly)
            if k < len(self._interruptions):
                self._interruptions[k] = len(self.launches), self._interruptions[k][1]

    def _plan_memory(self, dead: set[Buffer]) -> None:
        """Let arrays whose lifetimes do not meet share a buffer, in one pass over the launches."""
        last: dict[Buffer, int] = {}
        for position, launch in enumerate(self.launches):
            for buffer in launch.buffers:
                last[buffer] = position
        free: dict[int, list[Any]] = {}
        for position, launch in enumerate(self.launches):
            fresh = [b for b in launch.buffers if b.handle is None and b in self._storages]
            for buffer in dict.fromkeys(fresh):
                self._give_memory(buffer, free)
            for buffer in dict.fromkeys(launch.buffers):
                if buffer in dead and last[buffer] == position:
                    free.setdefault(buffer.nbytes, []).append(buffer.handle)
        for buffer in self._storages.keys() - dead:
            if buffer.handle is None:
                self._give_memory(buffer, free)

    def _give_memory(self, placeholder: Buffer, free: dict[int, list[Any]]) -> None:
        handles = free.get(placeholder.nbytes)
        if handles:
            placeholder.handle = handles.pop()
            return
        buffer = self.device.pool.take(placeholder.nbytes, self.device.queue.batch)
        self._owned.append(buffer)
        placeholder.handle = buffer.handle

    def _prepare_all(self, turns: int) -> list[list[Command]]:
        """The dispatches of each launch. On the device's thread."""
        return [self._prepare(launch, turns) for launch in self.launches]

    def _prepare(self, launch: Launch, turns: int) -> list[Command]:
        """The dispatch of each turn: the same one if it binds nothing that the host writes."""
        pipeline, device = launch.pipeline, self.device
        compiled = pipeline.compile(device)
        written = {v.buffers[0]: v.buffers for v in self._host_values}
        given = [written.get(buffer, [buffer] * turns) for buffer in launch.buffers]
        different = turns if any(buffer in written for buffer in launch.buffers) else 1
        groups = []
        for buffers in list(zip(*given, strict=True))[:different]:
            groups.append(compiled.bind(buffers, launch.params))
        groups *= turns // different
        return [(compiled.handle, group, *launch.groups) for group in groups]

    # Replay

    @property
    def dispatches(self) -> int:
        """How many dispatches a replay runs."""
        return len(self._commands[0])

    def replay(self, inputs: Sequence[GpuArray], outputs: Sequence[GpuArray]) -> list[GpuArray]:
        """Run the step on other inputs, and return copies of its outputs."""
        for array in itertools.chain(inputs, outputs):
            array.bring()
        for key, storage in self._used.items():
            guard = storage.guard
            if guard is not None and guard.is_waiting and not self._asks(guard, key):
                guard.bring()
        device, turn = self.device, next(self._turns) % len(self._commands)
        copies = [self._room_for(output) for output in outputs]
        batch = device.queue.batch
        replay = Replay(self._commands[turn], inputs, self._inputs, outputs, copies, batch)
        is_encoded_here = device.driver.is_concurrent and not self._interruptions
        ahead = self._ahead() if is_encoded_here else None
        if ahead is not None:
            replay.encode_into(ahead)
        # Only now, for what callbacks count must not advance without a replay.
        replay.writes = [(value.buffers[turn], value.next()) for value in self._host_values]
        self.replays.count += 1
        for effect in self.effects:
            effect()
        last = replay
        if self._interruptions:
            with self._in_parts:
                last = self._append_parts(replay)
        else:
            device.log.append(replay)
        if ahead is not None:
            ahead.give_back()
        device.end_replay(last.dispatches)
        return copies

    def _asks(self, guard: Guard, key: int) -> bool:
        """Whether replays ask a storage's guard in their middle; it may have come since."""
        return key in self._brought and self._brought[key][0] is guard

    def _append_parts(self, replay: Replay) -> Replay:
        """Put a replay into the log, and between its parts what the host has done there.

        Returns:
            The last part.
        """
        *parts, last = replay.split([at for at, _ in self._interruptions])
        for part, (_, effect) in zip(parts, self._interruptions, strict=True):
            self.device.log.append(part)
            self.device.end_part(part.dispatches)
            effect()
        self.device.log.append(last)
        return last

    def _ahead(self) -> Ahead:
        """Where the next replay is encoded: with those before, if it can be in their batch."""
        device = self.device
        ahead = device.ahead
        if (
            ahead is None
            or ahead.recording != self._uid
            or ahead.is_lost
            or len(ahead.replays) >= TURNS
            or not ahead.is_at_the_end_of(device.log)
            or not ahead.take()
        ):
            ahead = device.ahead = Ahead(device.driver, self._uid)
        return ahead

    def _room_for(self, output: GpuArray) -> GpuArray:
        """An array for the caller's copy of an output, which the next replay overwrites."""
        device = self.device
        buffer = device.pool.take(output.nbytes, device.queue.batch)
        storage = Storage(device, buffer, output.nbytes)
        return GpuArray(storage, output.shape, contiguous_strides(output.shape), 0, output.dtype)

    def __del__(self) -> None:
        if "_interruptions" not in self.__dict__:  # an interrupt came before __init__ was over
            return
        self.replays.ended = True
        self.device.ahead = None
        used = [storage.buffer for storage in self._used.values()]
        used += [array.storage.buffer for array in self._inputs]
        self.device.queue.log.append(Release(self._owned, used))


def fitting(value: Any, shape: Shape, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """A host value, if it is of this shape and dtype.

    Raises:
        CaptureError: it is not.
    """
    given = np.asarray(value)
    if given.shape != shape or given.dtype != dtype:
        raise CaptureError(
            f"a host value of shape {shape} and dtype {dtype} was announced, and its callback "
            f"returned one of shape {given.shape} and dtype {given.dtype}"
        )
    return given
