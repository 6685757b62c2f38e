"""Shape arithmetic: checks that run before a primitive is called."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Sequence

from .errors import ArgumentError, IndexRangeError, ShapeError

Shape = tuple[int, ...]
Axes = int | Sequence[int] | None

MOST_AXES = 64
"""Axes that numpy's arrays have at most, and so tensors on every device."""


def broadcast_shape(name: str, *shapes: Shape) -> Shape:
    """The shape that all shapes broadcast to, by numpy's rules.

    Raises:
        ShapeError: Two of them do not fit.
    """
    result: list[int] = []
    for k in range(max(map(len, shapes), default=0)):
        length = 1
        for shape in shapes:
            n = shape[-1 - k] if k < len(shape) else 1
            if n != 1 and length not in (1, n):
                listed = " and ".join(map(str, shapes))
                raise ShapeError(f"{name}: shapes {listed} do not broadcast (axis {-1 - k})")
            length = n if n != 1 else length
        result.append(length)
    return tuple(reversed(result))


def whole_number(name: str, value: object) -> int:
    """An integer of Python or numpy as a Python integer.

    Raises:
        ArgumentError: It is something else.
    """
    try:
        return operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise ArgumentError(f"{name}: {value!r} is no whole number") from None


def whole_numbers(name: str, values: object) -> Shape:
    """One integer, or several.

    Raises:
        ArgumentError: One is something else.
    """
    listed = values if isinstance(values, Iterable) and not _is_scalar(values) else (values,)
    return tuple([whole_number(name, value) for value in listed])


def _is_scalar(value: object) -> bool:
    """Whether it is a tensor or an array without axes."""
    return getattr(value, "shape", None) == ()


def shape_of(name: str, lengths: object) -> Shape:
    """A shape given as one length or several.

    Raises:
        ArgumentError: A length is no whole number.
        ShapeError: A length is negative, or there are more than 64.
    """
    shape = whole_numbers(name, lengths)
    if any(n < 0 for n in shape):
        raise ShapeError(f"{name}: a length is negative in shape {shape}")
    check_axes(name, shape)
    return shape


def check_axes(name: str, shape: Sequence[int]) -> None:
    """Refuse a shape of more axes than a tensor has.

    Raises:
        ShapeError: There are more than 64.
    """
    if len(shape) > MOST_AXES:
        raise ShapeError(f"{name}: {len(shape)} axes; a tensor has at most {MOST_AXES}")


def axis_of(name: str, axis: int, ndim: int) -> int:
    """An axis counted from the front.

    Raises:
        IndexRangeError: There is no such axis.
    """
    axis = whole_number(name, axis)
    if not -ndim <= axis < ndim:
        raise IndexRangeError(f"{name}: axis {axis} of a tensor with {ndim} axes")
    return axis % ndim


def axes_of(name: str, axes: Axes, ndim: int) -> Shape:
    """Axes counted from the front, in ascending order; None is all of them.

    Raises:
        IndexRangeError: There is no such axis.
        ArgumentError: One is given twice.
    """
    if axes is None:
        return tuple(range(ndim))
    listed = whole_numbers(name, axes)
    found = sorted(axis_of(name, axis, ndim) for axis in listed)
    if len(set(found)) != len(found):
        raise ArgumentError(f"{name}: an axis is given twice in {listed}")
    return tuple(found)


def resolved_shape(name: str, shape: Sequence[int], size: int) -> Shape:
    """A shape with its -1 worked out.

    Raises:
        ShapeError: The elements do not fit the shape.
    """
    known = math.prod(n for n in shape if n != -1)
    unknown = sum(n == -1 for n in shape)
    result = tuple(shape)
    if unknown == 1 and known:
        result = tuple(size // known if n == -1 else n for n in shape)
    if unknown > 1 or any(n < 0 for n in result) or math.prod(result) != size:
        raise ShapeError(f"{name}: {size} elements do not fit shape {tuple(shape)}")
    return result
