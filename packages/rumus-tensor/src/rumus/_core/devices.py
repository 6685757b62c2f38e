"""Devices by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Literal, TypeAlias

from .errors import DeviceError


class Device:
    """Where a tensor lives.

    Equal devices are the same object, and equal to their names: ``x.device == "gpu"`` is as good as
    ``x.device is Device("gpu:0")``. Naming a GPU does not touch it.

    Args:
        name: ``"cpu"``; ``"gpu"`` (the best adapter, the same as ``"gpu:0"``); ``"gpu:N"``;
            ``"auto"``, which becomes the GPU if there is one and else the CPU (a software adapter
            is a GPU for it only where ``RUMUS_GPU`` names one); or a device.

    Raises:
        DeviceError: The name is none of these.

    Example:
        >>> Device("gpu") == "gpu:0", str(Device("cpu"))
        (True, 'cpu')
    """

    __slots__ = ("name",)
    _known: ClassVar[dict[str, Device]] = {}
    gpu_is_available: ClassVar[Callable[[], bool]]
    """Set by the floor that knows GPUs; ``"auto"`` asks it."""
    name: str

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
            device.name = full
            known = cls._known.setdefault(full, device)
        return known

    @property
    def kind(self) -> str:
        """``"cpu"`` or ``"gpu"``."""
        return self.name[:3]

    @property
    def index(self) -> int:
        """The number of the GPU; 0 for the CPU."""
        return int(self.name[4:] or 0)

    def __reduce__(self) -> tuple[type[Device], tuple[str]]:
        return Device, (self.name,)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, str):
            return other == self.name or (other == "gpu" and self.name == "gpu:0")
        return self is other

    def __hash__(self) -> int:
        return hash(self.name)

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"Device({self.name!r})"


def _full_name(name: str) -> str:
    if name == "auto":
        return "gpu:0" if Device.gpu_is_available() else "cpu"
    if name == "gpu":
        return "gpu:0"
    prefix, _, number = name.partition(":")
    if name == "cpu":
        return name
    if prefix == "gpu" and number.isascii() and number.isdigit():
        return f"gpu:{int(number)}"
    hint = "; GPUs of every maker are 'gpu'" if prefix in ("cuda", "mps", "xpu", "vulkan") else ""
    raise DeviceError(f"unknown device {name!r}; take 'cpu', 'gpu', 'gpu:N' or 'auto'{hint}")


CPU = Device("cpu")
DeviceLike: TypeAlias = Device | Literal["cpu", "gpu", "auto"] | str
"""What ``device=`` takes.

Editors complete the names. Any ``str`` is taken too: ``"gpu:1"`` is no literal, and a name that was
read from options is none either, so that it is the call that refuses ``"cuda"``, not the checker.
"""
