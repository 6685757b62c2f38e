"""Copies, slices and their adjoints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def python_slices(index: Sequence[slice]) -> tuple[slice, ...]:
    """Slices resolved by ``slice.indices`` as Python takes them.

    A stop of -1 with a negative step means "down to the first element", which Python writes None.
    """
    return tuple(slice(s.start, None, s.step) if s.step < 0 and s.stop < 0 else s for s in index)


def root(a: Array) -> Array:
    """The array that owns the memory of a view."""
    while isinstance(a.base, np.ndarray):
        a = a.base
    return a


def pad(a: Array, shape: tuple[int, ...], index: Sequence[slice]) -> Array:
    """Zeros that hold ``a`` at ``index``."""
    out = np.zeros(shape, a.dtype)
    out[python_slices(index)] = a
    return out


def assign(target: Array, value: Array) -> None:
    """Write into an array, converting as the ``cast`` row does."""
    with np.errstate(all="ignore"):
        np.copyto(target, value, casting="unsafe")


def written(out: Array, value: Array) -> Array:
    """Write a result into the array that was given for it."""
    np.copyto(out, value)
    return out
