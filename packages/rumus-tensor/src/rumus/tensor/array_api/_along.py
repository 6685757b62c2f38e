"""Along an axis, where the array API's signatures are not those of our functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from rumus.tensor import _counting, _scanning
from rumus.tensor._joining import cat
from rumus.tensor._tensor import Tensor

from ._creation import full


def cumulative_sum(
    x: Tensor,
    /,
    *,
    axis: int | None = None,
    dtype: Any = None,
    include_initial: bool = False,
) -> Tensor:
    """The sums of all elements up to each one; with ``include_initial``, 0 before them."""
    return _cumulative(_scanning.cumsum, 0, x, axis, dtype, include_initial)


def cumulative_prod(
    x: Tensor,
    /,
    *,
    axis: int | None = None,
    dtype: Any = None,
    include_initial: bool = False,
) -> Tensor:
    """The products of all elements up to each one; with ``include_initial``, 1 before them."""
    return _cumulative(_scanning.cumprod, 1, x, axis, dtype, include_initial)


def diff(
    x: Tensor,
    /,
    *,
    axis: int = -1,
    n: int = 1,
    prepend: Tensor | None = None,
    append: Tensor | None = None,
) -> Tensor:
    """The differences of neighbours along an axis, ``n`` times over."""
    joined = [part for part in (prepend, x, append) if part is not None]
    result = cat(joined, axis) if len(joined) > 1 else x
    for _ in range(n):
        lines = result.transpose(axis, -1)
        later, earlier = lines[..., 1:], lines[..., :-1]
        difference = later - earlier if x.dtype.kind != "b" else later ^ earlier
        result = difference.transpose(axis, -1)
    return result


def searchsorted(
    x1: Tensor,
    x2: Tensor,
    /,
    *,
    side: Literal["left", "right"] = "left",
    sorter: Tensor | None = None,
) -> Tensor:
    """Where values belong among sorted edges, which ``sorter`` brings into their order."""
    return _counting.searchsorted(x1 if sorter is None else x1[sorter], x2, side)


def _cumulative(
    scan: Callable[..., Tensor],
    initial: int,
    x: Tensor,
    axis: int | None,
    dtype: Any,
    include_initial: bool,
) -> Tensor:
    axis = 0 if axis is None and x.ndim == 1 else axis
    result = scan(x if dtype is None else x.to(dtype), axis)
    result = result if dtype is None else result.to(dtype)
    if not include_initial:
        return result
    axis = 0 if axis is None else axis
    shape = list(result.shape)
    shape[axis] = 1
    return cat([full(shape, initial, dtype=result.dtype, device=result.device), result], axis)
