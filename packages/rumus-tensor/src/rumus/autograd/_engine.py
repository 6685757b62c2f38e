"""The backward pass: from the newest node of a graph to its leaves."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from rumus._backends.contract import Backend
from rumus._backends.registry import backend_of
from rumus._core.base import TensorBase
from rumus._core.devices import Device
from rumus._core.dtypes import float16, float32
from rumus._core.errors import AutogradError, DeviceError, ShapeError
from rumus._core.frames import Scoped
from rumus._core.versions import Version

from ._hooks import hooked
from ._leaf import Leaf
from ._node import Node, Operation, zero
from ._slots import active
from ._store import GradientStore

observers: list[Callable[[Operation, Device, Any, Sequence[Any]], None]] = []
"""Called with every operation that went backward, its device, its gradient, and what it gave."""
Follower = Callable[[Leaf, TensorBase], object]
_following: Scoped[Follower] = Scoped()
current_follower = _following.get
"""Who is told of the gradients of this thread's passes."""


def following(follower: Follower) -> AbstractContextManager[None]:
    """Be told of each gradient as soon as a backward pass has nothing to add to it.

    For what can be done with a gradient while those before it are computed. A pass through
    :func:`checkpoint` and one that is recorded (``create_graph``) tell of none.

    Args:
        follower: Called with the parameter and its gradient, which lies where the pass leaves it.

    Example:
        >>> from rumus.tensor import ones
        >>> first, last = leaf(ones(2)), leaf(ones(2))
        >>> with following(lambda parameter, grad: print(parameter is last, grad.tolist())):
        ...     _ = ((first * 3.0).exp() * last).sum().backward()  # doctest: +ELLIPSIS
        True [20.0..., 20.0...]
        False [60.2..., 60.2...]
    """
    return _following.during(follower, sys._getframe(1))


def reachable(roots: Iterable[Node | Leaf | None], since: int = 0) -> list[Node]:
    """All nodes that the roots depend on, the newest first, but for those older than ``since``."""
    seen = {root for root in roots if isinstance(root, Node) and root.order >= since}
    stack = list(seen)
    while stack:
        node = stack.pop()
        node.checked_function()
        for edge in node.edges:
            if isinstance(edge, Node) and edge not in seen and edge.order >= since:
                seen.add(edge)
                stack.append(edge)
    return sorted(seen, key=lambda node: -node.order)


