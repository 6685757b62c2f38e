"""What a graph begins with."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from rumus._core.base import TensorBase, TensorT
from rumus._core.devices import Device

from ._slots import GradSlot

_ids = itertools.count()


class ParamId:
    """The identity of a parameter: unique in the process, whatever thread makes it."""

    __slots__ = ("_number",)

    def __init__(self) -> None:
        self._number = next(_ids)

    def __repr__(self) -> str:
        return f"ParamId({self._number})"


class Leaf(TensorBase[TensorT]):
    """A tensor whose gradient a backward pass gives: the contract of the graph with parameters.

    Attributes:
        slot: The place of its gradient, or None.
        arena: What holds that place, and the tensor; for whoever packed it.
    """

    __slots__ = ("arena", "slot")
    slot: GradSlot | None
    arena: Any

    @property
    def id(self) -> ParamId:
        """The key of its gradient; unique in the process."""
        raise NotImplementedError

    @property
    def label(self) -> str:
        """What error messages call it."""
        raise NotImplementedError

    def _rebind(
        self, array: Any, device: Device, elsewhere: Callable[[Any], Any] | None = None
    ) -> None:
        """Let it live in other memory.

        With ``elsewhere``, which gives the array there for a view of the old memory, tensors that
        share the old memory share the new one from now on.
        """
        raise NotImplementedError
