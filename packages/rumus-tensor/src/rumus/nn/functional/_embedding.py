"""Rows of a table by their ids, alone and in bags."""

from __future__ import annotations

from math import inf
from typing import Literal, TypeAlias, get_args

from rumus._backends.registry import backend_of
from rumus._core.base import TensorBase
from rumus._core.dtypes import float32, int32
from rumus._core.errors import ArgumentError, DTypeError, IndexRangeError, ShapeError
from rumus._core.indexing import out_of_range
from rumus._core.mode import no_grad
from rumus.tensor._creation import ones
from rumus.tensor._estimates import renorm
from rumus.tensor._indexing import on_device
from rumus.tensor._joining import where
from rumus.tensor._ops.indexing import Extreme, Gather, SumAt
from rumus.tensor._ops.movement import Reshape
from rumus.tensor._tensor import Tensor

BagMode: TypeAlias = Literal["sum", "mean", "max"]


def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
) -> Tensor:
    """The rows of a table at ids.

    The gradient of the table is the sum of those of each row, in an order that does not change: the
    same in every run.

    Args:
        input: Ids, int32 or uint8, of any shape.
        weight: The table, of shape (rows, columns).
        padding_idx: An id whose row gets no gradient; a negative one counts from the end.
        max_norm: If given, rows that are looked up and have a larger norm are first scaled down to
            it, in the table itself, as in PyTorch; in a captured step, in each replay.
        norm_type: The p of that norm.

    Returns:
        Of the shape of the ids, and the columns.

    Raises:
        DTypeError: The ids are no integers.
        ShapeError: The table has not two axes.
        IndexRangeError: An id is out of range (on the GPU, raised when results are next read).
        ArgumentError: There is no row ``padding_idx``, or a norm is not positive.

    Example:
        >>> from rumus.tensor import tensor
        >>> embedding(tensor([1, 0]), tensor([[0.5, 1.0], [2.0, 4.0]])).tolist()
        [[2.0, 4.0], [0.5, 1.0]]
    """
    ids = _ids("embedding", input, weight)
    _limit("embedding", ids, weight, max_norm, norm_type)
    return _rows("embedding", ids, weight, padding_row("embedding", padding_idx, weight.shape[0]))


def embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    *,
    mode: BagMode = "mean",
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """The sum, mean or maximum of the rows of a table at the ids of each bag; 0 of an empty one.

    Args:
        input: Ids, int32 or uint8: a bag a row, or in one axis with ``offsets``.
        weight: The table, of shape (rows, columns).
        offsets: Where each bag begins, ascending from 0; int32 or uint8.
        max_norm: As of :func:`embedding`.
        norm_type: The p of that norm.
        mode: ``"sum"``, ``"mean"`` or ``"max"``.
        per_sample_weights: A factor for each id, for sums alone.
        include_last_offset: Whether the last of the offsets is the end of the last bag.
        padding_idx: An id that counts as not there.

    Returns:
        Of shape (bags, columns).

    Raises:
        DTypeError: The ids or offsets are no integers.
        ShapeError: The shapes do not fit.
        IndexRangeError: An id is out of range (on the GPU, raised when results are next read).
        ArgumentError: An option is none of those above.

    Example:
        >>> from rumus.tensor import tensor
        >>> embedding_bag(tensor([[0, 1]]), tensor([[1.0], [3.0]]), mode="mean").tolist()
        [[2.0]]
    """
    name = "embedding_bag"
    check_mode(mode)
    ids = _ids(name, input, weight)
    _limit(name, ids, weight, max_norm, norm_type)
    if per_sample_weights is not None:
        if mode != "sum":
            raise ArgumentError(f"{name}: per_sample_weights are for mode='sum', not {mode!r}")
        if per_sample_weights.shape != ids.shape:
            raise ShapeError(
                f"{name}: {ids.shape} ids need per_sample_weights of this shape, not "
                f"{per_sample_weights.shape}"
            )
    padding = padding_row(name, padding_idx, weight.shape[0])
    rows = _rows(name, ids, weight, padding)
    kept = None if padding is None else (ids != padding).unsqueeze(-1)
    if per_sample_weights is not None:
        rows = rows * per_sample_weights.unsqueeze(-1)
    if offsets is None:
        if ids.ndim != 2:
            raise ShapeError(
                f"{name} takes ids of shape (bags, length) or offsets, not {ids.shape}"
            )
        return _reduced_rows(rows, kept, mode)
    if ids.ndim != 1:
        raise ShapeError(f"{name} takes ids of one axis with offsets, not {ids.shape}")
    return _reduced_bags(rows, kept, mode, offsets, include_last_offset)


