"""The normal distribution function and its inverse."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ._joining import where
from ._tensor import Tensor

_CENTRE = (
    *(2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087),
    *(-0.00125372503, -0.00417768164, 0.246640727, 1.50140941),
)
_TAIL = (
    *(-0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773),
    *(-0.0076224613, 0.00943887047, 1.00167406, 2.83297682),
)


def normal_cdf(z: float) -> float:
    """The probability of a number below ``z``."""
    return math.erfc(-z / math.sqrt(2)) / 2


def normal_quantile(p: Tensor) -> Tensor:
    """The number below which others are with probability ``p``.

    By Giles' polynomials of ``w = -log(1 - x**2)`` for the inverse of the error function at
    ``x = 2 * p - 1`` ("Approximating the erfinv function", GPU Computing Gems, 2010).
    """
    x = p * 2.0 - 1.0
    w = -((1.0 - x) * (1.0 + x)).log()
    centre = _polynomial(_CENTRE, w - 2.5)
    tail = _polynomial(_TAIL, w.clamp(5.0).sqrt() - 3.0)
    return where(w < 5.0, centre, tail) * x * math.sqrt(2)


def _polynomial(coefficients: Sequence[float], w: Tensor) -> Tensor:
    result = w * coefficients[0] + coefficients[1]
    for coefficient in coefficients[2:]:
        result = result * w + coefficient
    return result
