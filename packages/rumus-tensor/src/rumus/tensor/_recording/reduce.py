"""Reductions over axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .._ops.reduce import Reduce as Reduction
from .base import Recording


class Reduce(Recording):
    """The family's part of the recorder."""

    def reduce(self, op: str, a: Any, axes: Sequence[int], keepdims: bool, out: None = None) -> Any:
        return Reduction(op, tuple(axes), keepdims)(self.tensor(a))

    def arg_reduce(self, op: str, a: Any, axis: int) -> Any:
        return self.tensor(self.primitives.arg_reduce(op, self.array(a), axis))
