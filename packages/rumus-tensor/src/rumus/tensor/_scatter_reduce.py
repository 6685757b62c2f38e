"""Elements reduced with the values that go to their positions."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, cast, get_args

from rumus._backends.registry import backend_of
from rumus._core.base import TensorBase, TensorT
from rumus._core.dtypes import float32, is_float
from rumus._core.errors import ArgumentError, DTypeError

from ._joining import cat
from ._operand import Operand, apply
from ._ops.elementwise import Elementwise
from ._ops.indexing import Extreme, Gather, Put, SumAt
from ._ops.movement import Cast, Reshape
from ._scattering import flat_index, scattered

Reduce: TypeAlias = Literal["sum", "prod", "mean", "amax", "amin"]
_EXTREMES = {"amax": "maximum", "amin": "minimum"}


def scatter_reduce(
    x: TensorBase[TensorT],
    dim: int,
    index: Any,
    src: Operand,
    reduce: Reduce,
    *,
    include_self: bool = True,
) -> TensorT:
    """Each element reduced with what :func:`rumus.tensor.scatter` would write there.

    Args:
        x: Any tensor.
        dim: The axis, under PyTorch's name.
        index: Positions, with as many axes as ``x``, and along the others not longer.
        src: A number, or a tensor that is not shorter than the index.
        reduce: ``"sum"``, ``"prod"``, ``"mean"`` (of floats), ``"amax"`` or ``"amin"``.
        include_self: Whether an element counts where values go to it; elsewhere it stays.

    Raises:
        ArgumentError: ``reduce`` is none of these.
        DTypeError: The mean of integers is asked for, or the positions are no integers.
        ShapeError: The shapes do not fit.
        IndexRangeError: A position or the axis is out of range.

    Example:
        >>> from rumus.tensor import tensor, zeros
        >>> scatter_reduce(zeros(2), 0, [0, 0, 1], tensor([3.0, 1.0, -2.0]), "amax").tolist()
        [3.0, 0.0]
    """
    name = "scatter_reduce"
    if reduce not in get_args(Reduce):
        raise ArgumentError(f"{name}: reduce is sum, prod, mean, amax or amin, not {reduce!r}")
    if reduce == "mean" and not is_float(x.dtype):
        raise DTypeError(f"{name}: the mean is of floats, not {x.dtype}; convert with .to(float32)")
    axis, index, values = scattered(name, x, dim, index, src)
    flat = flat_index(name, x, index, axis)
    column = Reshape(flat.shape)(values)
    if reduce in _EXTREMES:
        extreme: TensorT = Extreme(name, _EXTREMES[reduce], include_self)(x, flat, column)
        return extreme
    if reduce == "prod":
        products = Put(name, (1, x.size, 1), wrap=False)
        ordered = _products(name, flat, column)
        if not include_self:
            return cast("TensorT", products(x, *ordered))
        ones = x._wrap(backend_of(x.device).full(x.shape, 1, x.dtype), x.device)
        return apply("mul", x, cast(Any, products(ones, *ordered)))
    sums: Any = SumAt(name, x.size, x.shape)(column, flat)
    ones = x._wrap(backend_of(x.device).full(flat.shape, 1.0, float32), x.device)
    counts: Any = SumAt(name, x.size, x.shape)(ones, flat)
    is_touched: Any = apply("gt", counts, 0)
    if include_self:
        sums, counts = apply("add", sums, x), apply("add", counts, 1.0)
    if reduce == "mean":
        sums = apply("div", sums, apply("maximum", counts, 1.0))
    mixed: Any = Elementwise("where")(is_touched, sums, x)
    result: TensorT = mixed if mixed.dtype == x.dtype else Cast(x.dtype)(mixed)
    return result


def _products(name: str, flat: Any, column: Any) -> tuple[Any, Any]:
    """Positions in ascending order, (1, count, 1), and values of which each one's last is to stay.

    Each value is multiplied with that 1, 2, 4, … places before it, where both go to one position,
    so that the last one of a position is the product of them all.
    """
    count, be = flat.size, backend_of(flat.device)
    ranked, order = be.sort(be.reshape(flat.array, (1, count)), False)
    ranked, order = be.reshape(ranked, (1, count, 1)), be.reshape(order, (1, count, 1))
    places = flat._wrap(ranked, flat.device)
    chosen = Gather(name, (1, count, 1), (1, count, 1), wrap=False)
    values: Any = chosen(column, flat._wrap(order, flat.device))
    step = 1
    while step < count:
        joins = apply("eq", places[:, step:], places[:, :-step])
        product = apply("mul", values[:, step:], values[:, :-step])
        later = Elementwise("where")(joins, product, values[:, step:])
        values = cat([values[:, :step], later], 1)
        step *= 2
    return places, values
