"""Copies, slices and their adjoints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from rumus._backends.contract import Scalar, Shape

from .elementwise import cast, elementwise, updated

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
    while True:
        base = a.base.obj if isinstance(a.base, memoryview) else a.base
        if not isinstance(base, np.ndarray):
            return a
        a = base


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


class Movement:
    """The family's part of the backend."""

    def reshape(self, a: Array, shape: Shape) -> Array:
        return a.reshape(shape)

    def permute(self, a: Array, axes: Sequence[int]) -> Array:
        return a.transpose(axes)

    def expand(self, a: Array, shape: Shape) -> Array:
        return np.broadcast_to(a, shape)

    def shares(self, a: Array, b: Array) -> bool:
        return root(a) is root(b)

    def copy(self, a: Array) -> Array:
        return np.array(a, order="C")

    def contiguous(self, a: Array) -> Array:
        return a if a.flags.c_contiguous else np.array(a, order="C")

    def cat(self, arrays: Sequence[Array], axis: int) -> Array:
        return np.concatenate(arrays, axis)

    slice = staticmethod(cut)
    pad = staticmethod(pad)
    assign = staticmethod(assign)

    def update(self, op: str, target: Array, other: Array | Scalar) -> None:
        if not updated(op, target, other):
            assign(target, elementwise(op, (target, other), None))
