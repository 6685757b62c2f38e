"""Threefry-2x32-20 in numpy; :mod:`rumus._backends.generator` has the formulas."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from rumus._backends.generator import Generator, threefry2x32

Array = npt.NDArray[Any]

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


def _unit(words: Array) -> Array:
    """The upper 24 bits as a fraction of one."""
    return (words >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24)


def _box_muller(u0: Array, u1: Array) -> tuple[Array, Array]:
    r = np.sqrt(np.float32(-2) * np.log(np.float32(1) - u0))
    theta = np.float32(2 * math.pi) * u1
    return r * np.cos(theta), r * np.sin(theta)


class Random:
    """The family's part of the backend."""

    def random(self, kind: str, shape: tuple[int, ...], generator: Generator) -> Array:
        return random(kind, shape, *generator.next())
