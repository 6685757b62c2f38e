"""The normal distribution in float32, with its digits in the tail."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_ONE, _HALF, _EIGHTH, _FORTY_EIGHTH = (np.float32(1 / n) for n in (1, 2, 8, 48))
_FAR = np.float32(15)  # exp(-15**2 / 2) is 0 in float32
_MIDDLE = np.float32(2.8)
_DENSITY_AT_0 = np.float32(1 / math.sqrt(2 * math.pi))
_HIGH_BITS = np.int32(-4096)

# P(X > z) * exp(z**2 / 2) * (1 + z) as a polynomial of (z - 2.8) / (z + 2.8), for z from 0 to 14.3;
# fitted to math.erfc, within 1.2e-8.
_TAIL = [
    np.float32(c)
    for c in (
        -1.3496826e-4,
        -4.120059e-4,
        4.244118e-4,
        2.863321e-3,
        -2.2804216e-3,
        -1.7860996e-2,
        4.6563096e-2,
        -2.4496567e-2,
        -9.5115475e-2,
        4.893629e-1,
    )
]


# erf(a) / a as a polynomial of a**2, for a from 0 to 1; fitted to math.erf, within 7e-8.
_ERROR = [
    np.float32(c)
    for c in (
        7.853858e-5,
        -8.0101925e-4,
        5.1883277e-3,
        -2.6853811e-2,
        1.12835854e-1,
        -3.7612626e-1,
        1.12837917,
    )
]
_SQRT_2, _FAR_ROOT = np.float32(math.sqrt(2)), np.float32(10.6)  # exp(-10.6**2) is 0 in float32


def error_function(a: Array) -> Array:
    """``2 / sqrt(pi)`` times the integral of ``exp(-x**2)`` from 0 to ``a``."""
    line = np.atleast_1d(a)
    square = np.minimum(np.abs(line), _ONE) ** 2
    near = _ERROR[0] * square
    for coefficient in _ERROR[1:-1]:
        near += coefficient
        near *= square
    near += _ERROR[-1]
    near *= line
    far = np.copysign(_ONE - _complementary(np.abs(line)), line)
    return np.asarray(np.where(np.abs(line) > _ONE, far, near)).reshape(a.shape)


def complementary_error_function(a: Array) -> Array:
    """``1 - erf(a)``, with its digits in the tail."""
    line = np.atleast_1d(a)
    beyond = _complementary(np.abs(line))
    return np.asarray(np.where(line < 0, np.float32(2) - beyond, beyond)).reshape(a.shape)


def gaussian(a: Array) -> Array:
    """``exp(-a**2)``; the square is taken in two parts, so that it is not rounded."""
    line = np.minimum(np.abs(np.atleast_1d(a)), _FAR_ROOT)
    high = (line.view(np.int32) & _HIGH_BITS).view(np.float32)
    low = (line - high) * (line + high)
    return np.asarray(np.exp(-high * high) * np.exp(-low)).reshape(a.shape)


def _complementary(size: Array) -> Array:
    deviation = np.minimum(size * _SQRT_2, _FAR)
    return np.asarray(np.float32(2) * _distribution(-deviation, deviation, gaussian(size)))


def distribution(a: Array) -> Array:
    """``P(X <= a)``."""
    line = np.atleast_1d(a)
    z = np.minimum(np.abs(line), _FAR)
    return _distribution(line, z, _falloff(z)).reshape(a.shape)


def slope_of_gelu(a: Array) -> Array:
    """The derivative of ``a * P(X <= a)``: ``P(X <= a) + a * density(a)``."""
    line = np.atleast_1d(a)
    z = np.minimum(np.abs(line), _FAR)
    falloff = _falloff(z)
    slope = _distribution(line, z, falloff)
    falloff *= _DENSITY_AT_0
    falloff *= line
    slope += falloff
    return slope.reshape(a.shape)


def _falloff(z: Array) -> Array:
    """``exp(-z**2 / 2)``; the square is taken in two parts, so that it is not rounded."""
    high = (z.view(np.int32) & _HIGH_BITS).view(np.float32)
    low = z - high
    low *= z + high
    rest = low * _FORTY_EIGHTH  # with h = low / 2: exp(-h) = 1 - h + h**2 / 2 - h**3 / 6
    np.subtract(_EIGHTH, rest, out=rest)
    rest *= low
    rest -= _HALF
    rest *= low
    high *= high
    high *= -_HALF
    np.exp(high, out=high)
    rest *= high
    high += rest
    return np.asarray(high)


def _distribution(a: Array, z: Array, falloff: Array) -> Array:
    q = z - _MIDDLE
    q /= z + _MIDDLE
    p = _TAIL[0] * q
    for coefficient in _TAIL[1:-1]:
        p += coefficient
        p *= q
    p += _TAIL[-1]
    p *= falloff
    p /= z + _ONE
    above = a > 0
    p.view(np.int32)[...] ^= above.view(np.int8).astype(np.int32) << 31
    p += above
    return np.asarray(p)
