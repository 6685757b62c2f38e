"""What there is, what it can do, and how much of it is in use."""

from __future__ import annotations

from typing import Any

from rumus._core.errors import GpuUnavailableError
from rumus.gpu import _adapter
from rumus.gpu._device import get_device, open_devices
from rumus.gpu._seam import load_api


def is_available() -> bool:
    """Whether a GPU, or a software adapter, can be used here.

    Example:
        >>> is_available()
        True
    """
    try:
        return bool(_adapter.adapters())
    except GpuUnavailableError:
        return False


def info() -> dict[str, Any]:
    """The WebGPU package and the adapters in order, for a bug report.

    Raises:
        GpuUnavailableError: if there is none.

    Example:
        >>> sorted(info())
        ['adapters', 'api', 'api_version']
    """
    found = [_adapter.describe(index) for index in range(len(_adapter.adapters()))]
    api = load_api()
    return {"api": api.__name__, "api_version": api.__version__, "adapters": found}


def limits(device_index: int = 0) -> dict[str, int]:
    """The limits of an open device, by their WebGPU names.

    Example:
        >>> limits()["max-storage-buffer-binding-size"] >= 1 << 27
        True
    """
    return dict(get_device(device_index).limits)


def memory_stats(device_index: int = 0) -> dict[str, int]:
    """Bytes on a device: ``live`` in arrays, ``reserved`` from the driver, ``peak`` of live.

    Example:
        >>> sorted(memory_stats())
        ['live', 'peak', 'reserved']
    """
    return get_device(device_index).memory_stats()


def submit(device_index: int = 0) -> None:
    """Have the GPU begin what is recorded, and go on: before a wait for something else.

    Example:
        >>> submit()
    """
    get_device(device_index).flush()


def synchronize() -> None:
    """Wait until every device has run what was recorded, and raise what went wrong.

    Example:
        >>> synchronize()
    """
    for device in open_devices():
        device.synchronize()
