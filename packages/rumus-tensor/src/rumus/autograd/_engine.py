"""The backward pass."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from rumus.tensor._base import TensorBase, Version
from rumus.tensor._errors import AutogradError, DeviceError, ShapeError

from ._node import Node
from ._slots import active
from ._store import GradientStore

if TYPE_CHECKING:
    from rumus.nn._parameter import Parameter
    from rumus.tensor._backend import Backend
    from rumus.tensor._device import Device

    from ._function import Function


def backward(loss: TensorBase, grad: TensorBase | None, retain_graph: bool) -> GradientStore:
    """The gradients of a tensor with respect to every parameter that it depends on.

    Nodes are visited from the newest to the oldest, so contributions to one gradient are always
    added in the same order.

    Raises:
        AutogradError: The tensor has no graph, the graph was freed, something saved was changed in
            place, or a tensor of several elements comes without ``grad``.
        ShapeError: ``grad`` has another shape than the tensor.
        DeviceError: ``grad`` is on another device.
    """
    root = loss._edge()
    if root is None:
        raise AutogradError(
            "this tensor depends on no parameter that requires a gradient, "
            "or was computed under no_grad()"
        )
    seed = _seed(loss, grad)
    run = _Run(loss.device)
    if not isinstance(root, Node):
        run.leaves[root] = run.be.copy(seed)
        return run.store()
    order = _reachable(root)
    run.count_contributions(order)
    run.pending[root] = seed
    for node in order:
        run.step(node)
    if not retain_graph:
        for node in order:
            node.free()
    return run.store()


def _seed(loss: TensorBase, grad: TensorBase | None) -> Any:
    be = loss.device.backend
    if grad is None:
        if loss.size != 1:
            raise AutogradError(
                f"backward() of a tensor of shape {loss.shape} needs grad, a tensor of that shape; "
                "a loss is usually reduced with .mean() or .sum() first"
            )
        return be.full(loss.shape, 1.0, loss.dtype)
    if grad.shape != loss.shape:
        raise ShapeError(f"grad has shape {grad.shape}, the tensor has {loss.shape}")
    if grad.device is not loss.device:
        raise DeviceError(f"grad is on {grad.device}, the tensor on {loss.device}")
    return _as_dtype(be, grad.array, loss.dtype)


def _reachable(root: Node) -> list[Node]:
    """All nodes that the root depends on, the newest first."""
    seen = {root}
    stack = [root]
    while stack:
        node = stack.pop()
        node.checked_function()
        for edge in node.edges:
            if isinstance(edge, Node) and edge not in seen:
                seen.add(edge)
                stack.append(edge)
    return sorted(seen, key=lambda node: -node.order)


class _Run:
    """The state of one backward pass."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.be: Backend[Any] = device.backend
        self.pending: dict[Node, Any] = {}
        self.leaves: dict[Parameter, Any] = {}
        self.leases: dict[Parameter, tuple[Any, Version]] = {}
        self.contributions: Counter[Parameter] = Counter()

    def count_contributions(self, nodes: list[Node]) -> None:
        """How many functions add to each parameter's gradient."""
        for node in nodes:
            for edge in node.edges:
                if edge is not None and not isinstance(edge, Node):
                    self.contributions[edge] += 1

    def step(self, node: Node) -> None:
        """Run one node backward and hand its gradients on."""
        grad = self.pending.pop(node, None)
        if grad is None:
            return
        function = node.checked_function()
        active.offer = lambda i: self.offer(node, i)
        try:
            grads = function.backward(self.be, grad)
        finally:
            active.offer = None
        if len(grads) != len(node.edges):
            raise AutogradError(
                f"{function.name}.backward returned {len(grads)} gradients "
                f"for {len(node.edges)} inputs"
            )
        for i, edge in enumerate(node.edges):
            if edge is None or grads[i] is None:
                continue
            given = self.checked(function, node, i, grads[i])
            if isinstance(edge, Node):
                self.pending[edge] = self.add(self.pending.get(edge), given)
            elif edge in self.leaves:
                self.leaves[edge] = self.add(self.leaves[edge], given)
            else:
                self.leaves[edge] = self.owned(edge, function, grad, grads, i, given)

    def offer(self, node: Node, i: int) -> Any | None:
        """The parameter's slot, if this node is all that adds to its gradient."""
        edge = node.edges[i]
        if edge is None or isinstance(edge, Node) or self.contributions[edge] != 1:
            return None
        return self.lease(edge)

    def lease(self, parameter: Parameter) -> Any | None:
        if parameter not in self.leases:
            lease = parameter.slot.lease() if parameter.slot is not None else None
            if lease is None:
                return None
            self.leases[parameter] = lease
        return self.leases[parameter][0]

    def checked(self, function: Function, node: Node, i: int, grad: Any) -> Any:
        expected = node.inputs[i]
        if expected is None or grad.shape != expected[0]:
            raise AutogradError(
                f"{function.name}.backward gave input {i} a gradient of shape {grad.shape}; "
                f"the input is {expected}"
            )
        return _as_dtype(self.be, grad, expected[1])

    def add(self, old: Any | None, new: Any) -> Any:
        return new if old is None else self.be.elementwise("add", old, new)

    def owned(
        self, edge: Parameter, function: Function, grad: Any, grads: Any, i: int, given: Any
    ) -> Any:
        """The array, copied if anything else holds its memory: optimizers may write to it."""
        if edge in self.leases and given is self.leases[edge][0]:
            return given
        given = self.be.contiguous(given)
        others = [grad, *grads[:i], *grads[i + 1 :]]
        for value in vars(function).values():
            others.extend(value if isinstance(value, tuple) else (value,))
        arrays = (other for other in others if isinstance(other, type(given)))
        shared = any(self.be.shares(given, other) for other in arrays)
        return self.be.copy(given) if shared else given

    def store(self) -> GradientStore:
        """The gradients, moved into their slots where they are not there already."""
        store = GradientStore()
        for parameter, array in self.leaves.items():
            slot = self.lease(parameter)
            version = None
            if slot is not None:
                version = self.leases[parameter][1]
                if slot is not array:
                    self.be.assign(slot, array)
                array = slot
            store._grads[parameter.id] = parameter._wrap(array, self.device, None, version)
        return store


def _as_dtype(be: Backend[Any], array: Any, dtype: Any) -> Any:
    return array if array.dtype == dtype else be.elementwise("cast", array, dtype=dtype)
