"""One open GPU: what a program does with it, from any thread."""

from __future__ import annotations

import atexit
import gc
import os
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from time import perf_counter
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from rumus._core.frames import FrameLock
from rumus.gpu import _adapter, _capture
from rumus.gpu._array import GpuArray, Storage
from rumus.gpu._errors import DeviceLostError, GpuError, GpuLimitError, GpuOutOfMemoryError
from rumus.gpu._faults import Faults
from rumus.gpu._holders import largest
from rumus.gpu._memory import Buffer, Pool
from rumus.gpu._native import make_driver
from rumus.gpu._queue import Dispatch, Entry, Queue, Runnable, Timer
from rumus.gpu._readback import Readback
from rumus.gpu._replay import Ahead
from rumus.gpu._seam import Driver
from rumus.gpu._submitter import Job, Submitter
from rumus.gpu._uniforms import Uniforms

T = TypeVar("T")

BATCH = 64
"""Entries of the log before it is submitted without being asked for: enough that a submission costs
each of them about a microsecond, few enough that the GPU is not kept waiting."""
LONG_WORKGROUPS, LONG_SECONDS = 16384, 250e-6
"""A batch of so many workgroups, which take longer than a submission, is submitted too if the last
submission is so long ago that the GPU may be idle. While it is not, each submission costs it some
microseconds."""
REPLAY_SECONDS = 1e-3
"""The same of a batch with a replay in it. A submission costs the processor as much as encoding one
replay or two, so several of them share it."""
MOST_WAITING = 2
"""Batches that wait for their submission; whoever comes with one more waits, too."""
COPIED, MOST_COPIED = 1 << 20, 16 << 20
"""Bytes of an upload that are copied, to be written later, for more we wait until they are; and
those of all such copies before the batch is submitted."""
_MOST_ERRORS = 16
_STORAGE, _COPY_SRC, _COPY_DST = 0x80, 0x4, 0x8


class Upload(NamedTuple):
    """A host write in the log."""

    buffer: Buffer
    data: npt.NDArray[Any]

    def record(self, queue: Queue) -> None:
        """Write."""
        queue.write(self.buffer, self.data)