def one_hot(input: Tensor, num_classes: int = -1) -> Tensor:
    """1 at each id along a new last axis, else 0; int32.

    Args:
        input: Ids, int32 or uint8.
        num_classes: Length of the new axis; -1 is one more than the largest id, which is read back.

    Raises:
        DTypeError: The ids are no integers.
        IndexRangeError: An id is out of range (on the GPU, raised when results are next read).
        ArgumentError: The number of classes is not positive, and not -1.

    Example:
        >>> from rumus.tensor import tensor
        >>> one_hot(tensor([1, 0]), 3).tolist()
        [[0, 1, 0], [1, 0, 0]]
    """
    ids = _integers("one_hot", input)
    classes = num_classes
    if classes == -1:
        classes = int(ids.max()) + 1 if ids.size else 0
    if classes < 0 or (classes == 0 and ids.size and num_classes != -1):
        raise ArgumentError(f"one_hot: num_classes is positive, or -1, not {num_classes}")
    be = backend_of(ids.device)
    column = be.positions(be.reshape(ids.array, (1, ids.size, 1)), classes, "one_hot", False)
    hits = be.elementwise("eq", be.reshape(column, (*ids.shape, 1)), be.iota(classes))
    return ids._wrap(be.elementwise("cast", hits, dtype=int32), ids.device)


def padding_row(name: str, padding_idx: int | None, rows: int) -> int | None:
    """The row of an id that counts as padding, counted from the front.

    Raises:
        ArgumentError: There is no such row.
    """
    if padding_idx is None:
        return None
    if not -rows <= padding_idx < rows:
        raise ArgumentError(f"{name}: padding_idx {padding_idx} is none of {rows} rows")
    return padding_idx % rows


def check_max_norm(name: str, max_norm: float | None, norm_type: float) -> None:
    """Refuse norms that are not positive.

    Raises:
        ArgumentError: One is not.
    """
    if max_norm is not None and not (max_norm > 0 and norm_type > 0):
        raise ArgumentError(
            f"{name}: max_norm and norm_type are positive, not {max_norm} and {norm_type}"
        )


def check_mode(mode: str) -> None:
    """Refuse another way to reduce a bag.

    Raises:
        ArgumentError: It is none of the three.
    """
    if mode not in get_args(BagMode):
        raise ArgumentError(f"embedding_bag: mode is 'sum', 'mean' or 'max', not {mode!r}")


def _ids(name: str, input: Tensor, weight: Tensor) -> Tensor:
    ids = _integers(name, input)
    if weight.ndim != 2:
        raise ShapeError(f"{name} takes a weight of shape (rows, columns), not {weight.shape}")
    on_device(weight, ids, name)
    if ids.size and not weight.shape[0]:
        raise IndexRangeError(out_of_range(name, "of an element", 0))
    return ids


def _integers(name: str, input: Tensor) -> Tensor:
    if not isinstance(input, TensorBase):
        raise DTypeError(f"{name} takes a tensor of ids, not a {type(input).__name__}")
    if input.dtype.kind not in "iu":
        raise DTypeError(
            f"{name} takes ids of int32 or uint8, not {input.dtype}; convert them with .to(int32)"
        )
    return input.to(int32)


def _rows(name: str, ids: Tensor, weight: Tensor, padding: int | None) -> Tensor:
    rows, columns = weight.shape
    gather = Gather(name, (1, rows, columns), (*ids.shape, columns), wrap=False, skip=padding)
    return gather(weight, Reshape((1, ids.size, 1))(ids))


