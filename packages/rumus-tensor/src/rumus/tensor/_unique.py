"""The elements that there are, each once."""

from __future__ import annotations

from typing import Any, Generic, NamedTuple, overload

from rumus._backends.registry import backend_of
from rumus._core.base import TensorBase, TensorT
from rumus._core.dtypes import bool_, int32

from ._counting import refuse_capture


class UniqueAll(NamedTuple, Generic[TensorT]):
    """What :func:`unique_all` returns."""

    values: TensorT
    indices: TensorT
    inverse_indices: TensorT
    counts: TensorT


class UniqueCounts(NamedTuple, Generic[TensorT]):
    """What :func:`unique_counts` returns."""

    values: TensorT
    counts: TensorT


class UniqueInverse(NamedTuple, Generic[TensorT]):
    """What :func:`unique_inverse` returns."""

    values: TensorT
    inverse_indices: TensorT


@overload
def unique(x: TensorBase[TensorT], *, equal_nan: bool = True) -> TensorT: ...


@overload
def unique(
    x: TensorBase[TensorT],
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    *,
    equal_nan: bool = True,
) -> Any: ...


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


def unique_all(x: TensorBase[TensorT]) -> UniqueAll[TensorT]:
    """``(values, indices, inverse_indices, counts)`` of :func:`unique`; each NaN is its own.

    Example:
        >>> found = unique_all(tensor([3, 1, 3]))
        >>> found.values.tolist(), found.indices.tolist(), found.counts.tolist()
        ([1, 3], [1, 0], [1, 2])
    """
    values, *others = _unique(x, equal_nan=False)
    return UniqueAll(values, *(part() for part in others))


def unique_counts(x: TensorBase[TensorT]) -> UniqueCounts[TensorT]:
    """``(values, counts)`` of :func:`unique`; each NaN is its own.

    Example:
        >>> values, counts = unique_counts(tensor([3, 1, 3]))
        >>> values.tolist(), counts.tolist()
        ([1, 3], [1, 2])
    """
    values, _, _, counts = _unique(x, equal_nan=False)
    return UniqueCounts(values, counts())


def unique_inverse(x: TensorBase[TensorT]) -> UniqueInverse[TensorT]:
    """``(values, inverse_indices)`` of :func:`unique`; each NaN is its own.

    Example:
        >>> values, places = unique_inverse(tensor([3, 1, 3]))
        >>> values.tolist(), places.tolist()
        ([1, 3], [1, 0, 1])
    """
    values, _, inverse, _ = _unique(x, equal_nan=False)
    return UniqueInverse(values, inverse())


def unique_values(x: TensorBase[TensorT]) -> TensorT:
    """The values of :func:`unique`; each NaN is its own.

    Example:
        >>> unique_values(tensor([3, 1, 3])).tolist()
        [1, 3]
    """
    values: TensorT = _unique(x, equal_nan=False)[0]
    return values


def _unique(x: TensorBase[TensorT], equal_nan: bool) -> tuple[Any, Any, Any, Any]:
    """The values, and what computes their first positions, the inverse and the counts."""
    refuse_capture("unique", x, "sort(x) keeps the shape")
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