class GpuDevice:
    """An open device. Every method may be called from any thread, but for those of its thread."""

    gpu: Any
    max_groups: int
    driver: Driver
    queue: Queue
    pool: Pool
    faults: Faults

    def __init__(self, index: int, submitter: Submitter) -> None:
        self.index = index
        self.gpu = _adapter.open_device(index)
        self.limits: dict[str, int] = _adapter.lowered(dict(self.gpu.limits))
        self.max_groups = self.limits["max-compute-workgroups-per-dimension"]
        self._max_binding = self.limits["max-storage-buffer-binding-size"]
        self._largest = min(self._max_binding, self.limits["max-buffer-size"])
        self.submitter = submitter
        self.driver = make_driver(self.gpu)
        self.queue = Queue(self.driver, lambda error: self.report(self.translated(error)))
        self.log: deque[Dispatch | Entry | None] = self.queue.log
        self.ahead: Ahead | None = None
        """The replays that callers encode."""
        self._workgroups = self._replayed = self._copied = 0  # in it, about
        self._taken_at = perf_counter()  # when the latest batch was submitted
        self._waiting: deque[Job[None]] = deque()
        self._errors: deque[Exception] = deque()
        largest = self.limits["max-buffer-size"]
        self.pool = Pool(
            self._create_buffer, self.queue.discard, largest, submitter.call, self.queue.encode
        )
        self._uniforms = Uniforms(self._checked, self.gpu, self.driver, self.queue.forget_groups)
        fault = Storage(self, self.pool.take(16, 0), 16)
        self.faults = Faults(fault, self.queue.write, self.report)
        self._readback = Readback(self.gpu, self.queue, self.faults)

    @classmethod
    def open(cls, index: int) -> GpuDevice:
        """A device with a thread of its own, on which it is opened."""
        submitter = Submitter(f"rumus-gpu:{index}")
        return submitter.call(cls, index, submitter)

    # Memory

    def allocate(self, nbytes: int, for_upload: bool = False) -> Storage:
        """A storage of ``nbytes``, padded to 16, with whatever contents.

        Raises:
            GpuLimitError: if a kernel could not bind it.
            GpuOutOfMemoryError: if there is no room.
        """
        padded = (nbytes + 15) & ~15 or 16
        if padded > self._largest:
            self._refuse_size(padded)
        recording = _capture.current()
        if recording is not None:
            return recording.allocate(self, padded)
        return Storage(self, self.pool.take(padded, self.queue.batch, for_upload), nbytes)

    def upload(self, data: npt.NDArray[Any]) -> Storage:
        """A new storage that holds the bytes of a contiguous array."""
        _capture.refuse("uploads a host array, whose values every replay would repeat")
        storage = self.allocate(data.nbytes, for_upload=True)
        if data.nbytes <= COPIED:
            self._copied += data.nbytes
            self.log.append(Upload(storage.buffer, data.copy()))
            if len(self.log) >= BATCH or self._copied >= MOST_COPIED:
                self.flush()
        else:
            # The storage goes along: its buffer is nobody else's before it is written.
            self.submitter.call(self._upload, storage, data)
        return storage

    def overwrite(self, array: GpuArray, data: npt.NDArray[Any]) -> None:
        """Write a contiguous array's bytes into one that is there; both are whole words."""
        _capture.refuse("uploads a host array, whose values every replay would repeat")
        array.bring()
        self.ahead = None
        self.submitter.call(self._overwrite, array, data)

    def _overwrite(self, array: GpuArray, data: npt.NDArray[Any]) -> None:
        self.queue.encode()
        # Replays on their way may read it, of which the queue knows arguments and results only.
        self.queue.submit_encoded()
        at = array.offset * array.dtype.itemsize
        self._checked(self.queue.write, array.storage.buffer, data, at)

    def _upload(self, storage: Storage, data: npt.NDArray[Any]) -> None:
        self.queue.encode()
        self._checked(self.queue.write, storage.buffer, data)

    def memory_stats(self) -> dict[str, int]:
        """Bytes held by arrays, bytes held from the driver, and the peak of the first."""
        self.ahead = None  # whose replays hold their results
        return self.submitter.call(self._memory_stats)

    def _memory_stats(self) -> dict[str, int]:
        self.queue.encode()
        self.pool.collect()
        self.pool.look()
        return {"live": self.pool.live, "reserved": self.pool.reserved, "peak": self.pool.peak}

    # Commands

    def dispatch(
        self,
        compiled: Runnable,
        buffers: list[Buffer],
        block: bytes,
        groups: tuple[int, int, int],
    ) -> None:
        """Record a dispatch."""
        batch = self.queue.batch
        for buffer in buffers:
            buffer.last_use = batch
        self.log.append((compiled, buffers, block, groups))
        self._workgroups += groups[0] * groups[1] * groups[2]
        if len(self.log) >= BATCH or (
            self._workgroups >= LONG_WORKGROUPS and perf_counter() - self._taken_at > LONG_SECONDS
        ):
            self.flush()

    def flush(self) -> None:
        """Submit what is recorded, on the device's thread.

        The thread needs Python to encode, and gets to it only while we wait; to finish and submit
        a batch it does not.
        """
        encoded = self.submitter.post(self._encode)
        self.hand_over()
        encoded.wait()

    def end_replay(self, dispatches: int) -> None:
        """Submit what is recorded with a replay, unless the GPU is busy.

        Replays that follow each other closely are submitted together, for the GPU rests a little
        between submissions.
        """
        self._replayed += dispatches
        if self._is_time():
            self.hand_over()

    def end_part(self, dispatches: int) -> None:
        """The same of a part of a replay, behind which the host may wait for something else."""
        self._replayed += dispatches
        if self._is_time():
            self.flush()

    def _is_time(self) -> bool:
        """Whether what is replayed is enough for a batch, or the GPU has nothing else to do."""
        return self._replayed >= BATCH or (
            perf_counter() - self._taken_at > REPLAY_SECONDS and not self._is_submitting()
        )

    def _is_submitting(self) -> bool:
        """Whether an earlier batch still waits for its submission."""
        try:
            return not self._waiting[-1].is_over
        except IndexError:
            return False

    def hand_over(self) -> None:
        """Have what is recorded submitted, and go on."""
        self._workgroups = self._replayed = self._copied = 0
        self._taken_at = perf_counter()
        self.ahead = None
        self.log.append(None)
        self._waiting.append(self.submitter.post(self.queue.submit, True))
        while len(self._waiting) > MOST_WAITING:
            try:
                job = self._waiting.popleft()
            except IndexError:  # another thread waited meanwhile
                return
            job.wait()

    # Timing, on the device's thread

    def begin_timing(self, make: Callable[[GpuDevice], Timer]) -> Any:
        """Time the dispatches from now on."""
        self.queue.timer = make(self)
        return self.queue.timer

    def end_timing(self) -> None:
        """Collect the times of what is submitted, and time no more."""
        timer, self.queue.timer = self.queue.timer, None
        if timer is not None:
            timer.collect()

    # Waiting

    def read(self, array: GpuArray, out: npt.NDArray[Any] | None = None) -> npt.NDArray[Any]:
        """The elements of a contiguous array, once everything recorded has run."""
        _capture.refuse("reads a tensor back, which has no value while the step is recorded")
        array.bring()
        return self.call(self._read, array, out)

    def synchronize(self) -> None:
        """Wait until everything recorded has run, and raise what went wrong."""
        _capture.refuse("waits for the GPU, which a replay never does")
        self.call(self._read, self.faults.array)

    def call(self, call: Callable[..., T], *args: Any) -> T:
        """Make a call that waits, on the device's thread, and raise what went wrong until then."""
        self.ahead = None
        result: T = self.submitter.call(self._checked, call, *args)
        self._raise_errors()
        return result

    def see(self, found: npt.NDArray[np.int32], reported: int) -> None:
        """Look at a copy of the faults, and raise what went wrong until then, in any thread.

        Args:
            found: the copy.
            reported: how many faults had been reported when it was made.
        """
        if found.any():
            self.submitter.call(self.faults.see, found, reported)
        self._raise_errors()

    def report(self, error: Exception) -> None:
        """Have an error raised by the next call that waits."""
        if len(self._errors) < _MOST_ERRORS:
            self._errors.append(error)

    def _read(self, array: GpuArray, out: npt.NDArray[Any] | None = None) -> npt.NDArray[Any]:
        self.queue.encode()
        result = self._readback.read(array, out)
        self.queue.flight.clear()
        self.faults.check()
        return result

    def _raise_errors(self) -> None:
        if self._errors:
            raise self._errors.popleft()

    # On the device's thread

    def _encode(self) -> None:
        self.pool.look()
        self.queue.encode()

    def uniform(self, data: bytes) -> Buffer:
        """The immutable uniform buffer with these bytes; the same bytes share one."""
        return self._uniforms.get(data)

    def make_group(self, layout: Any, buffers: Sequence[Buffer]) -> Any:
        """A bind group, which keeps the buffers' memory for as long as it lives."""
        entries = [(b.handle, b.offset, min(b.nbytes, self._max_binding)) for b in buffers]
        return self._checked(self.driver.bind_group, layout, entries)

    def _create_buffer(self, nbytes: int) -> Any:
        usage = _STORAGE | _COPY_SRC | _COPY_DST
        try:
            return self._checked(self.gpu.create_buffer, size=nbytes, usage=usage)
        except GpuOutOfMemoryError:
            # Arrays in garbage cycles, such as those of a trainer that was dropped, hold buffers.
            gc.collect()
            self.queue.submit()
            self.pool.trim()
        try:
            return self._checked(self.gpu.create_buffer, size=nbytes, usage=usage)
        except GpuOutOfMemoryError as error:
            raise GpuOutOfMemoryError(
                f"gpu:{self.index} has no room for a buffer of {nbytes:,} bytes; live are "
                f"{self.pool.live:,} bytes, reserved {self.pool.reserved:,}. The largest: "
                f"{'; '.join(largest(self.index)) or 'none'}. What helps: smaller batches, or "
                'parts of them (rumus.train.Trainer(optimizer, shards="auto")), with the same '
                "gradients; rumus.autograd.checkpoint around a part of the model; float16; and "
                "no_grad() where nothing is trained"
            ) from error

    # Errors

    def _refuse_size(self, nbytes: int) -> None:
        for name in ("max-storage-buffer-binding-size", "max-buffer-size"):
            if nbytes > self.limits[name]:
                raise GpuLimitError(
                    f"a tensor of {nbytes:,} bytes does not fit {name} of gpu:{self.index}, which "
                    f"is {self.limits[name]:,} bytes: split it"
                )

    def _checked(self, call: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        try:
            return call(*args, **kwargs)
        except Exception as error:
            raise self.translated(error) from error

    def translated(self, error: Exception) -> GpuError:
        """The same error as one of ours."""
        return error if isinstance(error, GpuError) else _translated(error, self.index)


def _translated(error: Exception, index: int) -> GpuError:
    text = str(error)
    if "out of memory" in text.lower() or type(error).__name__ == "GPUOutOfMemoryError":
        return GpuOutOfMemoryError(f"gpu:{index}: {text}")
    if "lost" in text.lower():
        return DeviceLostError(f"gpu:{index} was lost ({text}); start a new process")
    return GpuError(f"gpu:{index}: {text}")


_devices: dict[int, GpuDevice] = {}
_opening = FrameLock()


def get_device(index: int) -> GpuDevice:
    """The open device ``"gpu:index"``, opened on first use."""
    device = _devices.get(index)
    if device is None:
        with _opening:
            device = _devices.get(index)
            if device is None:
                device = _devices[index] = GpuDevice.open(index)
    return device


def open_devices() -> list[GpuDevice]:
    """The devices that were used so far."""
    return list(_devices.values())


class _Forked:
    """Stands in for the log and the thread of a device that a forked child inherited."""

    def __len__(self) -> int:
        return 0

    def append(self, entry: object) -> None:
        raise GpuError(
            "this process was forked from one that uses the GPU, and a GPU connection does not "
            "survive a fork: start workers by 'spawn', or use the GPU only in the child"
        )

    def post(self, *call: object) -> Any:
        self.append(call)

    call = post


def _disable_in_child() -> None:
    for device in _devices.values():
        device.log = device.submitter = _Forked()  # type: ignore[assignment]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_disable_in_child)


@atexit.register
def _close() -> None:
    """Let the GPUs finish: their drivers must not go from under their work."""
    for device in _devices.values():
        with suppress(GpuError):
            work = device.submitter.post(device.synchronize)
            _wait_on(work.wait)
            _wait_on(device.submitter.end)


def _wait_on(call: Callable[[], None]) -> None:
    """Call it, again if Ctrl-C comes: what is in flight is short. A third one ends even that."""
    for _ in range(2):
        with suppress(KeyboardInterrupt):
            return call()
    call()
