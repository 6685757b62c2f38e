"""Where elements are or belong, and how many there are.

A shape that depends on the data is known when it is read back, so a captured step refuses it.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np

from rumus._backends.registry import backend_of
from rumus._core.base import TensorBase, TensorT
from rumus._core.dtypes import bool_, common_dtype, float32, int32, is_float, uint8
from rumus._core.errors import ArgumentError, DeviceError, DTypeError, ShapeError
from rumus._core.shapes import whole_number

from ._operand import Operand, operand


def nonzero(x: TensorBase[TensorT]) -> tuple[TensorT, ...]:
    """The int32 positions of the elements that are not 0, one tensor an axis, in row-major order.

    Waits for the device.

    Raises:
        ArgumentError: There are no axes.
        CaptureError: The step is being captured: the number of positions depends on the data.

    Example:
        >>> from rumus.tensor import tensor
        >>> [t.tolist() for t in nonzero(tensor([[1, 0], [0, 2]]))]
        [[0, 1], [0, 1]]
    """
    if not x.ndim:
        raise ArgumentError("nonzero takes a tensor with axes; reshape it to (1,)")
    refuse_capture("nonzero", x, "where(condition, a, b) keeps the shape")
    be = backend_of(x.device)
    flat = be.flat_nonzero(x.array)
    index = be.reshape(flat, (1, flat.size, 1))
    found = []
    for axis, length in enumerate(x.shape):
        steps = be.reshape(be.iota(length), (length, *(1,) * (x.ndim - axis - 1)))
        grid = be.reshape(be.expand(steps, x.shape), (1, x.size, 1))
        found.append(x._wrap(be.reshape(be.gather(grid, index, "nonzero"), flat.shape), x.device))
    return tuple(found)


def searchsorted(
    edges: TensorBase[TensorT],
    values: Operand,
    side: Literal["left", "right"] = "left",
    *,
    right: bool = False,
) -> TensorT:
    """Where values belong among sorted edges: how many edges are below each of them.

    Args:
        edges: Of shape (…, edges), ascending along the last axis.
        values: A number or of any shape for edges with one axis, otherwise of shape (…, values).
        side: ``"left"`` counts the edges below a value, ``"right"`` those equal to it too.
        right: PyTorch's way to ask for ``"right"``.

    Returns:
        int32, of the shape of ``values``. NaN is above all numbers.

    Raises:
        ArgumentError: ``side`` is neither.
        ShapeError: The axes before the last differ.

    Example:
        >>> from rumus.tensor import tensor
        >>> searchsorted(tensor([1.0, 2.0, 3.0]), tensor([2.0, 2.5])).tolist()
        [1, 2]
    """
    if side not in ("left", "right"):
        raise ArgumentError(f"searchsorted: side is 'left' or 'right', not {side!r}")
    wanted = _tensor_of(edges, values)
    if not edges.ndim or (edges.ndim > 1 and wanted.shape[:-1] != edges.shape[:-1]):
        raise ShapeError(
            f"searchsorted: values of shape {wanted.shape} and edges of shape {edges.shape}; the "
            "edges have one axis, or all axes but the last are equal"
        )
    _check_device("searchsorted", edges, wanted)
    be = backend_of(edges.device)
    dtype = common_dtype([edges.dtype, wanted.dtype])
    rows = edges.size // edges.shape[-1] if edges.ndim > 1 and edges.size else 1
    lines, sought = (_cast(be, t.array, dtype) for t in (edges, wanted))
    lines = be.reshape(lines, (rows, lines.size // rows))
    sought = be.reshape(sought, (rows, sought.size // rows))
    found = be.search(lines, sought, side == "right" or right)
    return edges._wrap(be.reshape(found, wanted.shape), edges.device)


def bucketize(x: Operand, boundaries: TensorBase[TensorT], *, right: bool = False) -> TensorT:
    """The number of the bucket of each element; see :func:`searchsorted`.

    Args:
        x: A number, or of any shape.
        boundaries: Ascending, with one axis. Bucket ``i`` ends with boundary ``i``.
        right: Whether an element equal to a boundary is in the bucket behind it.

    Example:
        >>> from rumus.tensor import tensor
        >>> bucketize(tensor([1.0, 2.5]), tensor([1.0, 2.0, 3.0])).tolist()
        [0, 2]
    """
    if boundaries.ndim != 1:
        raise ShapeError(f"bucketize: boundaries have one axis, not shape {boundaries.shape}")
    return searchsorted(boundaries, x, "right" if right else "left")


def bincount(
    x: TensorBase[TensorT], weights: TensorBase | None = None, minlength: int = 0
) -> TensorT:
    """How often each number from 0 occurs, or the sum of the weights of its places.

    Args:
        x: int32, uint8 or bool, with one axis; no number is negative.
        weights: Of the same shape. The sums are float32.
        minlength: Numbers that are counted at least.

    Returns:
        int32, or float32 with weights, as long as the largest number asks for.

    Raises:
        DTypeError: ``x`` holds floats.
        ShapeError: ``x`` has another number of axes than one, or ``weights`` another shape.
        ArgumentError: A number is negative, or ``minlength``.
        CaptureError: The step is being captured: the length depends on the data.

    Example:
        >>> from rumus.tensor import tensor
        >>> bincount(tensor([0, 2, 2])).tolist()
        [1, 0, 2]
    """
    minlength = whole_number("bincount: minlength", minlength)
    if x.dtype not in (int32, uint8, bool_):
        raise DTypeError(f"bincount counts whole numbers, not {x.dtype}; cast with .to(int32)")
    if x.ndim != 1 or (weights is not None and weights.shape != x.shape):
        given = "" if weights is None else f" and weights of shape {weights.shape}"
        raise ShapeError(f"bincount takes one axis, and weights of its shape, not {x.shape}{given}")
    if minlength < 0:
        raise ArgumentError(f"bincount: minlength is not negative, unlike {minlength}")
    refuse_capture("bincount", x, "index_add into zeros of a known length")
    be = backend_of(x.device)
    numbers = _cast(be, x.array, int32)
    lowest, length = 0, minlength
    if x.size:
        lowest = int(be.to_host(be.reduce("min", numbers, (0,), False)))
        length = max(minlength, int(be.to_host(be.reduce("max", numbers, (0,), False))) + 1)
    if lowest < 0:
        raise ArgumentError(f"bincount: {lowest} is negative")
    index = be.reshape(numbers, (1, x.size, 1))
    return x._wrap(_sums(be, x, weights, index, length, "bincount"), x.device)


def histogram(
    x: TensorBase[TensorT],
    bins: int | TensorBase = 10,
    range: tuple[float, float] | None = None,
    weights: TensorBase | None = None,
) -> tuple[TensorT, TensorT]:
    """How many elements are in each of some intervals, or the sums of their weights.

    An interval holds its lower edge, and the last one its upper edge too. NaN is in none.

    Args:
        x: Of any shape.
        bins: The number of intervals of equal length, or their edges, ascending.
        range: The first and the last edge; by default the smallest and the largest element.
        weights: Of the shape of ``x``. The sums are float32.

    Returns:
        ``(counts, edges)``: int32 or float32, and float32 or the edges that were given.

    Raises:
        ArgumentError: There are no intervals, or the range is not finite and ascending.
        ShapeError: The edges have another number of axes than one, or the weights another shape.

    Example:
        >>> from rumus.tensor import tensor
        >>> counts, edges = histogram(tensor([1.0, 2.0, 2.5, 4.0]), 3)
        >>> counts.tolist(), edges.tolist()
        ([1, 2, 1], [1.0, 2.0, 3.0, 4.0])
    """
    if weights is not None and weights.shape != x.shape:
        raise ShapeError(f"histogram: weights of shape {weights.shape} for shape {x.shape}")
    if isinstance(bins, TensorBase):
        _check_device("histogram", x, bins)
    be = backend_of(x.device)
    values = be.reshape(_cast(be, x.array, float32), (1, x.size))
    edges = _edges(be, values, bins, range)
    count = edges.shape[0] - 1
    line = be.reshape(_cast(be, edges, float32), (1, count + 1))
    place = be.elementwise("sub", be.search(line, values, True), 1)
    highest: Any = be.slice(line, [slice(0, 1, 1), slice(count, count + 1, 1)])
    if not isinstance(bins, TensorBase) and range is None:
        highest = math.inf  # all are inside, also where the last edge was rounded down
    is_inside = be.elementwise("le", values, highest)
    is_inside = be.elementwise("logical_and", is_inside, be.elementwise("ge", place, 0))
    place = be.elementwise("minimum", place, count - 1)
    place = be.elementwise("where", is_inside, place, count)
    sums = _sums(be, x, weights, be.reshape(place, (1, x.size, 1)), count + 1, "histogram")
    counts = be.slice(sums, [slice(0, count, 1)])
    return x._wrap(counts, x.device), x._wrap(edges, x.device)


def _edges(be: Any, values: Any, bins: Any, limits: tuple[float, float] | None) -> Any:
    """The edges of the intervals of a histogram."""
    if isinstance(bins, TensorBase):
        if bins.ndim != 1 or bins.shape[0] < 2:
            raise ShapeError(f"histogram: edges have one axis of at least 2, not {bins.shape}")
        return bins.array
    count = whole_number("histogram: bins", bins)
    if count < 1:
        raise ArgumentError(f"histogram: {count} intervals; take at least 1")
    if limits is None and values.size:
        low, high = (be.reduce(op, values, (0, 1), False) for op in ("min", "max"))
        half = be.elementwise("where", be.elementwise("eq", low, high), 0.5, 0.0)
        low, high = be.elementwise("sub", low, half), be.elementwise("add", high, half)
        parts = be.constant(np.linspace(0, 1, count + 1, dtype=np.float32))
        widths = be.elementwise("mul", be.elementwise("sub", high, low), parts)
        return be.elementwise("add", low, widths)
    low, high = limits or (0.0, 1.0)
    if not (math.isfinite(low) and math.isfinite(high) and low <= high):
        raise ArgumentError(f"histogram: a finite range in ascending order, not {low} to {high}")
    if low == high:
        low, high = low - 0.5, high + 0.5
    return be.constant(np.linspace(low, high, count + 1).astype(np.float32))


def _sums(
    be: Any, x: TensorBase, weights: TensorBase | None, index: Any, length: int, name: str
) -> Any:
    """How many positions there are of each, or the sums of their weights."""
    if weights is None:
        counted = be.expand(be.full((), 1, int32), (1, x.size, 1))
    else:
        _check_device(name, x, weights)
        given = _cast(be, weights.array, float32)
        counted = be.reshape(be.contiguous(given), (1, x.size, 1))
    return be.reshape(be.sum_at(counted, index, length, name), (length,))


def _tensor_of(like: TensorBase[TensorT], value: Operand) -> TensorBase[TensorT]:
    found = operand(like, value)
    if isinstance(found, TensorBase):
        return found
    dtype = like.dtype if is_float(like.dtype) or isinstance(found, int) else float32
    return like._wrap(backend_of(like.device).full((), found, dtype), like.device)


def _check_device(name: str, a: TensorBase, b: TensorBase) -> None:
    if a.device is not b.device:
        raise DeviceError(
            f"{name}: tensors are on {a.device} and {b.device}; move one with .to(device)"
        )


def _cast(be: Any, a: Any, dtype: np.dtype[Any]) -> Any:
    return a if a.dtype == dtype else be.elementwise("cast", a, dtype=dtype)


def refuse_capture(name: str, x: TensorBase, instead: str) -> None:
    """Refuse a shape that depends on the data in a captured step.

    Raises:
        CaptureError: With what can be captured instead.
    """
    if x.device.kind == "gpu":
        from rumus.gpu import _capture

        _capture.refuse(
            f"calls {name}, whose shape depends on the data and is known only when it is read "
            f"back ({instead}, and can be captured)"
        )
