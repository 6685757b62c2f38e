"""One recorded operation: what it takes to run it backward."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from rumus.tensor._errors import AutogradError, BorrowError

if TYPE_CHECKING:
    import numpy as np

    from rumus.nn._parameter import Parameter
    from rumus.tensor._base import TensorBase, Version
    from rumus.tensor._device import Device

    from ._function import Function

_order = itertools.count()


class Node:
    """The function of one result, and where the gradients of its inputs go.

    ``inputs`` holds shape, dtype and device of each input that is a tensor.

    A graph is the nodes that a tensor reaches; nothing else holds them. ``order`` grows with
    creation, so that descending order is a valid order for a backward pass.
    """

    __slots__ = ("device", "edges", "function", "inputs", "order", "versions")

    def __init__(
        self,
        function: Function,
        edges: tuple[Node | Parameter | None, ...],
        inputs: tuple[tuple[tuple[int, ...], np.dtype[Any], Device] | None, ...],
        versions: list[tuple[str, Version, int]],
        result: TensorBase,
    ) -> None:
        self.function: Function | None = function
        self.edges = edges
        self.inputs = inputs
        self.versions = versions
        self.device = result.device
        self.order = next(_order)

    def checked_function(self) -> Function:
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
            if version.borrower is not None:
                raise BorrowError(f"{version.borrower.label} is held by an optimizer step")
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
