"""Which elements there are, how often and where: results whose shapes depend on the data.

Such a shape is known when it is read back, so a captured step cannot have it: it is refused there.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from rumus._backends.registry import backend_of
from rumus._core.base import TensorBase, TensorT
from rumus._core.dtypes import bool_, common_dtype, float32, int32, is_float, uint8
from rumus._core.errors import ArgumentError, DTypeError, ShapeError
from rumus._core.shapes import whole_number

from ._operand import Operand, operand


class UniqueAll(NamedTuple):
    """What :func:`unique_all` returns."""

    values: Any
    indices: Any
    inverse_indices: Any
    counts: Any


class UniqueCounts(NamedTuple):
    """What :func:`unique_counts` returns."""

    values: Any
    counts: Any


class UniqueInverse(NamedTuple):
    """What :func:`unique_inverse` returns."""

    values: Any
    inverse_indices: Any


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
    _refuse_capture("nonzero", x, "where(condition, a, b) keeps the shape")
    be = backend_of(x.device)
    flat = be.flat_nonzero(x.array)
    index = be.reshape(flat, (1, flat.size, 1))
    found = []
    for axis, length in enumerate(x.shape):
        steps = be.reshape(be.iota(length), (length, *(1,) * (x.ndim - axis - 1)))
        grid = be.reshape(be.expand(steps, x.shape), (1, x.size, 1))
        found.append(x._wrap(be.reshape(be.gather(grid, index, "nonzero"), flat.shape), x.device))
    return tuple(found)


def unique(
    x: TensorBase[TensorT],
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    *,
    equal_nan: bool = True,
) -> Any:
    """The elements of a tensor, each once, in ascending order.

    Args:
        x: Of any shape.
        return_index: Whether the positions of their first occurrences in row-major order follow.
        return_inverse: Whether the number of each element of ``x`` among them follows, of the
            shape of ``x``.
        return_counts: Whether it follows how often they occur.
        equal_nan: Whether all NaN are one element.

    Returns:
        A tensor with one axis, or a tuple of it and of what was asked for, int32.

    Raises:
        CaptureError: The step is being captured: their number depends on the data.

    Example:
        >>> from rumus.tensor import tensor
        >>> values, counts = unique(tensor([3, 1, 3]), return_counts=True)
        >>> values.tolist(), counts.tolist()
        ([1, 3], [1, 2])
    """
    everything = _unique(x, equal_nan)
    asked = return_index, return_inverse, return_counts
    others = [part() for part, is_asked in zip(everything[1:], asked, strict=True) if is_asked]
    return (everything[0], *others) if others else everything[0]


def unique_all(x: TensorBase[TensorT]) -> UniqueAll:
    """``(values, indices, inverse_indices, counts)`` of :func:`unique`; each NaN is its own."""
    values, *others = _unique(x, equal_nan=False)
    return UniqueAll(values, *(part() for part in others))


def unique_counts(x: TensorBase[TensorT]) -> UniqueCounts:
    """``(values, counts)`` of :func:`unique`; each NaN is its own."""
    values, _, _, counts = _unique(x, equal_nan=False)
    return UniqueCounts(values, counts())


def unique_inverse(x: TensorBase[TensorT]) -> UniqueInverse:
    """``(values, inverse_indices)`` of :func:`unique`; each NaN is its own."""
    values, _, inverse, _ = _unique(x, equal_nan=False)
    return UniqueInverse(values, inverse())


def unique_values(x: TensorBase[TensorT]) -> TensorT:
    """The values of :func:`unique`; each NaN is its own."""
    values: TensorT = _unique(x, equal_nan=False)[0]
    return values


def searchsorted(
    edges: TensorBase[TensorT], values: Operand, side: str = "left", *, right: bool = False
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
    _refuse_capture("bincount", x, "index_add into zeros of a known length")
    be = backend_of(x.device)
    numbers = _cast(be, x.array, int32)
    lowest, length = 0, minlength
    if x.size:
        lowest = int(be.to_host(be.reduce("min", numbers, (0,), False)))
        length = max(minlength, int(be.to_host(be.reduce("max", numbers, (0,), False))) + 1)
    if lowest < 0:
        raise ArgumentError(f"bincount: {lowest} is negative")
    if weights is None:
        counted = be.expand(be.full((), 1, int32), x.shape)
    else:
        counted = _cast(be, operand(x, weights.detach()).array, float32)  # type: ignore[union-attr]
    column = be.reshape(be.contiguous(counted), (1, x.size, 1))
    sums = be.sum_at(column, be.reshape(numbers, (1, x.size, 1)), length, "bincount")
    return x._wrap(be.reshape(sums, (length,)), x.device)


def _unique(x: TensorBase[TensorT], equal_nan: bool) -> tuple[Any, Any, Any, Any]:
    """The values, and what computes their first positions, the inverse and the counts."""
    _refuse_capture("unique", x, "sort(x) keeps the shape")
    be, size = backend_of(x.device), x.size
    values, columns = be.sort(be.reshape(x.array, (1, size)))
    line, order = be.reshape(values, (size,)), be.reshape(columns, (size,))
    begins = be.full((size,), True, bool_)
    if size > 1:
        former, latter = (be.slice(line, [slice(k, size - 1 + k, 1)]) for k in (0, 1))
        is_equal = be.elementwise("matches" if equal_nan else "eq", former, latter)
        begins = be.cat(
            [be.slice(begins, [slice(0, 1, 1)]), be.elementwise("logical_not", is_equal)], 0
        )
    starts = be.flat_nonzero(begins)
    count = starts.shape[0]

    def chosen(a: Any) -> Any:
        picked = be.gather(be.reshape(a, (1, size, 1)), be.reshape(starts, (1, count, 1)), "unique")
        return x._wrap(be.reshape(picked, (count,)), x.device)

    def inverse() -> Any:
        numbers = be.elementwise("sub", be.scan("sum", begins, 0), 1)
        target = be.full((1, size, 1), 0, int32)
        index = be.reshape(order, (1, size, 1))
        be.put(target, index, be.reshape(numbers, (1, size, 1)), "unique")
        return x._wrap(be.reshape(target, x.shape), x.device)

    def counts() -> Any:
        some = min(1, count)
        end = be.full((some,), size, int32)
        ends = be.cat([be.slice(starts, [slice(some, count, 1)]), end], 0)
        return x._wrap(be.elementwise("sub", ends, starts), x.device)

    return chosen(line), lambda: chosen(order), inverse, counts


def _tensor_of(like: TensorBase[TensorT], value: Operand) -> TensorBase[TensorT]:
    found = operand(like, value)
    if isinstance(found, TensorBase):
        return found
    dtype = like.dtype if is_float(like.dtype) or isinstance(found, int) else float32
    return like._wrap(backend_of(like.device).full((), found, dtype), like.device)


def _cast(be: Any, a: Any, dtype: np.dtype[Any]) -> Any:
    return a if a.dtype == dtype else be.elementwise("cast", a, dtype=dtype)


def _refuse_capture(name: str, x: TensorBase, instead: str) -> None:
    if x.device.kind == "gpu":
        from rumus.gpu import _capture

        _capture.refuse(
            f"calls {name}, whose shape depends on the data and is known only when it is read "
            f"back ({instead}, and can be captured)"
        )
