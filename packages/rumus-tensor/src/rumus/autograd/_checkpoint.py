"""Activation checkpointing: what a function saved is computed again when backward needs it.

The function's results hang on one node a result, these on a node that stands for the function, and
that one on what the function's own graph ends at. A backward pass that comes to the first runs the
function again, and at the second it goes on through the graph that this made, in the place of the
one that was dropped: sums are formed in the same order, so gradients have the same bits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn, ParamSpec, Self, TypeVar

from rumus._backends.draws import Draws
from rumus._core import tree
from rumus._core.base import TensorBase
from rumus._core.errors import ArgumentError, AutogradError
from rumus._core.mode import grad_enabled, is_grad_enabled
from rumus._core.shapes import Shape
from rumus._core.versions import Version

from ._engine import Pass, reachable
from ._leaf import Leaf
from ._node import Node, now

P = ParamSpec("P")
R = TypeVar("R")


def checkpoint(f: Callable[P, R], /, *inputs: P.args, **options: P.kwargs) -> R:
    """Call a function without keeping what it saves: a backward pass runs it again.

    It costs the function's time once more and saves the memory of its intermediate results (Chen et
    al., arXiv:1604.06174). Gradients are the same bit for bit, those of parameters that the
    function finds by itself too, as are random numbers: the second run draws them again. Functions
    nest, work in captured steps, and have second derivatives.

    Args:
        f: Takes the inputs and gives back a tensor, or a tree of tensors. What it does may depend
            on its inputs, on parameters and on modules that stay as they are, and on nothing else.
        inputs: Tensors and anything else, for f.
        options: The same by name.

    Returns:
        What f gives back.

    Raises:
        AutogradError: In the backward pass, when an input or a parameter was changed in place
            since, or when the second run gives or draws something else.

    Example:
        >>> from rumus.autograd import checkpoint
        >>> from rumus.nn import GELU, Linear, Sequential
        >>> from rumus.tensor import randn
        >>> block = Sequential(Linear(4, 16), GELU(), Linear(16, 4))
        >>> y = checkpoint(block, randn((2, 4)))
        >>> len(y.sum().backward())
        4
    """
    if not callable(f):
        raise ArgumentError(
            f"checkpoint takes a function and its inputs, checkpoint(block, x), not a "
            f"{type(f).__name__}"
        )
    if not is_grad_enabled():
        return f(*inputs, **options)
    start, draws = now(), Draws()
    with draws.taken():
        given = f(*inputs, **options)
    parts, structure = tree.flatten(given)
    ends = {i: x for i, x in enumerate(parts) if _is_made(x, start)}
    if not ends:
        return given
    inside = reachable([x._edge() for x in ends.values()], start)
    edges = [e for node in inside for e in node.edges if e is not None and not _is_new(e, start)]
    run = _Run(lambda: f(*inputs, **options), draws, {i: x.shape for i, x in ends.items()})
    versions = _versions(tree.flatten((inputs, options))[0], edges)
    first = next(iter(ends.values()))
    gate = Node(run, tuple(edges), (None,) * len(edges), versions, first)
    made: dict[int, Any] = {}
    for i, x in ends.items():
        if id(x) not in made:
            node = Node(_Result(run, i), (gate,), (None,), [], x)
            made[id(x)] = x._wrap(x.array, x.device, node, x._version)
        parts[i] = made[id(x)]
    result: R = tree.unflatten(structure, parts)
    return result


class _Step:
    """What a pass does at a node by itself."""

    name = "checkpoint"
    is_part = False

    def backward(self, be: Any, grad: Any) -> NoReturn:
        """Never called, like the others that a function has."""
        raise NotImplementedError

    def add_part(self, be: Any, grad: Any, total: Any) -> None:
        raise NotImplementedError

    def asked_for(self, wanted: tuple[bool, ...]) -> Self:
        raise NotImplementedError

    def recorded(self, node: Node, wrap: Callable[..., Any]) -> Self:
        raise NotImplementedError


class _Result(_Step):
    """One of the function's results: its gradient begins the way through the second run."""

    def __init__(self, run: _Run, index: int) -> None:
        self._run, self._index = run, index

    def enter(self, run: Pass, node: Node, grad: Any) -> None:
        """Run the function again, unless another result had that done."""
        (gate,) = node.edges
        assert isinstance(gate, Node)
        if gate not in run.reruns:
            start = now()
            run.reruns[gate] = start, self._run.again()
        run.begin(run.reruns[gate][1][self._index], grad)
        run.pending[gate] = True


class _Run(_Step):
    """The function with its inputs, and how to run it again."""

    def __init__(self, f: Callable[[], Any], draws: Draws, shapes: dict[int, Shape]) -> None:
        self._f, self._draws, self._shapes = f, draws, shapes

    def again(self) -> dict[int, Node]:
        """Where the graph of each result begins, after another run."""
        start, draws = now(), self._draws.repetition()
        with grad_enabled(), draws.running():
            parts, _ = tree.flatten(self._f())
        draws.check_complete()
        for i, shape in self._shapes.items():
            if i >= len(parts) or not _is_made(parts[i], start) or parts[i].shape != shape:
                raise AutogradError(
                    f"a checkpointed function gave a result {i} of shape {shape}, and something "
                    "else when it was run again; what it does may depend on its inputs alone"
                )
        return {i: parts[i]._edge() for i in self._shapes}

    def enter(self, run: Pass, node: Node, _: Any) -> None:
        """Go through the graph of the second run, as if it were that of the first."""
        start, roots = run.reruns.pop(node)
        nodes = reachable(roots.values(), start)
        run.prepare(nodes)
        for inner in nodes:
            run.step(inner)


def _is_made(x: Any, start: int) -> bool:
    return isinstance(x, TensorBase) and x.requires_grad and _is_new(x._edge(), start)


def _is_new(edge: Node | Leaf, start: int) -> bool:
    return isinstance(edge, Node) and edge.order > start


def _versions(parts: list[Any], edges: list[Node | Leaf]) -> list[tuple[str, Version, int]]:
    tensors = [(f"input {i}", x) for i, x in enumerate(parts) if isinstance(x, TensorBase)]
    tensors += [(edge.label, edge) for edge in dict.fromkeys(edges) if isinstance(edge, Leaf)]
    return [(what, x._version, x._version.count) for what, x in tensors]
