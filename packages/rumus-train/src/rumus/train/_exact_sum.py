"""Sums of float32 numbers that are exact, however many they are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy.typing as npt

from rumus.tensor import Tensor

from . import _loss_sum

WORDS = _loss_sum._LIMBS + 1
"""int32 words of a sum on a GPU; all zero is the sum 0."""


@dataclass(frozen=True)
class ExactSum:
    """A sum: of what was finite, and of what was not.

    Attributes:
        finite: The sum of the finite numbers.
        special: The sum of the others: 0, NaN or an infinity.
    """

    finite: Fraction = Fraction(0)
    special: float = 0.0

    @classmethod
    def of(cls, value: float) -> ExactSum:
        """A single number."""
        return cls(Fraction(value)) if math.isfinite(value) else cls(special=value)

    @classmethod
    def of_words(cls, words: npt.NDArray[Any]) -> ExactSum:
        """What :func:`add_exactly` has made of WORDS words."""
        raw = words.astype("<u4")
        total = int.from_bytes(raw[:-1].tobytes(), "little", signed=True)
        seen = [value for k, value in enumerate(_loss_sum._SPECIALS) if raw[-1] >> k & 1]
        return cls(Fraction(total, 1 << _loss_sum.UNITS), sum(seen, 0.0))

    def plus(self, other: ExactSum) -> ExactSum:
        """The sum of both."""
        return ExactSum(self.finite + other.finite, self.special + other.special)

    def __float__(self) -> float:
        return self.special or float(self.finite)


def add_exactly(value: Tensor, words: Tensor, offset: int = 0) -> None:
    """Add a float32 of shape ``()`` to the sum in the words from an offset, on their GPU."""
    offsets = value.array.offset, words.array.offset + offset
    _loss_sum._kernel().dispatch([value.array, words.array], offsets)
