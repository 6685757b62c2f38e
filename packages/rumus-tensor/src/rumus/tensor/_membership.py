"""Which elements are among others, and runs of equal ones."""

from __future__ import annotations

from typing import Any

from ._counting import nonzero, searchsorted
from ._creation import ones, tensor
from ._estimates import diff
from ._gathering import index_select, take
from ._joining import cat
from ._likes import ones_like, zeros_like
from ._sorting import sort
from ._tensor import Tensor


def isin(
    elements: Tensor | float,
    test_elements: Tensor | float,
    *,
    assume_unique: bool = False,
    invert: bool = False,
) -> Tensor:
    """Whether each element is among others. NaN is not.

    Args:
        elements: A tensor or a number.
        test_elements: The others.
        assume_unique: Taken as numpy's, and without effect.
        invert: Whether it is not.

    Example:
        >>> from rumus.tensor import tensor
        >>> isin(tensor([1, 2, 3]), tensor([3, 1])).tolist()
        [True, False, True]
    """
    like: Any = elements if isinstance(elements, Tensor) else test_elements
    x, others = (
        t if isinstance(t, Tensor) else tensor(t, device=like.device)
        for t in (elements, test_elements)
    )
    if not others.size:
        return (ones_like if invert else zeros_like)(x, dtype="bool")
    ordered = sort(others.reshape(-1), 0)
    place = searchsorted(ordered, x).clip(0, ordered.size - 1)
    found = take(ordered, place) == x
    return ~found if invert else found


def unique_consecutive(
    x: Tensor,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    *,
    dim: int | None = None,
) -> Any:
    """The first of each run of equal elements in row-major order, or of equal parts of an axis.

    Args:
        x: Of any shape.
        return_inverse: Whether the number of each one's run follows.
        return_counts: Whether the lengths of the runs follow.
        axis: By default elements are compared, otherwise the parts along this axis.
        dim: PyTorch's name of ``axis``.

    Raises:
        CaptureError: The step is being captured: their number depends on the data.

    Example:
        >>> from rumus.tensor import tensor
        >>> unique_consecutive(tensor([1, 1, 2, 1])).tolist()
        [1, 2, 1]
    """
    axis = axis if dim is None else dim
    lines = x.reshape(-1) if axis is None else x.movedim(axis, 0)
    count = lines.shape[0]
    rows = lines.reshape(count, lines.size // max(count, 1))
    apart = (rows[1:] != rows[:-1]).any(1)
    begins = cat([ones(min(count, 1), dtype="bool", device=x.device), apart], 0)
    starts: Tensor = nonzero(begins)[0]
    runs = index_select(lines, 0, starts)
    found = [runs if axis is None else runs.movedim(0, axis)]
    if return_inverse:
        number = begins.to("int32").cumsum(0) - 1
        found.append(number.reshape(x.shape) if axis is None else number)
    if return_counts:
        end = tensor([count], dtype="int32", device=x.device)
        found.append(diff(cat([starts, end], 0)))
    return found[0] if len(found) == 1 else tuple(found)
