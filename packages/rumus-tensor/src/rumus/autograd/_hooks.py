"""Functions that see gradients on their way."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from rumus._core import structure
from rumus._core.base import TensorBase, TensorT
from rumus._core.errors import AutogradError, DeviceError, DTypeError, ShapeError

from ._leaf import Leaf
from ._node import Node

Hook = Callable[[Any], Any]
_numbers = itertools.count()


class HookHandle:
    """What removes a hook again.

    Example:
        >>> from rumus.tensor import ones
        >>> x = leaf(ones(2))
        >>> handle = x.register_hook(lambda grad: grad * 2.0)
        >>> (x * 3.0).sum().backward()[x].tolist()
        [6.0, 6.0]
        >>> handle.remove()
    """

    def __init__(self, owner: Node | Leaf, number: int) -> None:
        self._owner, self._number = owner, number

    def remove(self) -> None:
        """Remove the hook; a second time does nothing."""
        hooks = dict(self._owner.hooks)
        if hooks.pop(self._number, None) is not None:
            _keep(self._owner, hooks)


def register_hook(
    tensor: TensorBase[TensorT], hook: Callable[[TensorT], TensorT | None]
) -> HookHandle:
    """See :meth:`rumus.tensor.Tensor.register_hook`."""
    owner: Node | Leaf | None = tensor._edge()
    if owner is None:
        raise AutogradError(
            "register_hook: this tensor requires no gradient, so no hook would see one"
        )
    if not callable(hook):
        raise DTypeError(f"register_hook takes a function, not a {type(hook).__name__}")
    number = next(_numbers)
    _keep(owner, {**owner.hooks, number: hook})
    return HookHandle(owner, number)


def _keep(owner: Node | Leaf, hooks: dict[int, Hook]) -> None:
    owner.hooks = hooks
    if isinstance(owner, Leaf):
        structure.bump()


def hooked(owner: Node | Leaf, grad: TensorBase) -> TensorBase:
    """The gradient that the hooks of its tensor leave.

    Raises:
        DTypeError: One gave back neither a tensor of its dtype nor None.
        ShapeError: One gave back a tensor of another shape.
        DeviceError: One gave back a tensor of another device.
    """
    for hook in owner.hooks.values():
        given = hook(grad)
        if given is None:
            continue
        if not isinstance(given, TensorBase) or given.dtype != grad.dtype:
            kind = given.dtype if isinstance(given, TensorBase) else type(given).__name__
            raise DTypeError(
                f"a hook gives back None or a tensor of {grad.dtype}, the gradient's dtype, "
                f"not {kind}"
            )
        if given.shape != grad.shape:
            raise ShapeError(f"a hook gave back shape {given.shape}; the gradient has {grad.shape}")
        if given.device is not grad.device:
            raise DeviceError(f"a hook gave back a tensor on {given.device}, not {grad.device}")
        grad = given
    return grad
