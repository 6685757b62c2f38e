"""One recorded operation: what it takes to run it backward."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any, Protocol, Self

from rumus._backends.contract import Backend
from rumus._core.base import TensorBase
from rumus._core.devices import Device
from rumus._core.dtypes import DType
from rumus._core.errors import AutogradError
from rumus._core.shapes import Shape
from rumus._core.versions import Version

from ._leaf import NO_HOOKS, Leaf

_order = itertools.count()


def now() -> int:
    """A number that is larger than the order of every node so far, and smaller than later ones."""
    return next(_order)


InputKind = tuple[Shape, DType, Device]


class Operation(Protocol):
    """What a node runs backward: a :class:`Function`."""

    is_part: bool

    @property
    def enter(self) -> Callable[[Any, Node, Any], None] | None:
        """What takes the place of ``backward``, of the pass, the node and the gradient; or None."""
        ...

    @property
    def name(self) -> str:
        """What error messages call it."""
        ...

    def backward(self, be: Backend[Any], grad: Any) -> tuple[Any | None, ...]:
        """The gradient of each input."""
        ...

    def add_part(self, be: Backend[Any], grad: Any, total: Any) -> None:
        """Add the gradient to that part of the input's, in place."""
        ...

    def asked_for(self, wanted: tuple[bool, ...]) -> Self:
        """The same, giving some of the gradients."""
        ...

    def recorded(self, node: Node, wrap: Callable[..., Any]) -> Self:
        """The same, with tensors in place of the arrays that it saved."""
        ...


class _Zero:
    """Zeros that nobody computes with."""


zero: Any = _Zero()
"""What ``backward`` may give in place of zeros: they are made at the leaves, where need be."""


class Node:
    """The function of one result, and where the gradients of its inputs go.

    ``inputs`` holds shape, dtype and device of each input that is a tensor.

    A graph is the nodes that a tensor reaches; nothing else holds them. ``order`` grows with
    creation, so that descending order is a valid order for a backward pass. ``hooks`` see the
    gradient of the result.
    """

    __slots__ = ("device", "edges", "function", "hooks", "inputs", "order", "versions")
    edges: tuple[Node | Leaf | None, ...]
    inputs: tuple[InputKind | None, ...]
    versions: list[tuple[str, Version, int]]
    device: Device
    order: int

    def __init__(
        self,
        function: Operation,
        edges: tuple[Node | Leaf | None, ...],
        inputs: tuple[InputKind | None, ...],
        versions: list[tuple[str, Version, int]],
        result: TensorBase,
    ) -> None:
        self.function: Operation | None = function
        self.edges = edges
        self.inputs = inputs
        self.versions = versions
        self.hooks: Mapping[int, Callable[[Any], Any]] = NO_HOOKS
        self.device = result.device
        self.order = next(_order)

    def checked_function(self) -> Operation:
        """The function, if what it saved is still there and unchanged.

        Raises:
            AutogradError: A backward pass freed it, or a saved tensor was changed in place.
            BorrowError: An optimizer step holds a saved parameter.
        """
        function = self.function
        if function is None:
            raise AutogradError(
                "a backward pass already went through this graph and freed it; "
                "give the first one retain_graph=True"
            )
        for what, version, count in self.versions:
            version.check_free()
            if version.count != count:
                raise AutogradError(
                    f"{function.name} saved its {what} for the backward pass, and it was changed "
                    f"in place since (version {count}, now {version.count}); change it after "
                    "backward(), or work on a copy"
                )
        return function

    def free(self) -> None:
        """Drop the saved arrays and the way to earlier nodes."""
        self.function = None
        self.edges = ()
        self.versions = []
        self.hooks = NO_HOOKS
