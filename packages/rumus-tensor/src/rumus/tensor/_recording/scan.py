"""Combinations of all elements up to each one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rumus.autograd._function import Function

from .._ops.scan import CumProd, CumSum, LogCumSumExp
from .base import Recording

_FUNCTIONS: dict[str, Callable[[int, bool], Function]] = {
    "sum": CumSum,
    "prod": CumProd,
    "logaddexp": LogCumSumExp,
}


class Scan(Recording):
    """The family's part of the recorder."""

    def scan(self, op: str, a: Any, axis: int, reverse: bool = False) -> Any:
        if op in _FUNCTIONS:
            return _FUNCTIONS[op](axis, reverse)(self.tensor(a))
        self.refuse(f"scan of {op}", a)
        return self.tensor(self.primitives.scan(op, self.array(a), axis, reverse))
