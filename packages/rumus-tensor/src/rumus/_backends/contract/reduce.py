"""Reductions over axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from .kinds import A


class Reduce(Protocol[A]):
    """Reductions over axes."""

    def reduce(self, op: str, a: A, axes: Sequence[int], keepdims: bool, out: A | None = None) -> A:
        """``"sum"``, ``"mean"``, ``"prod"``, ``"max"`` or ``"min"`` over axes (sorted, from 0 on).

        Sums and products of integers and bools are int32, which wraps around; float16 is
        accumulated in float32. A mean is a float32 or float16 sum divided by the number of
        elements. NaN wins in ``max`` and ``min``. With ``out``, contiguous and of the result's
        shape and dtype, the result is written there and ``out`` returned.
        """
        ...

    def arg_reduce(self, op: str, a: A, axis: int) -> A:
        """``"argmax"`` or ``"argmin"``: int32 position of the first extreme; NaN wins."""
        ...
