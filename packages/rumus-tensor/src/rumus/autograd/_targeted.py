"""Backward passes that stop at chosen tensors."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Literal, overload

from rumus._core.base import TensorBase, TensorT
from rumus._core.described import type_name
from rumus._core.errors import ArgumentError, AutogradError, DTypeError

from ._backward import no_graph
from ._engine import Pass, reachable
from ._leaf import Leaf
from ._node import Node, Operation
from ._recorded import RecordedPass


@overload
def grad(
    outputs: TensorBase[TensorT] | Sequence[TensorBase[TensorT]],
    inputs: TensorBase[TensorT] | Sequence[TensorBase[TensorT]],
    grad: TensorBase | Sequence[TensorBase | None] | None = None,
    *,
    create_graph: bool = False,
    retain_graph: bool = False,
    allow_unused: Literal[False] = False,
) -> tuple[TensorT, ...]: ...


@overload
def grad(
    outputs: TensorBase[TensorT] | Sequence[TensorBase[TensorT]],
    inputs: TensorBase[TensorT] | Sequence[TensorBase[TensorT]],
    grad: TensorBase | Sequence[TensorBase | None] | None = None,
    *,
    create_graph: bool = False,
    retain_graph: bool = False,
    allow_unused: bool,
) -> tuple[TensorT | None, ...]: ...


def grad(
    outputs: TensorBase[TensorT] | Sequence[TensorBase[TensorT]],
    inputs: TensorBase[TensorT] | Sequence[TensorBase[TensorT]],
    grad: TensorBase | Sequence[TensorBase | None] | None = None,
    *,
    create_graph: bool = False,
    retain_graph: bool = False,
    allow_unused: bool = False,
) -> tuple[TensorT | None, ...]:
    """The gradients of outputs with respect to any tensors that they depend on.

    Nothing else is computed: neither the gradients of other parameters, nor what lies before the
    inputs. Gradients of parameters do not go to their places in an arena.

    Args:
        outputs: A tensor or several, whose gradients are added up.
        inputs: Parameters, leaves (see :func:`leaf`) or results, a tensor or several.
        grad: The gradient of each output, of its shape; 1 by default for one of one element.
        create_graph: Record the pass, for second derivatives; the graph of the outputs is kept.
        retain_graph: Keep the graph of the outputs for another backward pass.
        allow_unused: Give None for an input that no output depends on, instead of raising.

    Returns:
        A gradient for each input, of its shape: always a tuple.

    Raises:
        ArgumentError: There are no outputs, or ``grad`` has another length.
        AutogradError: An input requires no gradient, or no output depends on it, or as in
            :meth:`rumus.tensor.Tensor.backward`.
        DTypeError: Something is no tensor.

    Example:
        >>> from rumus.autograd import grad, leaf
        >>> from rumus.tensor import tensor
        >>> x = leaf(tensor([1.0, 2.0, 3.0]))
        >>> (slope,) = grad((x**3).sum(), x, create_graph=True)
        >>> slope.tolist(), grad(slope.sum(), x)[0].tolist()
        ([3.0, 12.0, 27.0], [6.0, 12.0, 18.0])
    """
    ends, starts = _listed("outputs", outputs), _listed("inputs", inputs)
    seeds = [grad] if grad is None or isinstance(grad, TensorBase) else list(grad)
    if grad is None:
        seeds = [None] * len(ends)
    if not ends or len(seeds) != len(ends):
        raise ArgumentError(f"grad takes one gradient an output: {len(ends)}, not {len(seeds)}")
    targets = [_edge_of(i, x) for i, x in enumerate(starts)]
    kind = RecordedTargetedPass if create_graph else TargetedPass
    run: _Targeted = kind(ends[0], frozenset(targets))
    roots = []
    for k, (end, seed) in enumerate(zip(ends, seeds, strict=True)):
        root = end._edge()
        if root is None:
            raise no_graph(f"output {k}")
        run.begin(root, run.seed(end, seed))
        roots.append(root)
    run.go(reachable(roots), retain_graph or create_graph)
    found = [run.gradient(target, x) for target, x in zip(targets, starts, strict=True)]
    for i, given in enumerate(found):
        if given is None and not allow_unused:
            raise AutogradError(
                f"{_name_of(i, starts[i])} has no gradient: the outputs do not depend on it; "
                "with allow_unused=True its gradient is None"
            )
    return tuple(found)


class _Targeted(Pass):
    """A pass that goes no further than it must for the gradients of targets."""

    def __init__(self, like: TensorBase, targets: Collection[Node | Leaf]) -> None:
        super().__init__(like)
        self.targets = targets
        self.paths: set[Node] = set()
        """Nodes that lead to targets."""
        self.found: dict[Node, Any] = {}
        self.like = like

    def prepare(self, nodes: Sequence[Node]) -> None:
        """Find the nodes that lead to targets."""
        for node in reversed(nodes):
            if any(edge in self.targets or edge in self.paths for edge in node.edges):
                self.paths.add(node)

    def step(self, node: Node) -> None:
        """Take down the gradient of a target; go on where one is behind."""
        if node in self.targets and node in self.pending:
            be = self.backend_of(node.device)
            total = self.complete(node, self.pending[node])
            self.pending[node] = total
            self.found[node] = be.copy(total)
        if node in self.paths:
            super().step(node)

    def run(self, node: Node, function: Operation, grad: Any) -> tuple[Any | None, ...]:
        """The gradients that lead to targets."""
        wanted = tuple([edge in self.targets or edge in self.paths for edge in node.edges])
        grads = super().run(node, function.asked_for(wanted), grad)
        if len(grads) != len(wanted):
            return grads
        return tuple([given if want else None for given, want in zip(grads, wanted, strict=True)])

    def lease(self, parameter: Leaf) -> Any | None:
        """Nothing goes to an arena."""
        return None

    def gradient(self, target: Node | Leaf, x: TensorBase) -> Any | None:
        """The gradient of an input, a tensor; None where no output depends on it."""
        found: dict[Any, Any] = self.found if isinstance(target, Node) else self.leaves
        given = found.get(target)
        if given is None and target in self.zeros:
            given = self.backend_of(target.device).full(x.shape, 0.0, x.dtype)
        if given is not None and isinstance(target, Leaf):
            given = self.complete(target, given)
        if given is None or isinstance(given, TensorBase):
            return given
        return self.like._wrap(given, target.device)


class TargetedPass(_Targeted):
    """Over arrays."""


class RecordedTargetedPass(_Targeted, RecordedPass):
    """Over tensors."""


def _listed(what: str, given: Any) -> list[Any]:
    tensors = [given] if isinstance(given, TensorBase) else list(given)
    for x in tensors:
        if not isinstance(x, TensorBase):
            raise DTypeError(f"grad takes tensors as {what}, not a {type_name(x)}")
    return tensors


def _edge_of(i: int, x: TensorBase) -> Node | Leaf:
    edge: Node | Leaf | None = x._edge()
    if edge is None:
        raise AutogradError(
            f"{_name_of(i, x)} requires no gradient; make it one that does before it is used, "
            "with autograd.leaf(x)"
        )
    return edge


def _name_of(i: int, x: TensorBase) -> str:
    return f"input {i} ({x.label})" if isinstance(x, Leaf) else f"input {i} of shape {x.shape}"
