"""One open GPU: its lock, its batch of recorded work, uploads, read-backs and faults."""

from __future__ import annotations

import atexit
import gc
import os
import threading
from collections.abc import Callable
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from rumus.gpu import _adapter, _capture
from rumus.gpu._array import GpuArray, Storage
from rumus.gpu._errors import DeviceLostError, GpuError, GpuLimitError, GpuOutOfMemoryError
from rumus.gpu._faults import Faults
from rumus.gpu._memory import Buffer, Pool
from rumus.gpu._readback import Readback
from rumus.gpu._seam import make_encoder
from rumus.gpu._submitter import Submitter
from rumus.gpu._uniforms import Uniforms

if TYPE_CHECKING:
    from rumus.gpu._kernel import Compiled

T = TypeVar("T")

BATCH = 64
"""Dispatches that are recorded before they are submitted without being asked for: enough that a
submission costs each of them about a microsecond, few enough that the GPU is not kept waiting."""
LONG_WORKGROUPS, LONG_SECONDS = 16384, 250e-6
"""A batch of so many workgroups, which take longer than a submission, or with a replay in it, is
submitted too if the last submission is so long ago that the GPU may be idle. While it is not, each
submission costs it some microseconds."""
PIECE = 16 << 20
"""Bytes that are written at a time: each write takes staging memory, and new pages of it cost more
than the copy."""
CACHED_GROUPS = 8192
_STORAGE, _COPY_SRC, _COPY_DST = 0x80, 0x4, 0x8


Writes = list[tuple[Buffer, npt.NDArray[Any]]]


class _Batch(NamedTuple):
    """Host writes, and the commands after them."""

    writes: Writes
    commands: Any


