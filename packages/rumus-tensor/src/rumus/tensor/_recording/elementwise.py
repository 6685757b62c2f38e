"""The rows of the elementwise table."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._ops.elementwise import Elementwise as Row
from .._ops.movement import Cast
from .base import Recording


class Elementwise(Recording):
    """The family's part of the recorder."""

    def elementwise(self, op: str, *args: Any, dtype: np.dtype[Any] | None = None) -> Any:
        tensors = [self.tensor(a) for a in args]
        if op == "cast":
            return Cast(np.dtype(dtype))(tensors[0])
        return Row(op)(*tensors)

    def update(self, op: str, target: Any, other: Any) -> None:
        self.refuse("update (a change in place)", target, other)
        self.primitives.update(op, self.array(target), self.array(other))
