"""Sums of float32 numbers that are exact, however many they are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import numpy.typing as npt

from rumus import gpu
from rumus.tensor import Device, Tensor

UNITS = 149
"""Sums are whole numbers of 2**-UNITS, the smallest float32."""
_LIMBS = 10  # of 32 bits: 277 for the largest float32, and room for 2**42 of them
_SPECIALS = (math.nan, math.inf, -math.inf)
WORDS = _LIMBS + 1
"""int32 words of a sum on a GPU; all zero is the sum 0."""
_PRODUCT_LIMBS = 20  # 586 bits for the largest product so many times, and room for 2**54 of them
PRODUCT_WORDS = _PRODUCT_LIMBS + 1
"""Those of a sum of products."""


class Multiple(NamedTuple):
    """A multiple of a number that is added to a sum without being rounded.

    Attributes:
        value: A float of shape ``()``.
        times: How often it is added, below 2**32.
    """

    value: Tensor
    times: int

    @property
    def device(self) -> Device:
        """Where it is."""
        return self.value.device


class Product(NamedTuple):
    """A product that is added to a sum without being rounded.

    Attributes:
        left: A float32 of shape ``()``.
        right: Another one.
        times: How often the product is added, below 2**32.
    """

    left: Tensor
    right: Tensor
    times: int = 1

    @property
    def device(self) -> Device:
        """Where it is."""
        return self.left.device

    def exact(self) -> ExactSum:
        """Its value; waits for the device."""
        left, right = self.left.item(), self.right.item()
        if not (math.isfinite(left) and math.isfinite(right)):
            return ExactSum(special=math.nan)
        return ExactSum(Fraction(left) * Fraction(right) * self.times)


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
        units, special = units_of(words)
        return cls(Fraction(units, 1 << UNITS), special)

    @classmethod
    def of_product_words(cls, words: npt.NDArray[Any]) -> ExactSum:
        """What :func:`add_product_exactly` has made of PRODUCT_WORDS words."""
        units, special = units_of(words)
        return cls(Fraction(units, 1 << 2 * UNITS), special)

    def plus(self, other: ExactSum) -> ExactSum:
        """The sum of both."""
        return ExactSum(self.finite + other.finite, self.special + other.special)

    def multiplied(self, times: int) -> ExactSum:
        """The sum of so many."""
        return ExactSum(self.finite * times, self.special)

    def __float__(self) -> float:
        return self.special or float(self.finite)


def units_of(words: npt.NDArray[Any]) -> tuple[int, float]:
    """Of a sum's words that of the finite numbers, in its units, and that of the others."""
    raw = words.astype("<u4")
    total = int.from_bytes(raw[:-1].tobytes(), "little", signed=True)
    seen = [value for k, value in enumerate(_SPECIALS) if raw[-1] >> k & 1]
    return total, sum(seen, 0.0)


def finite_before(words: npt.NDArray[Any]) -> int:
    """Of WORDS words how many numbers were added before the first that is not finite."""
    return int(words.astype("<u4")[_LIMBS] >> len(_SPECIALS))


def add_exactly(value: Tensor, words: Tensor, offset: int = 0, times: int = 1) -> None:
    """Add a float32 of shape ``()`` to the sum in the words from an offset, on their GPU.

    Args:
        value: The number.
        words: Of the sum.
        offset: Of its first word.
        times: How often it is added, below 2**32.
    """
    params = value.array.offset, words.array.offset + offset, times
    _kernel().dispatch([value.array, words.array], params)


def add_product_exactly(product: Product, words: Tensor, offset: int = 0) -> None:
    """Add a product to the sum in the PRODUCT_WORDS words from an offset, on their GPU."""
    left, right, times = product
    params = left.array.offset, right.array.offset, words.array.offset + offset, times
    _product_kernel().dispatch([left.array, right.array, words.array], params)


@cache
def _kernel() -> gpu.Pipeline:
    return _made("loss_sum", _LIMBS)


@cache
def _product_kernel() -> gpu.Pipeline:
    return _made("product_sum", _PRODUCT_LIMBS)


def _made(name: str, limbs: int) -> gpu.Pipeline:
    folder = files("rumus.train") / "shaders"
    wide = (folder / "wide_product.wgsl").read_text("utf-8")
    kernel = gpu.Kernel(folder / f"{name}.wgsl", name=name, trusted=True)
    return kernel.variant(prelude=wide, LIMBS=limbs)
