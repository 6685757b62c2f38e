"""Copies, slices and their adjoints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .elementwise import cast

Array = npt.NDArray[Any]


def python_slices(index: Sequence[slice]) -> tuple[slice, ...]:
    """Slices resolved by ``slice.indices`` as Python takes them.

    A stop of -1 with a negative step means "down to the first element", which Python writes None;
    a start of -1 with it is before the first element, which Python would take for the last one.
    """
    return tuple([_python_slice(s) for s in index])


def _python_slice(s: slice) -> slice:
    if s.step > 0:
        return s
    return (
        slice(0, 0, s.step)
        if s.start < 0
        else slice(s.start, s.stop if s.stop >= 0 else None, s.step)
    )


def cut(a: Array, index: Sequence[slice]) -> Array:
    """A view of a part; of an array without axes too, where numpy's ``a[()]`` is a number."""
    items: tuple[Any, ...] = (*python_slices(index), ...)
    return np.asarray(a[items])


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
        np.copyto(target, value if value.dtype == target.dtype else cast(value, target.dtype))


def written(out: Array, value: Array) -> Array:
    """Write a result into the array that was given for it."""
    np.copyto(out, value)
    return out
