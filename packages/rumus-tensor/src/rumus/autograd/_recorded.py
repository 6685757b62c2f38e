"""The backward pass as an operation like any other: over tensors, and recorded as it runs."""

from __future__ import annotations

from typing import Any

from rumus._core.base import TensorBase
from rumus._core.devices import Device
from rumus._core.errors import AutogradError, RumusError
from rumus._core.mode import is_grad_enabled

from ._engine import Pass
from ._node import Node, Operation, zero
from ._store import GradientStore


class RecordedPass(Pass):
    """A pass whose gradients have a graph.

    Args:
        like: Any tensor of the class that the pass is over.

    Raises:
        AutogradError: Nothing is recorded, under ``no_grad()``.
    """

    def __init__(self, like: TensorBase) -> None:
        if not is_grad_enabled():
            raise AutogradError("create_graph=True records nothing under no_grad()")
        super().__init__(like)
        self.backend_of = like._recorder

    def taken(self, tensor: TensorBase) -> Any:
        """The tensor itself, with its graph."""
        return tensor

    def given(self, grad: Any, device: Device) -> TensorBase:
        """The gradient, which is a tensor."""
        tensor: TensorBase = grad
        return tensor

    def run(self, node: Node, function: Operation, grad: Any) -> tuple[Any | None, ...]:
        """The gradients of the inputs of one node, with their graphs.

        Raises:
            AutogradError: The function does what cannot be recorded.
        """
        try:
            grads = function.recorded(node, self._wrap).backward(self.backend_of(node.device), grad)
        except (TypeError, AttributeError) as error:
            if isinstance(error, RumusError):
                raise
            raise AutogradError(f"{_not_recorded(function)}: {error}") from error
        for given in grads:
            if not (given is None or given is zero or isinstance(given, TensorBase)):
                raise AutogradError(f"{_not_recorded(function)}: it gave back an array")
        return grads

    def moved(self, grad: Any, source: Device, target: Device) -> Any:
        """A gradient on another device."""
        return grad.to(target)

    def add_part(self, node: Node, function: Operation, grad: Any) -> bool:
        """Nothing is changed in place."""
        return False

    def offer(self, node: Node, i: int) -> Any | None:
        """What has a graph is in memory of its own, not in a slot."""
        return None

    def store(self) -> GradientStore:
        """The gradients as they are."""
        store = GradientStore()
        self.fill()
        for parameter, grad in self.leaves.items():
            store._grads[parameter.id] = self.complete(parameter, grad)
        return store


def _not_recorded(function: Operation) -> str:
    return (
        f"{function.name}.backward has no second derivative, as it does more than call primitives "
        "of its backend (a kernel of your own is a Function of its own, called by be.apply)"
    )
