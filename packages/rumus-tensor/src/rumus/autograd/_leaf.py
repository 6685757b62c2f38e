"""What a graph begins with."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any

from rumus._core.base import TensorBase, TensorT
from rumus._core.devices import Device
from rumus._core.dtypes import is_float
from rumus._core.errors import DTypeError

from ._slots import GradSlot

_ids = itertools.count()
NO_HOOKS: Mapping[int, Callable[[Any], Any]] = {}


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
        hooks: What sees its gradient, by the number of the hook.

    Example:
        >>> from rumus.tensor import ones
        >>> leaf(ones(2)).shape
        (2,)
    """

    __slots__ = ("arena", "hooks", "slot")
    hooks: Mapping[int, Callable[[Any], Any]]
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


def leaf(x: TensorBase[TensorT]) -> TensorT:
    """A tensor that asks for a gradient and is no parameter: an input to differentiate for.

    It shares the memory of ``x``, without its graph. A :class:`GradientStore` holds its gradient
    under the leaf or its ``id``; :func:`grad` gives it at once.

    Args:
        x: Floats.

    Raises:
        DTypeError: x is no tensor of floats.

    Example:
        >>> from rumus.autograd import leaf
        >>> from rumus.tensor import tensor
        >>> x = leaf(tensor([1.0, 2.0]))
        >>> (x * x).sum().backward()[x]
        Tensor([2., 4.], dtype=float32)
    """
    if not isinstance(x, TensorBase) or not is_float(x.dtype):
        kind = x.dtype if isinstance(x, TensorBase) else type(x).__name__
        raise DTypeError(f"a leaf is a tensor of floats, not {kind}; only floats have gradients")
    return x._as_leaf()