def _limit(
    name: str, ids: Tensor, weight: Tensor, max_norm: float | None, norm_type: float
) -> None:
    """Scale down those of the rows at ids, in the table, whose norm is larger than allowed."""
    check_max_norm(name, max_norm, norm_type)
    if max_norm is None or not ids.size:
        return
    with no_grad():
        line = ids.reshape(ids.size)
        weight[line] = renorm(_rows(name, line, weight, None), norm_type, 0, max_norm)


def _reduced_rows(rows: Tensor, kept: Tensor | None, mode: str) -> Tensor:
    """Bags of equal length along the middle axis."""
    length = rows.shape[1]
    if mode == "max" and length:
        if kept is None:
            return rows.max(1)
        return where(kept.any(1), where(kept, rows, -inf).max(1), 0.0)
    table = rows if kept is None else where(kept, rows, 0.0)
    if mode == "sum" or not length:
        return table.sum(1)
    if kept is None:
        return table.mean(1)
    return (table.to(float32).sum(1) / kept.sum(1).clamp(1)).to(rows.dtype)


def _reduced_bags(
    rows: Tensor, kept: Tensor | None, mode: str, offsets: Tensor, include_last_offset: bool
) -> Tensor:
    """Bags that lie one after the other."""
    starts = on_device(rows, _integers("embedding_bag", offsets), "embedding_bag")
    if starts.ndim != 1:
        raise ShapeError(f"embedding_bag takes offsets of one axis, not {starts.shape}")
    bags, count = starts.size - include_last_offset, rows.shape[0]
    if bags < 1 or not count:
        return (rows.sum(0, keepdims=True) * 0.0).expand(max(bags, 0), rows.shape[1])
    bag_of = _bags(starts, bags, count)
    if mode == "sum":
        table = rows if kept is None else where(kept, rows, 0.0)
        return _summed(table, bag_of, bags).to(rows.dtype)
    counted = ones(count, 1, device=rows.device) if kept is None else kept.to(float32)
    counts = _summed(counted, bag_of, bags)
    if mode == "max":
        return _largest(rows if kept is None else where(kept, rows, -inf), counts, bag_of, bags)
    total = _summed(rows if kept is None else where(kept, rows, 0.0), bag_of, bags)
    return (total / counts.clamp(1.0)).to(rows.dtype)


def _bags(starts: Tensor, bags: int, count: int) -> Tensor:
    """The bag of each id: how many bags have begun, less one."""
    be = backend_of(starts.device)
    first = be.slice(starts.array, (slice(0, bags, 1),))
    column = be.reshape(first, (1, bags, 1))
    begun = be.sum_at(be.expand(be.full((), 1, int32), (1, bags, 1)), column, count + 1, "offsets")
    number = be.elementwise("sub", be.scan("sum", be.reshape(begun, (count + 1,)), 0), 1)
    line = be.slice(number, (slice(0, count, 1),))
    return starts._wrap(be.reshape(line, (1, count, 1)), starts.device)


def _summed(rows: Tensor, bag_of: Tensor, bags: int) -> Tensor:
    """The float32 sums of the rows of each bag."""
    count, columns = rows.shape
    flat = Reshape((1, count, columns))(rows)
    sums: Tensor = SumAt("embedding_bag", bags, (bags, columns))(flat, bag_of)
    return sums


def _largest(rows: Tensor, counts: Tensor, bag_of: Tensor, bags: int) -> Tensor:
    """The maximum of each bag that has rows, else 0."""
    (count, columns), be = rows.shape, backend_of(rows.device)
    column = be.reshape(be.iota(columns), (1, columns))
    start = be.elementwise("mul", be.reshape(bag_of.array, (count, 1)), columns)
    flat = be.reshape(be.elementwise("add", start, column), (1, count * columns, 1))
    lowest = rows._wrap(be.full((bags, columns), -inf, rows.dtype), rows.device)
    largest = Extreme("embedding_bag", "maximum", include_self=True)
    values = Reshape((1, count * columns, 1))(rows)
    return where(counts > 0, largest(lowest, rows._wrap(flat, rows.device), values), 0.0)