class GpuDevice:
    """An open device. Every method may be called from any thread."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.lock: Any = threading.RLock()
        self.gpu = _adapter.open_device(index)
        self.limits: dict[str, int] = _adapter.lowered(dict(self.gpu.limits))
        self.max_groups = self.limits["max-compute-workgroups-per-dimension"]
        self._max_binding = self.limits["max-storage-buffer-binding-size"]
        self._largest = min(self._max_binding, self.limits["max-buffer-size"])
        self.encoder = make_encoder(self.gpu)
        self.pool = Pool(self._create_buffer, self._discard_buffer, self.limits["max-buffer-size"])
        self.batch = 0
        """The number of batches submitted so far, and so the name of the one being recorded."""
        self._recorded = self._workgroups = 0  # in the open batch
        self._writes: Writes = []  # before its commands
        self._taken_at = perf_counter()  # the latest batch that was submitted
        self._groups: dict[tuple[int, ...], Any] = {}
        self._uniforms = Uniforms(self._checked, self.gpu, self.encoder, self._groups.clear)
        self._submitter = Submitter(self._submit)
        self._readback = Readback(self)
        self.faults = Faults(self)

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
        with self.lock:
            return Storage(self, self.pool.take(padded, self.batch, for_upload), nbytes)

    def upload(self, data: npt.NDArray[Any]) -> Storage:
        """A new storage that holds the bytes of a contiguous array."""
        _capture.refuse("uploads a host array, whose values every replay would repeat")
        with self.lock:
            storage = self.allocate(data.nbytes, for_upload=True)
            self.write(storage.buffer, data)
        return storage

    def write(self, buffer: Buffer, data: npt.NDArray[Any]) -> None:
        """Write an array's bytes to a buffer that no unsubmitted command uses."""
        with self.lock:
            self._submitter.drain()
            self._write(buffer, data)

    def _write(self, buffer: Buffer, data: npt.NDArray[Any]) -> None:
        whole = data.nbytes & ~3
        if whole == data.nbytes <= PIECE:
            if whole:
                self.encoder.write(buffer.handle, 0, data)
            return
        raw = data.reshape(-1).view(np.uint8)
        for start in range(0, whole, PIECE):
            if start:
                self.encoder.push()
            self.encoder.write(buffer.handle, start, raw[start : min(start + PIECE, whole)])
        if whole < raw.size:
            tail = np.zeros(4, np.uint8)
            tail[: raw.size - whole] = raw[whole:]
            self.encoder.write(buffer.handle, whole, tail)

    def uniform(self, data: bytes) -> Buffer:
        """The immutable uniform buffer with these bytes; the same bytes share one."""
        return self._uniforms.get(data)

    def memory_stats(self) -> dict[str, int]:
        """Bytes held by arrays, bytes held from the driver, and the peak of the first."""
        with self.lock:
            self.pool.collect()
            return {
                "live": self.pool.live,
                "reserved": self.pool.reserved,
                "peak": self.pool.peak,
            }

    # Commands

    def bind_group(self, compiled: Compiled, buffers: list[Buffer]) -> Any:
        """The bind group of a pipeline over these buffers, from the cache if it was made before."""
        key = (compiled.uid, *[buffer.uid for buffer in buffers])
        group = self._groups.get(key)
        if group is None:
            group = self.make_group(compiled, buffers)
            if len(self._groups) >= CACHED_GROUPS:
                self._groups.clear()
            self._groups[key] = group
            for buffer in buffers:
                buffer.groups.add(key)
        return group

    def make_group(self, compiled: Compiled, buffers: list[Buffer]) -> Any:
        """A bind group of its own, which keeps the buffers' memory for as long as it lives."""
        entries = [(b.handle, b.offset, min(b.nbytes, self._max_binding)) for b in buffers]
        return self._checked(self.encoder.bind_group, compiled.layout, entries)

    def dispatch(self, pipeline: Any, group: Any, x: int, y: int, z: int) -> None:
        """Record a dispatch into the open batch."""
        self.encoder.dispatch(pipeline, group, x, y, z)
        self._recorded += 1
        self._workgroups += x * y * z
        if self._recorded >= BATCH or (
            self._workgroups >= LONG_WORKGROUPS and perf_counter() - self._taken_at > LONG_SECONDS
        ):
            self.flush()

    def flush(self) -> None:
        """Submit what is recorded."""
        with self.lock:
            if self.encoder.is_open:
                self._submitter.drain()
                self._submit(self._take())

    def write_first(self, buffer: Buffer, data: npt.NDArray[Any]) -> None:
        """Write to a buffer before all commands of the open batch, when that is submitted."""
        self._writes.append((buffer, data))

    def end_replay(self, dispatches: int) -> None:
        """Submit what is recorded with a replay, unless the GPU is busy.

        Replays that follow each other closely are submitted together, for the GPU rests a little
        between submissions.
        """
        self._recorded += dispatches
        if self._recorded >= BATCH or perf_counter() - self._taken_at > LONG_SECONDS:
            self.hand_over()

    def hand_over(self) -> None:
        """Submit what is recorded, maybe on another thread while we go on."""
        batch = self._take()
        if self.encoder.is_concurrent:
            self._submitter.put(batch)
        else:
            self._submit(batch)

    def _take(self) -> _Batch:
        writes, self._writes = self._writes, []
        self._recorded = self._workgroups = 0
        self._taken_at = perf_counter()
        self.batch += 1
        return _Batch(writes, self.encoder.take())

    def _submit(self, batch: _Batch) -> None:
        for buffer, data in batch.writes:
            self._write(buffer, data)
        if batch.commands is not None:
            self._checked(self.encoder.submit, batch.commands)

    def copy(self, source: GpuArray, target: GpuArray) -> None:
        """Record a copy of a contiguous array's words to another of the same size."""
        with self.lock:
            for storage in (source.storage, target.storage):
                storage.buffer.last_use = self.batch
            self.encoder.copy(
                source.storage.buffer.handle, source.offset * source.dtype.itemsize,
                target.storage.buffer.handle, target.offset * target.dtype.itemsize,
                (source.nbytes + 3) & ~3,
            )  # fmt: skip

    # Waiting

    def read(self, array: GpuArray) -> npt.NDArray[Any]:
        """The elements of a contiguous array, once everything recorded has run."""
        _capture.refuse("reads a tensor back, which has no value while the step is recorded")
        with self.lock:
            result = self._checked(self._readback.read, array)
            self.faults.check()
        return result

    def synchronize(self) -> None:
        """Wait until everything recorded has run, and raise what went wrong."""
        _capture.refuse("waits for the GPU, which a replay never does")
        with self.lock:
            self.flush()
            self.faults.read()
            self.faults.check()

    # Inner parts

    def _create_buffer(self, nbytes: int) -> Any:
        usage = _STORAGE | _COPY_SRC | _COPY_DST
        try:
            return self._checked(self.gpu.create_buffer, size=nbytes, usage=usage)
        except GpuOutOfMemoryError:
            # Arrays in garbage cycles, such as those of a trainer that was dropped, hold buffers.
            gc.collect()
            self.flush()
            self.pool.trim()
        try:
            return self._checked(self.gpu.create_buffer, size=nbytes, usage=usage)
        except GpuOutOfMemoryError as error:
            raise GpuOutOfMemoryError(
                f"gpu:{self.index} has no room for a buffer of {nbytes:,} bytes; live are "
                f"{self.pool.live - nbytes:,} bytes, reserved {self.pool.reserved:,}: use smaller "
                f"batches or free tensors"
            ) from error

    def _discard_buffer(self, buffer: Buffer) -> None:
        self._drop_groups(buffer)
        buffer.handle = None

    def _drop_groups(self, buffer: Buffer) -> None:
        for key in buffer.groups:
            self._groups.pop(key, None)
        buffer.groups.clear()

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
        except GpuError:
            raise
        except Exception as error:
            raise _translated(error, self.index) from error


def _translated(error: Exception, index: int) -> GpuError:
    text = str(error)
    if "out of memory" in text.lower() or type(error).__name__ == "GPUOutOfMemoryError":
        return GpuOutOfMemoryError(f"gpu:{index}: {text}")
    if "lost" in text.lower():
        return DeviceLostError(f"gpu:{index} was lost ({text}); start a new process")
    return GpuError(f"gpu:{index}: {text}")


class _ForkedLock:
    """Stands in for the lock of a device that a forked child inherited and must not use."""

    def __enter__(self) -> None:
        raise GpuError(
            "this process was forked from one that uses the GPU, and a GPU connection does not "
            "survive a fork: start workers by 'spawn', or use the GPU only in the child"
        )

    def __exit__(self, *_: object) -> None:
        """Never reached: entering raises."""


_devices: dict[int, GpuDevice] = {}
_opening = threading.Lock()


def get_device(index: int) -> GpuDevice:
    """The open device ``"gpu:index"``, opened on first use."""
    device = _devices.get(index)
    if device is None:
        with _opening:
            device = _devices.get(index)
            if device is None:
                device = _devices[index] = GpuDevice(index)
    return device


def open_devices() -> list[GpuDevice]:
    """The devices that were used so far."""
    return list(_devices.values())


def _disable_in_child() -> None:
    for device in _devices.values():
        device.lock = _ForkedLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_disable_in_child)


@atexit.register
def _drain() -> None:
    """Let the queue finish, so that the driver is not torn down under running work."""
    for device in _devices.values():
        try:
            device.synchronize()
        except Exception:
            continue
