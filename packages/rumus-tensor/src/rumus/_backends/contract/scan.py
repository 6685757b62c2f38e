"""Combinations of all elements up to each one."""

from __future__ import annotations

from typing import Protocol

from .kinds import A


class Scan(Protocol[A]):
    """Combinations of all elements up to each one."""

    def scan(self, op: str, a: A, axis: int, reverse: bool = False) -> A:
        """``"sum"``, ``"prod"``, ``"max"``, ``"min"`` or ``"logaddexp"`` along an axis.

        Each element with all before it, or with ``reverse`` with all behind it. Sums and products
        of integers and bools are int32; float16 is combined in float32, and rounded once. NaN wins
        in ``max`` and ``min``.
        """
        ...