class Pass:
    """One backward pass, over arrays.

    Args:
        like: Any tensor of the class that the pass gives.
    """

    def __init__(self, like: TensorBase) -> None:
        self._wrap = like._wrap
        self.backend_of: Callable[[Device], Backend[Any]] = backend_of
        self.pending: dict[Node, Any] = {}
        self.leaves: dict[Leaf, Any] = {}
        self.own: set[Node | Leaf] = set()
        """Those whose gradient so far is in memory that nobody else holds."""
        self.wide: set[Node | Leaf] = set()
        """Those of float16 whose gradient is summed in float32."""
        self.zeros: dict[Node | Leaf, None] = {}
        """Those to whose gradient zeros were added."""
        self.seen: set[Node | Leaf] = set()
        """Those whose hooks have run."""
        self.reruns: dict[Node, Any] = {}
        """What is known of the functions that are run again, by their node."""
        self.leases: dict[Leaf, tuple[Any, Version]] = {}
        self.contributions: Counter[Leaf] = Counter()
        self.follower: Follower | None = None
        self.whole: dict[Leaf, TensorBase] = {}
        """Gradients to which nothing is added any more."""

    def seed(self, output: TensorBase, grad: TensorBase | None) -> Any:
        """The gradient of an output, to begin with."""
        be = self.backend_of(output.device)
        if grad is None:
            if output.size != 1:
                raise AutogradError(
                    f"backward() of a tensor of shape {output.shape} needs grad, a tensor of that "
                    "shape; a loss is usually reduced with .mean() or .sum() first"
                )
            if output.shape == () and output.dtype == float32:
                return be.one()
            return be.full(output.shape, 1.0, output.dtype)
        if not isinstance(grad, TensorBase):
            raise AutogradError(
                f"backward() takes a tensor as grad, not a {type(grad).__name__}; "
                "to scale the gradients, scale the loss"
            )
        if grad.shape != output.shape:
            raise ShapeError(f"grad has shape {grad.shape}, the tensor has {output.shape}")
        if grad.device is not output.device:
            raise DeviceError(f"grad is on {grad.device}, the tensor on {output.device}")
        return as_dtype(be, self.taken(grad), output.dtype)

    def taken(self, tensor: TensorBase) -> Any:
        """What the pass computes with, of a tensor."""
        return tensor.array

    def begin(self, root: Node | Leaf, seed: Any) -> None:
        """Start from the gradient of an output."""
        sums: dict[Any, Any] = self.pending if isinstance(root, Node) else self.leaves
        be = self.backend_of(root.device)
        if root in sums:
            seed = be.elementwise("add", sums[root], seed)
        sums[root] = seed if isinstance(root, Node) else be.copy(seed)

    def go(self, nodes: list[Node], retain_graph: bool) -> None:
        """Run the nodes backward, the newest first."""
        self.count_contributions(nodes)
        self.prepare(nodes)
        if self.follower is None or any(node.checked_function().enter for node in nodes):
            for node in nodes:
                self.step(node)
        else:
            with _following.during(None, sys._getframe()):  # not of the passes that nodes make
                self.tell(self.follower, nodes)
        if not retain_graph:
            for node in nodes:
                node.free()

    def tell(self, follower: Follower, nodes: list[Node]) -> None:
        """Run the nodes, and tell of the gradients that are whole after each."""
        missing = self.contributions.copy()
        for node in nodes:
            leaves = [e for e in node.edges if e is not None and not isinstance(e, Node)]
            self.step(node)
            missing.subtract(leaves)
            for leaf in dict.fromkeys(leaves):
                if not missing[leaf] and leaf in self.leaves:
                    follower(leaf, self.finished(leaf))

    def prepare(self, nodes: list[Node]) -> None:
        """Look at the nodes before they are run."""

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
            if node in self.zeros:
                self.zeros.update({edge: None for edge in node.edges if edge is not None})
            return
        self.own.discard(node)
        if node.hooks or node in self.wide:
            grad = self.complete(node, grad)
        function = node.checked_function()
        if function.enter is not None:
            function.enter(self, node, grad)
            return
        if function.is_part and self.add_part(node, function, grad):
            return
        grads = self.run(node, function, grad)
        if not isinstance(grads, (tuple, list)):
            raise AutogradError(
                f"{function.name}.backward returned {type(grads).__name__}, and not a tuple of one "
                "gradient, or None, for each input: return (grad,)"
            )
        if len(grads) != len(node.edges):
            raise AutogradError(
                f"{function.name}.backward returned {len(grads)} gradients "
                f"for {len(node.edges)} inputs"
            )
        if observers:
            for observe in list(observers):
                observe(function, node.device, grad, grads)
        for i, edge in enumerate(node.edges):
            if edge is None or grads[i] is None:
                continue
            if grads[i] is zero:
                self.zeros[edge] = None
                continue
            be = self.backend_of(edge.device)
            given = self.checked(be, function, node, i, grads[i])
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

    def fill(self) -> None:
        """Make the zeros of leaves that got nothing else."""
        for edge in self.zeros:
            if isinstance(edge, Leaf) and edge not in self.leaves:
                be = self.backend_of(edge.device)
                self.leaves[edge] = be.full(edge.shape, 0.0, edge.dtype)

    def complete(self, edge: Node | Leaf, grad: Any) -> Any:
        """A gradient to which nothing is added any more: rounded, and seen by hooks."""
        if edge in self.wide:
            self.wide.discard(edge)
            grad = as_dtype(self.backend_of(edge.device), grad, float16)
        if edge.hooks and edge not in self.seen:
            self.seen.add(edge)
            before = self.given(grad, edge.device)
            after = hooked(edge, before)
            if after is not before:
                grad = self.backend_of(edge.device).copy(self.taken(after))
        return grad

    def given(self, grad: Any, device: Device) -> TensorBase:
        """A gradient as a tensor."""
        tensor: TensorBase = self._wrap(grad, device)
        return tensor

    def run(self, node: Node, function: Operation, grad: Any) -> tuple[Any | None, ...]:
        """The gradients of the inputs of one node."""
        active.offer = lambda i: self.offer(node, i)
        try:
            return function.backward(backend_of(node.device), grad)
        finally:
            active.offer = None

    def checked(self, be: Backend[Any], function: Operation, node: Node, i: int, grad: Any) -> Any:
        """The gradient of an input in its dtype and on its device, if it can be that at all."""
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
        if node.device is not edge.device:
            grad = self.moved(grad, node.device, edge.device)
        return as_dtype(be, grad, expected[1])

    def moved(self, grad: Any, source: Device, target: Device) -> Any:
        """A gradient on another device."""
        return backend_of(target).from_host(backend_of(source).to_host(grad))

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
        self.fill()
        for parameter in self.leaves:
            store._grads[parameter.id] = self.finished(parameter)
        return store

    def finished(self, parameter: Leaf) -> TensorBase:
        """A parameter's gradient when all is added, in its slot if that can be had."""
        found = self.whole.get(parameter)
        if found is None:
            array = self.complete(parameter, self.leaves[parameter])
            slot = self.lease(parameter)
            version = None
            if slot is not None:
                version = self.leases[parameter][1]
                if slot is not array:
                    backend_of(parameter.device).assign(slot, array)
                array = slot
            found = parameter._wrap(array, parameter.device, None, version)
            self.whole[parameter] = found
        return found


def _owned(be: Backend[Any], given: Any, others: Iterable[Any]) -> Any:
    """The array, copied if anything else holds its memory: users may write to gradients."""
    given = be.contiguous(given)
    for other in others:
        for array in other if isinstance(other, tuple) else (other,):
            if isinstance(array, type(given)) and be.shares(given, array):
                return be.copy(given)
    return given


def as_dtype(be: Backend[Any], array: Any, dtype: Any) -> Any:
    """The array in a dtype."""
    return array if array.dtype == dtype else be.elementwise("cast", array, dtype=dtype)
