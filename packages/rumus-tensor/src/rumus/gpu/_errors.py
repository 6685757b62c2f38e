"""The GPU runtime's branch of the error tree.

::

    RumusError
    └── GpuError (RuntimeError)         anything that went wrong on a GPU that is there
        ├── KernelError                 WGSL that does not compile, or does not fit its dispatch
        ├── GpuLimitError               a size past one of the adapter's limits
        ├── GpuOutOfMemoryError         no room for a buffer; says what is live and reserved
        ├── DeviceLostError             the driver gave the device up; start a new process
        └── CaptureError                a step that cannot be replayed as it stands
"""

from rumus._core.errors import RumusError


class GpuError(RumusError, RuntimeError):
    """Something went wrong on a GPU that is there."""


class KernelError(GpuError):
    """WGSL that does not compile, or a dispatch that does not fit its kernel."""


class GpuLimitError(GpuError):
    """A size past one of the adapter's limits."""


class GpuOutOfMemoryError(GpuError):
    """The GPU has no room for a buffer."""


class DeviceLostError(GpuError):
    """The driver gave the device up; only a new process can use it again."""


class CaptureError(GpuError):
    """A step that cannot be recorded, because its replay would give wrong numbers."""
