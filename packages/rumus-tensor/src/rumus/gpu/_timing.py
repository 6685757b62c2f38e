"""How long each kernel runs on the GPU, by timestamps around it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from rumus.gpu._device import GpuDevice, get_device
from rumus.gpu._errors import GpuError

_MOST = 1024
"""Dispatches until their times are read: WebGPU has 4096 timestamps a set."""
_QUERY_RESOLVE, _COPY_SRC = 0x200, 0x4


class KernelTime(NamedTuple):
    """One dispatch on the GPU.

    Attributes:
        name: Of the kernel.
        began: In seconds of the GPU's own clock.
        seconds: How long it ran.

    Example:
        >>> with kernel_times() as times:
        ...     y = full((8,), 1.0)
        >>> all(time.seconds >= 0 for time in times)
        True
    """

    name: str
    began: float
    seconds: float


class KernelTimer:
    """Times the dispatches of a device. Only the device's own thread comes here."""

    def __init__(self, device: GpuDevice) -> None:
        self._gpu = device.gpu
        self._period = device.driver.timestamp_period()
        self._set = self._gpu.create_query_set(type="timestamp", count=2 * _MOST)
        self._buffer = self._gpu.create_buffer(size=16 * _MOST, usage=_QUERY_RESOLVE | _COPY_SRC)
        self._names: list[str] = []
        self.times: list[KernelTime] = []

    @property
    def is_full(self) -> bool:
        """Whether times have to be collected before the next dispatch."""
        return len(self._names) == _MOST

    def next(self, name: str) -> tuple[Any, int]:
        """The timestamps of a dispatch of a kernel: their set, and the first one's position."""
        self._names.append(name)
        return self._set, 2 * (len(self._names) - 1)

    def collect(self) -> None:
        """Read the times of all dispatches, which are submitted; waits for them."""
        count, self._names, names = 2 * len(self._names), [], self._names
        if not count:
            return
        encoder = self._gpu.create_command_encoder()
        encoder.resolve_query_set(self._set, 0, count, self._buffer, 0)
        self._gpu.queue.submit([encoder.finish()])
        data = self._gpu.queue.read_buffer(self._buffer, 0, 8 * count)
        ticks = np.frombuffer(data, np.uint64).reshape(-1, 2).astype(np.float64)
        seconds = (ticks * self._period * 1e-9).tolist()
        for name, (begin, end) in zip(names, seconds, strict=True):
            self.times.append(KernelTime(name, begin, max(end - begin, 0.0)))


@contextmanager
def kernel_times(device_index: int = 0) -> Iterator[list[KernelTime]]:
    """Time every kernel that is dispatched inside, in a list that is filled at the end.

    Each kernel then runs in a pass of its own, which costs a little; replays of captured steps are
    not timed. Dawn rounds timestamps to 0.1 ms. For :class:`rumus.train.Profiler`, and for tuning
    kernels.

    Args:
        device_index: N of the device ``"gpu:N"``.

    Raises:
        GpuError: The adapter cannot time kernels: it has no ``timestamp-query``.

    Example:
        >>> from rumus import gpu, tensor
        >>> x = tensor.ones((64, 64), device="gpu")
        >>> with gpu.kernel_times() as times:
        ...     y = x @ x
        >>> len(times)
        1
    """
    device = get_device(device_index)
    if "timestamp-query" not in device.gpu.features:
        raise GpuError(
            f"gpu:{device_index} cannot time kernels: its adapter has no timestamp-query"
        )
    found: list[KernelTime] = []
    device.synchronize()
    timer = device.submitter.call(device.begin_timing, KernelTimer)
    try:
        yield found
    finally:
        device.synchronize()
        device.submitter.call(device.end_timing)
        found += timer.times
