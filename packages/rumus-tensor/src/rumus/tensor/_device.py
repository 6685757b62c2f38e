"""Devices by name, and the backend behind each."""

from __future__ import annotations

from typing import Any, ClassVar

from ._backend import Backend
from ._cpu import CpuBackend
from ._errors import DeviceError


class Device:
    """Where a tensor lives.

    Equal devices are the same object, and equal to their names: ``x.device == "gpu"`` is as good as
    ``x.device is Device("gpu:0")``. Naming a GPU does not touch it.

    Args:
        name: ``"cpu"``; ``"gpu"`` (the best adapter, the same as ``"gpu:0"``); ``"gpu:N"``;
            ``"auto"``, which becomes the GPU if one can be used and else the CPU; or a device.

    Raises:
        DeviceError: The name is none of these.
    """

    __slots__ = ("_backend", "_name")
    _known: ClassVar[dict[str, Device]] = {}
    _backend: Backend[Any] | None
    _name: str

    def __new__(cls, name: str | Device = "cpu") -> Device:
        """Look the name up, or make the device."""
        if isinstance(name, Device):
            return name
        if not isinstance(name, str):
            raise DeviceError(f"a device has a name, not {name!r}")
        known = cls._known.get(name)
        if known is None:
            full = _full_name(name)
            device = object.__new__(cls)
            device._name, device._backend = full, None
            known = cls._known.setdefault(full, device)
        return known

    @property
    def kind(self) -> str:
        """``"cpu"`` or ``"gpu"``."""
        return self._name[:3]

    @property
    def index(self) -> int:
        """The number of the GPU; 0 for the CPU."""
        return int(self._name[4:] or 0)

    @property
    def backend(self) -> Backend[Any]:
        """The primitives of this device; the first use of a GPU starts it.

        Raises:
            GpuUnavailableError: There is no such GPU, or it cannot be used.
        """
        if self._backend is None:
            self._backend = CpuBackend() if self._name == "cpu" else _gpu_backend(self.index)
        return self._backend

    def __reduce__(self) -> tuple[type[Device], tuple[str]]:
        return Device, (self._name,)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, str):
            return other == self._name or (other == "gpu" and self._name == "gpu:0")
        return self is other

    def __hash__(self) -> int:
        return hash(self._name)

    def __str__(self) -> str:
        return self._name

    def __repr__(self) -> str:
        return f"Device({self._name!r})"


def _full_name(name: str) -> str:
    if name == "auto":
        from rumus import gpu

        return "gpu:0" if gpu.is_available() else "cpu"
    if name == "gpu":
        return "gpu:0"
    prefix, _, number = name.partition(":")
    if name == "cpu":
        return name
    if prefix == "gpu" and number.isascii() and number.isdigit():
        return f"gpu:{int(number)}"
    raise DeviceError(f"unknown device {name!r}; take 'cpu', 'gpu', 'gpu:N' or 'auto'")


def _gpu_backend(index: int) -> Backend[Any]:
    from ._gpu import get_gpu_backend

    backend: Backend[Any] = get_gpu_backend(index)
    return backend


CPU = Device("cpu")
