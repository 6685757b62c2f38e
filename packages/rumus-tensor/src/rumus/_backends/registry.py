"""The backend of each device."""

from __future__ import annotations

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
    from rumus.gpu import is_available

    return is_available()


Device.gpu_is_available = _gpu_is_available
