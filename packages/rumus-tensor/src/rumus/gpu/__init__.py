"""The GPU runtime: devices, memory, kernels, and captured steps.

Nothing here touches an adapter, or imports ``wgpu``, before the first use of a GPU. See
``docs/kernels.md`` for writing a kernel and ``docs/gpu.md`` for how the runtime works.
"""

import typing as _typing

from rumus.gpu._array import GpuArray, Guard
from rumus.gpu._capture import (
    in_between,
    is_recording,
    outside_capture,
    when_recorded,
    when_replayed,
)
from rumus.gpu._captured import Captured, capture
from rumus.gpu._errors import (
    CaptureError,
    DeviceLostError,
    GpuError,
    GpuLimitError,
    GpuOutOfMemoryError,
    KernelError,
)
from rumus.gpu._fill import full, zeros
from rumus.gpu._info import info, is_available, limits, memory_stats, submit, synchronize
from rumus.gpu._kernel import Kernel, Pipeline
from rumus.gpu._read_ahead import ReadAhead
from rumus.gpu._timing import KernelTime, kernel_times
from rumus.gpu._transfer import empty, from_host, guard, host_value, persist, to_host
from rumus.gpu._write_ahead import WriteAhead

if not _typing.TYPE_CHECKING:  # else checkers would take any name
    from rumus.gpu._foreign import missing as __getattr__  # noqa: F401

__all__ = [
    "CaptureError",
    "Captured",
    "DeviceLostError",
    "GpuArray",
    "GpuError",
    "GpuLimitError",
    "GpuOutOfMemoryError",
    "Guard",
    "Kernel",
    "KernelError",
    "KernelTime",
    "Pipeline",
    "ReadAhead",
    "WriteAhead",
    "capture",
    "empty",
    "from_host",
    "full",
    "guard",
    "host_value",
    "in_between",
    "info",
    "is_available",
    "is_recording",
    "kernel_times",
    "limits",
    "memory_stats",
    "outside_capture",
    "persist",
    "submit",
    "synchronize",
    "to_host",
    "when_recorded",
    "when_replayed",
    "zeros",
]
