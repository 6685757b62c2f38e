"""Quantiles: places in the order of elements."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Unpack

from rumus._core.base import TensorBase, TensorT
from rumus._core.dtypes import float32, is_float
from rumus._core.errors import ArgumentError
from rumus._core.shapes import Axes, axes_of

from ._aliases import Aliases, reduction_aliases
from ._joining import stack, where
from ._operand import apply
from ._ops.movement import Cast, Permute, Reshape, Slice
from ._sorting import sort


def quantile(
    x: TensorBase[TensorT],
    q: float | Sequence[float],
    axis: Axes = None,
    keepdims: bool = False,
    **aliases: Unpack[Aliases],
) -> TensorT:
    """The elements below which a part ``q`` of all lies, between two of them in proportion.

    Args:
        x: Integers are taken as float32. Where there is a NaN, the quantile is NaN.
        q: Numbers from 0 to 1; 0.5 is the median.
        axis: One axis or several, ``dim`` too; all of them by default.
        keepdims: Keep the axes with length 1, ``keepdim`` too.

    Returns:
        A tensor without these axes; of several ``q`` with one for them in front.

    Raises:
        ArgumentError: A ``q`` is outside of 0 to 1, or there are no elements.

    Example:
        >>> from rumus.tensor import tensor
        >>> quantile(tensor([4.0, 1.0, 2.0, 3.0]), [0.0, 0.5]).tolist()
        [1.0, 2.5]
    """
    if aliases:
        axis, keepdims = reduction_aliases("quantile", aliases, axis, keepdims)
    several = isinstance(q, Sequence)
    listed: Sequence[Any] = q if isinstance(q, Sequence) else (q,)
    for number in listed:
        if not isinstance(number, (int, float)) or not 0 <= number <= 1:
            raise ArgumentError(f"quantile: {number!r} is no number from 0 to 1")
    axes = axes_of("quantile", axis, x.ndim)
    n = math.prod(x.shape[k] for k in axes)
    if not n or not listed:
        raise ArgumentError(f"quantile: {listed} of shape {x.shape} leaves nothing to choose from")
    values: Any = x if is_float(x.dtype) else Cast(float32)(x)
    kept = tuple(k for k in range(x.ndim) if k not in axes)
    shape = tuple(x.shape[k] for k in kept)
    ordered = sort(Reshape((*shape, n))(Permute((*kept, *axes))(values)))
    broken = apply("isnan", _at(ordered, n - 1))
    found = [where(broken, math.nan, _between(ordered, number * (n - 1))) for number in listed]
    if keepdims:
        shape = tuple(1 if k in axes else length for k, length in enumerate(x.shape))
    results: list[Any] = [Reshape(shape)(result) for result in found]
    answer: TensorT = stack(results) if several else results[0]
    return answer


def _between(ordered: Any, place: float) -> Any:
    below = math.floor(place)
    weight = place - below
    low = _at(ordered, below)
    return apply("lerp", low, _at(ordered, below + 1), weight) if weight else low


def _at(ordered: Any, place: int) -> Any:
    cut = [slice(0, length, 1) for length in ordered.shape[:-1]]
    return Reshape(ordered.shape[:-1])(Slice((*cut, slice(place, place + 1, 1)))(ordered))
