"""Threefry-2x32-20 in numpy; :mod:`rumus._backends.generator` has the formulas."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_ROTATIONS = (13, 15, 26, 6, 17, 29, 16, 24)
_PARITY = 0x1BD11BDA
_MASK = 0xFFFFFFFF
_BLOCK = 1 << 14  # pairs of words at a time: what a core's second-level cache holds


def random(kind: str, shape: tuple[int, ...], seed: int, position: int) -> Array:
    """Float32 numbers, uniform in [0, 1) or of the standard normal distribution."""
    size = math.prod(shape)
    out = np.empty(size + size % 2, np.float32)
    for start in range(0, size, 2 * _BLOCK):
        part = out[start : start + 2 * _BLOCK]
        first = start // 2
        pairs = np.arange(first, first + len(part) // 2, dtype=np.int64).astype(np.uint32)
        w0, w1 = threefry2x32((seed & _MASK, seed >> 32), pairs, position)
        u0, u1 = _unit(w0), _unit(w1)
        if kind == "normal":
            u0, u1 = _box_muller(u0, u1)
        part[0::2] = u0
        part[1::2] = u1
    return out[:size].reshape(shape)


def threefry2x32(key: tuple[int, int], counter0: Array, counter1: int) -> tuple[Array, Array]:
    """Two words for each element of ``counter0`` (uint32, changed in place)."""
    ks = (key[0], key[1], _PARITY ^ key[0] ^ key[1])
    x0, x1 = counter0, np.full_like(counter0, (counter1 + ks[1]) & _MASK)
    x0 += np.uint32(ks[0])
    low = np.empty_like(x1)
    for r in range(20):
        x0 += x1
        rotation = _ROTATIONS[r % 8]
        np.right_shift(x1, np.uint32(32 - rotation), out=low)
        np.left_shift(x1, np.uint32(rotation), out=x1)
        x1 |= low
        x1 ^= x0
        if r % 4 == 3:
            s = (r + 1) // 4
            x0 += np.uint32(ks[s % 3])
            x1 += np.uint32((ks[(s + 1) % 3] + s) & _MASK)
    return x0, x1


def _unit(words: Array) -> Array:
    """The upper 24 bits as a fraction of one."""
    return (words >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24)


def _box_muller(u0: Array, u1: Array) -> tuple[Array, Array]:
    r = np.sqrt(np.float32(-2) * np.log(np.float32(1) - u0))
    theta = np.float32(2 * math.pi) * u1
    return r * np.cos(theta), r * np.sin(theta)
