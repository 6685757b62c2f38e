"""Padding: what stands around a tensor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias, get_args

from rumus._core.base import TensorBase, TensorT
from rumus._core.errors import ArgumentError, ShapeError
from rumus._core.shapes import whole_numbers

from ._joining import cat
from ._ops.movement import Expand, Slice
from ._ops.padding import ConstantPad

PadMode: TypeAlias = Literal["constant", "reflect", "replicate", "circular"]
_NUMPYS = {"edge": "replicate", "wrap": "circular"}
Widths = int | Sequence[int] | Sequence[Sequence[int]]


def pad(
    a: TensorBase[TensorT],
    pad_width: Widths,
    mode: PadMode | Literal["edge", "wrap"] = "constant",
    constant_values: float = 0.0,
) -> TensorT:
    """Put elements in front of and behind a tensor along its axes, as numpy does.

    Args:
        a: Any tensor.
        pad_width: ``((before, after), …)`` for each axis, one pair for all, or one number.
        mode: ``"constant"``; ``"reflect"``, mirrored at the first and last element, which are not
            repeated; ``"replicate"`` (numpy's ``"edge"``), the first and last element again; or
            ``"circular"`` (numpy's ``"wrap"``), from the other end.
        constant_values: What ``"constant"`` puts there.

    Raises:
        ArgumentError: The mode is unknown, or the widths do not fit the axes or are negative.
        ShapeError: There is nothing to repeat along a padded axis.

    Example:
        >>> from rumus.tensor import arange, pad
        >>> pad(arange(3), (1, 2), "reflect").tolist()
        [1, 0, 1, 2, 1, 0]
    """
    sides = _sides(pad_width, a.ndim)
    if any(n < 0 for side in sides for n in side):
        raise ArgumentError(f"pad: a width is negative in {pad_width!r}")
    return padded("pad", a, sides, mode, constant_values)


def padded(
    name: str,
    a: TensorBase[TensorT],
    sides: Sequence[tuple[int, int]],
    mode: str,
    value: float,
) -> TensorT:
    """Pad by a pair for each axis; what is negative is cut off.

    Raises:
        ArgumentError: The mode is unknown.
        ShapeError: There is nothing to repeat, or nothing left.
    """
    mode = _NUMPYS.get(mode, mode)
    if mode not in get_args(PadMode):
        raise ArgumentError(f"{name}: mode is one of {get_args(PadMode)}, not {mode!r}")
    if any(n + front + behind < 0 for n, (front, behind) in zip(a.shape, sides, strict=True)):
        raise ShapeError(f"{name}: nothing is left of shape {a.shape} after {list(sides)}")
    cut = _cropped(a, sides)
    grown = [(max(front, 0), max(behind, 0)) for front, behind in sides]
    if mode == "constant":
        result: TensorT = ConstantPad(tuple(grown), value)(cut)
        return result
    for axis, (front, behind) in enumerate(grown):
        if not (front or behind):
            continue
        least = 2 if mode == "reflect" else 1
        if cut.shape[axis] < least:
            raise ShapeError(
                f"{name}: mode {mode!r} takes a length of at least {least} along a padded axis, "
                f"and axis {axis} of shape {a.shape} has {cut.shape[axis]}"
            )
        cut = _repeated(cut, axis, front, behind, mode)
    repeated: TensorT = cut
    return repeated


def _cropped(a: TensorBase[TensorT], sides: Sequence[tuple[int, int]]) -> Any:
    if all(min(side) >= 0 for side in sides):
        return a
    index = [
        slice(max(-front, 0), n - max(-behind, 0), 1)
        for n, (front, behind) in zip(a.shape, sides, strict=True)
    ]
    return Slice(index)(a)


def _repeated(a: Any, axis: int, front: int, behind: int, mode: str) -> Any:
    """Pieces of the tensor before and after it, as many as it takes."""
    length = a.shape[axis]
    period = {"reflect": length - 1, "circular": length, "replicate": max(front, behind)}[mode]
    while front or behind:
        before, after = min(front, period), min(behind, period)
        n = a.shape[axis]
        if mode == "reflect":
            pieces = _part(a, axis, before, 0, -1), a, _part(a, axis, n - 2, n - 2 - after, -1)
        elif mode == "circular":
            # Of a tensor that has grown by whole turns, both ends continue the other one.
            pieces = (
                _part(a, axis, length - before, length),
                a,
                _part(a, axis, n - length, n - length + after),
            )
        else:
            pieces = _first(a, axis, 0, before), a, _first(a, axis, n - 1, after)
        a = cat([piece for piece in pieces if piece.shape[axis]], axis)
        front, behind = front - before, behind - after
    return a


def _part(a: Any, axis: int, start: int, stop: int, step: int = 1) -> Any:
    index = [slice(0, n, 1) for n in a.shape]
    index[axis] = slice(start, stop, step)
    return Slice(index)(a)


def _first(a: Any, axis: int, at: int, times: int) -> Any:
    """One element of an axis, repeated."""
    shape = list(a.shape)
    shape[axis] = times
    return Expand(tuple(shape))(_part(a, axis, at, at + 1))


def _sides(pad_width: Widths, ndim: int) -> list[tuple[int, int]]:
    listed = [pad_width] if isinstance(pad_width, int) else list(pad_width)
    if all(isinstance(entry, int) for entry in listed) and len(listed) in (1, 2):
        front, behind = (*whole_numbers("pad", listed), *whole_numbers("pad", listed))[:2]
        return [(front, behind)] * ndim
    pairs = [
        whole_numbers("pad", entry) if not isinstance(entry, int) else (entry,) for entry in listed
    ]
    pairs = pairs * ndim if len(pairs) == 1 else pairs
    if len(pairs) != ndim or any(len(pair) not in (1, 2) for pair in pairs):
        raise ArgumentError(
            f"pad: pad_width is a number, a pair, or a pair for each of {ndim} axes, "
            f"not {pad_width!r}"
        )
    return [(pair[0], pair[-1]) for pair in pairs]
