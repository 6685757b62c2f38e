"""Gradients: differentiable functions, the backward pass, and exclusive use during a step."""

from ._borrow import Borrowed, borrow, check_store
from ._function import Function
from ._mode import is_grad_enabled, no_grad
from ._slots import GradSlot
from ._store import GradientStore, ParamId

__all__ = [
    "Borrowed",
    "Function",
    "GradSlot",
    "GradientStore",
    "ParamId",
    "borrow",
    "check_store",
    "is_grad_enabled",
    "no_grad",
]
