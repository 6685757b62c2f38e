"""The backward pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from rumus._backends.contract import Backend
from rumus._backends.registry import backend_of
from rumus._core.base import TensorBase, TensorT
from rumus._core.dtypes import float16, float32
from rumus._core.errors import AutogradError, DeviceError, ShapeError
from rumus._core.versions import Version

from ._leaf import Leaf
from ._node import Node, Operation
from ._slots import active
from ._store import GradientStore


def backward(
    loss: TensorBase[TensorT], grad: TensorBase | None, retain_graph: bool
) -> GradientStore[TensorT]:
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
    run = _Run()
    if not isinstance(root, Node):
        run.leaves[root] = backend_of(loss.device).copy(seed)
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
    be = backend_of(loss.device)
    if grad is None:
        if loss.size != 1:
            raise AutogradError(
                f"backward() of a tensor of shape {loss.shape} needs grad, a tensor of that shape; "
                "a loss is usually reduced with .mean() or .sum() first"
            )
        if loss.shape == () and loss.dtype == float32:
            return be.one()
        return be.full(loss.shape, 1.0, loss.dtype)
    if not isinstance(grad, TensorBase):
        raise AutogradError(
            f"backward() takes a tensor as grad, not a {type(grad).__name__}; "
            "to scale the gradients, scale the loss"
        )
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

    def __init__(self) -> None:
        self.pending: dict[Node, Any] = {}
        self.leaves: dict[Leaf, Any] = {}
        self.own: set[Node | Leaf] = set()
        """Those whose gradient so far is in memory that nobody else holds."""
        self.wide: set[Node | Leaf] = set()
        """Those of float16 whose gradient is summed in float32."""
        self.leases: dict[Leaf, tuple[Any, Version]] = {}
        self.contributions: Counter[Leaf] = Counter()

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
        self.own.discard(node)
        if node in self.wide:
            grad = _as_dtype(backend_of(node.device), grad, float16)
        function = node.checked_function()
        if function.is_part and self.add_part(node, function, grad):
            return
        active.offer = lambda i: self.offer(node, i)
        try:
            grads = function.backward(backend_of(node.device), grad)
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
            be = backend_of(edge.device)
            given = _checked(be, function, node, i, grads[i])
            sums: dict[Any, Any] = self.pending if isinstance(edge, Node) else self.leaves
            if edge in sums:
                sums[edge] = be.elementwise("add", self.widened(be, sums, edge), given)
                self.own.add(edge)
            elif isinstance(edge, Node):
                self.pending[edge] = given
            elif edge in self.leases and given is self.leases[edge][0]:
                self.leaves[edge] = given
            else:
                others = (grad, *grads[:i], *grads[i + 1 :], *vars(function).values())
                self.leaves[edge] = _owned(be, given, others)
            if function.is_part:
                self.own.add(edge)

    def add_part(self, node: Node, function: Operation, grad: Any) -> bool:
        """Add to a part of the gradient of a node's input, if that may be written to."""
        (edge,), (expected,) = node.edges, node.inputs
        if edge not in self.own or edge is None or expected is None:
            return False
        sums: dict[Any, Any] = self.pending if isinstance(edge, Node) else self.leaves
        if (sums[edge].shape, edge.device) != (expected[0], expected[2]):
            return False
        be = backend_of(edge.device)
        function.add_part(be, grad, self.widened(be, sums, edge))
        return True

    def widened(self, be: Backend[Any], sums: dict[Any, Any], edge: Node | Leaf) -> Any:
        """A sum that more is added to: of float16 it is kept in float32, and rounded once."""
        if sums[edge].dtype == float16:
            self.wide.add(edge)
            sums[edge] = be.elementwise("cast", sums[edge], dtype=float32)
        return sums[edge]

    def offer(self, node: Node, i: int) -> Any | None:
        """The parameter's slot, if this node is all that adds to its gradient."""
        edge = node.edges[i]
        if edge is None or isinstance(edge, Node) or self.contributions[edge] != 1:
            return None
        return self.lease(edge)

    def lease(self, parameter: Leaf) -> Any | None:
        if parameter not in self.leases:
            lease = parameter.slot.lease() if parameter.slot is not None else None
            if lease is None:
                return None
            self.leases[parameter] = lease
        return self.leases[parameter][0]

    def store(self) -> GradientStore:
        """The gradients, moved into their slots where they are not there already."""
        store = GradientStore()
        for parameter, array in self.leaves.items():
            if parameter in self.wide:
                array = _as_dtype(backend_of(parameter.device), array, float16)
            slot = self.lease(parameter)
            version = None
            if slot is not None:
                version = self.leases[parameter][1]
                if slot is not array:
                    backend_of(parameter.device).assign(slot, array)
                array = slot
            store._grads[parameter.id] = parameter._wrap(array, parameter.device, None, version)
        return store


def _checked(be: Backend[Any], function: Operation, node: Node, i: int, grad: Any) -> Any:
    """The gradient of an input, in the input's dtype, if it can be that at all."""
    edge, expected = node.edges[i], node.inputs[i]
    if edge is None or expected is None or grad.shape != expected[0]:
        raise AutogradError(
            f"{function.name}.backward gave input {i} a gradient of shape {grad.shape}; "
            f"the input has shape {expected and expected[0]}"
        )
    if edge.device is not expected[2]:
        raise AutogradError(
            f"input {i} of {function.name} was on {expected[2]} and moved to {edge.device} "
            "before backward(); run the forward pass again"
        )
    return _as_dtype(be, grad, expected[1])


def _owned(be: Backend[Any], given: Any, others: Iterable[Any]) -> Any:
    """The array, copied if anything else holds its memory: users may write to gradients."""
    given = be.contiguous(given)
    for other in others:
        for array in other if isinstance(other, tuple) else (other,):
            if isinstance(array, type(given)) and be.shares(given, array):
                return be.copy(given)
    return given


def _as_dtype(be: Backend[Any], array: Any, dtype: Any) -> Any:
    return array if array.dtype == dtype else be.elementwise("cast", array, dtype=dtype)
