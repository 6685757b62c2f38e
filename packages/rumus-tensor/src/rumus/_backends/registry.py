"""The backend of each device."""

from __future__ import annotations

import os
from typing import Any

from rumus._core.devices import Device

from .contract import Backend
from .cpu import CpuBackend

_backends: dict[str, Backend[Any]] = {"cpu": CpuBackend()}


def backend_of(device: Device) -> Backend[Any]:
    """The primitives of a device; the first use of a GPU starts it.

    Raises:
        GpuUnavailableError: There is no such GPU, or it cannot be used.
    """
    backend = _backends.get(device.name)
    return backend if backend is not None else _started(device)


def _started(device: Device) -> Backend[Any]:
    from .gpu import get_gpu_backend

    return _backends.setdefault(device.name, get_gpu_backend(device.index))


def _gpu_is_available() -> bool:
    """Whether there is a GPU; a software adapter, which numpy outruns, is one if it is named."""
    from rumus import gpu

    if not gpu.is_available():
        return False
    return "RUMUS_GPU" in os.environ or gpu.info()["adapters"][0]["kind"] != "CPU"


Device.gpu_is_available = _gpu_is_available
