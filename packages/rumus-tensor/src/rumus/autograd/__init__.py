"""Gradients: differentiable functions, the backward pass, and exclusive use during a step."""

import typing as _typing

from rumus._core.mode import is_grad_enabled, no_grad

from ._anomaly import detect_anomaly
from ._borrow import Borrowed, borrow, check_store
from ._checkpoint import checkpoint
from ._engine import following
from ._function import Function
from ._gradcheck import gradcheck, gradgradcheck
from ._hooks import HookHandle
from ._leaf import Leaf, ParamId, leaf
from ._slots import GradSlot
from ._store import GradientStore
from ._targeted import grad

if not _typing.TYPE_CHECKING:  # else checkers would take any name
    from ._foreign import missing as __getattr__  # noqa: F401

__all__ = [
    "Borrowed",
    "Function",
    "GradSlot",
    "GradientStore",
    "HookHandle",
    "Leaf",
    "ParamId",
    "borrow",
    "check_store",
    "checkpoint",
    "detect_anomaly",
    "following",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "is_grad_enabled",
    "leaf",
    "no_grad",
]
