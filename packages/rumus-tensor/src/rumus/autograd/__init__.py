"""Gradients: differentiable functions, the backward pass, and exclusive use during a step."""

from rumus._core.mode import is_grad_enabled, no_grad

from ._borrow import Borrowed, borrow, check_store
from ._function import Function
from ._leaf import Leaf, ParamId
from ._slots import GradSlot
from ._store import GradientStore

__all__ = [
    "Borrowed",
    "Function",
    "GradSlot",
    "GradientStore",
    "Leaf",
    "ParamId",
    "borrow",
    "check_store",
    "is_grad_enabled",
    "no_grad",
]
