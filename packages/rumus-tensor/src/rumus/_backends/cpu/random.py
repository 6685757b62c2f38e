"""Threefry-2x32-20 in numpy; :mod:`rumus._backends.generator` has the formulas."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from rumus._backends.generator import Generator, threefry2x32

Array = npt.NDArray[Any]

_MASK = 0xFFFFFFFF
_BLOCK = 1 << 14  # pairs of words at a time: what a core's second-level cache holds


def random(kind: str, shape: tuple[int, ...], seed: int, position: int) -> Array:
    """Float32 numbers, uniform in [0, 1) or of the standard normal distribution."""

    def convert(w0: Array, w1: Array) -> tuple[Array, Array]:
        u0, u1 = _unit(w0), _unit(w1)
        return _box_muller(u0, u1) if kind == "normal" else (u0, u1)

    return _drawn(shape, np.dtype(np.float32), convert, seed, position)


def random_integers(shape: tuple[int, ...], low: int, span: int, seed: int, position: int) -> Array:
    """int32 numbers from ``low`` to ``low + span - 1``."""

    def chosen(words: Array) -> Array:
        upper = words.astype(np.uint64) * np.uint64(span) >> np.uint64(32)
        return upper.astype(np.int64) + low

    def convert(w0: Array, w1: Array) -> tuple[Array, Array]:
        return chosen(w0), chosen(w1)

    return _drawn(shape, np.dtype(np.int32), convert, seed, position)


def _drawn(
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    convert: Callable[[Array, Array], tuple[Array, Array]],
    seed: int,
    position: int,
) -> Array:
    """The words of the generator, converted pair by pair in blocks that stay in cache."""
    size = math.prod(shape)
    out = np.empty(size + size % 2, dtype)
    for start in range(0, size, 2 * _BLOCK):
        part = out[start : start + 2 * _BLOCK]
        first = start // 2
        pairs = np.arange(first, first + len(part) // 2, dtype=np.int64).astype(np.uint32)
        words = threefry2x32((seed & _MASK, seed >> 32), pairs, position)
        part[0::2], part[1::2] = convert(*words)
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

    def random_integers(
        self, shape: tuple[int, ...], low: int, span: int, generator: Generator
    ) -> Array:
        return random_integers(shape, low, span, *generator.next())

    def dropout(
        self, a: Array, p: float, scale: float, generator: Generator
    ) -> tuple[Array, Array]:
        kept = self.random("uniform", a.shape, generator) >= np.float32(p)
        return self.dropout_again(a, kept, p, scale), kept

    def dropout_again(self, a: Array, draw: Array, p: float, scale: float) -> Array:
        with np.errstate(all="ignore"):
            wide = np.multiply(a, np.float32(scale), dtype=np.float32, order="C")
        # Bits, so that what is dropped is 0 whatever it was, without a branch an element
        wide.view(np.int32)[...] &= -draw.astype(np.int32)
        return wide.astype(a.dtype, copy=False)
