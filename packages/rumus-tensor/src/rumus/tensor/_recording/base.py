"""What the families of the recorder stand on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rumus._backends.contract import Backend
from rumus._backends.registry import backend_of
from rumus._core.base import TensorBase
from rumus._core.devices import Device
from rumus._core.errors import AutogradError


class Recording:
    """A device, and how tensors are made of its arrays.

    Args:
        device: Where the arrays are.
        wrap: Makes a tensor of an array and a device.
    """

    def __init__(self, device: Device, wrap: Callable[..., Any]) -> None:
        self.device, self._wrap = device, wrap

    @property
    def primitives(self) -> Backend[Any]:
        """The device's own, over arrays."""
        return backend_of(self.device)

    def tensor(self, a: Any) -> Any:
        """An array that a function kept, as a constant; tensors and numbers as they are."""
        if a is None or isinstance(a, (TensorBase, float, int)):
            return a
        return self._wrap(a, self.device)

    def array(self, a: Any) -> Any:
        """The array of a tensor; anything else as it is."""
        return a.array if isinstance(a, TensorBase) else a

    def refuse(self, what: str, *given: Any) -> None:
        """Raise if a gradient would be lost.

        Raises:
            AutogradError: One of the tensors has a graph.
        """
        if any(isinstance(a, TensorBase) and a.requires_grad for a in given):
            raise AutogradError(
                f"a backward pass of create_graph=True uses the primitive {what}, which has no "
                "derivative"
            )
