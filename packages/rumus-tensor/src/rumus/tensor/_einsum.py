"""Einstein sums, by views, matrix products and sums."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from math import prod
from typing import Any, NamedTuple

from rumus._core.base import TensorBase
from rumus._core.described import type_name
from rumus._core.dtypes import bool_, common_dtype, int32
from rumus._core.errors import ArgumentError, DTypeError

from ._einsum_text import Label, Labels, labels_of, lengths_of
from ._operand import apply
from ._ops.matmul import MatMul
from ._ops.movement import Cast, Expand, Permute, Reshape, Slice
from ._ops.reduce import Reduce
from ._tensor import Tensor


def einsum(equation: str, *operands: Tensor | Sequence[Tensor]) -> Tensor:
    """The sum of products that labels of axes describe, as in ``numpy.einsum``.

    Two terms at a time become one matrix product, those first whose product is smallest.

    Args:
        equation: A term of letters for each operand, with commas between them, then maybe ``->``
            and those of the result. Labels that are not in the result are summed over; one that a
            term has twice is a diagonal; ``...`` stands for axes that broadcast. Without ``->`` the
            result has the axes of ``...`` and the labels that are there once, sorted.
        operands: A tensor for each term; they meet in their common dtype.

    Raises:
        ArgumentError: The equation does not parse; the position is named.
        ShapeError: A term does not fit its operand, or a label has two lengths.
        DTypeError: An operand is no tensor.

    Example:
        >>> from rumus.tensor import tensor
        >>> a = tensor([[1.0, 2.0], [3.0, 4.0]])
        >>> einsum("ij,kj->ik", a, a).tolist()
        [[5.0, 11.0], [11.0, 25.0]]
        >>> einsum("ii", a).item()
        5.0
    """
    if not isinstance(equation, str):
        raise ArgumentError(f"einsum: the equation is a text such as 'ij,jk->ik', not {equation!r}")
    given: Sequence[Any] = operands
    if len(operands) == 1 and not isinstance(operands[0], TensorBase):
        given = operands[0]
    for number, x in enumerate(given):
        if not isinstance(x, TensorBase):
            raise DTypeError(f"einsum takes tensors; operand {number} is a {type_name(x)}")
    terms, result = labels_of(equation, tuple(x.ndim for x in given))
    lengths = lengths_of(equation, terms, [x.shape for x in given])
    dtype = common_dtype([x.dtype for x in given])
    dtype = int32 if dtype == bool_ else dtype
    left = [
        _prepared(x if x.dtype == dtype else Cast(dtype)(x), term, lengths)
        for x, term in zip(given, terms, strict=True)
    ]
    while len(left) > 1:
        first, second = min(
            combinations(range(len(left)), 2), key=lambda p: _size(left, p, result, lengths)
        )
        kept = _needed(left, (first, second), result)
        product = _multiplied(left[first], left[second], kept, lengths)
        left = [part for k, part in enumerate(left) if k not in (first, second)]
        left.append(product)
    answer: Tensor = _arranged(_summed(left[0], set(result)), result, lengths)
    return answer


class _Part(NamedTuple):
    """A tensor and the labels of its axes, each once."""

    tensor: Any
    labels: Labels


def _prepared(tensor: Any, term: Labels, lengths: dict[Label, int]) -> _Part:
    """Without axes that only broadcast, and with diagonals where a label comes twice."""
    wide = [k for k, label in enumerate(term) if tensor.shape[k] == lengths[label]]
    if len(wide) < len(term):
        tensor = Reshape(tuple(tensor.shape[k] for k in wide))(tensor)
    labels = [term[k] for k in wide]
    for label in dict.fromkeys(labels):
        while labels.count(label) > 1:
            first = labels.index(label)
            second = labels.index(label, first + 1)
            tensor = diagonal_of(tensor, first, second)
            labels = [x for k, x in enumerate(labels) if k not in (first, second)] + [label]
    return _Part(tensor, tuple(labels))


def diagonal_of(tensor: Any, first: int, second: int) -> Any:
    """The elements at equal places of two axes of one length, as the last axis."""
    others = [k for k in range(tensor.ndim) if k not in (first, second)]
    moved = Permute((*others, first, second))(tensor)
    shape, n = moved.shape[:-2], moved.shape[-1]
    lines = Reshape((*shape, n * n))(moved)
    cut = [slice(0, length, 1) for length in shape]
    return Slice((*cut, slice(0, n * n, n + 1)))(lines)


def _needed(left: Sequence[_Part], pair: tuple[int, int], result: Labels) -> set[Label]:
    """Labels that the result or the other parts have."""
    others = [part.labels for k, part in enumerate(left) if k not in pair]
    return {label for labels in (*others, result) for label in labels}


def _size(
    left: Sequence[_Part], pair: tuple[int, int], result: Labels, lengths: dict[Label, int]
) -> int:
    both = {label for k in pair for label in left[k].labels}
    return prod(lengths[label] for label in both & _needed(left, pair, result))


def _multiplied(a: _Part, b: _Part, kept: set[Label], lengths: dict[Label, int]) -> _Part:
    """The product of two parts, summed over the labels that nobody needs."""
    a, b = _summed(a, kept | set(b.labels)), _summed(b, kept | set(a.labels))
    shared = [label for label in a.labels if label in b.labels]
    batch = tuple(label for label in shared if label in kept)
    inner = tuple(label for label in shared if label not in kept)
    rows = tuple(label for label in a.labels if label not in shared)
    columns = tuple(label for label in b.labels if label not in shared)
    height, width, depth = (
        prod(lengths[label] for label in labels) for labels in (rows, columns, inner)
    )
    if not inner or height == width == 1:
        labels = (*batch, *rows, *columns, *inner)
        product = apply("mul", *(_spread(part, labels, lengths) for part in (a, b)))
        return _summed(_Part(product, labels), kept)
    count = tuple(lengths[label] for label in batch)
    left = Reshape((prod(count), height, depth))(_arranged(a, (*batch, *rows, *inner), lengths))
    right = Reshape((prod(count), depth, width))(_arranged(b, (*batch, *inner, *columns), lengths))
    if not batch:
        left, right = Reshape((height, depth))(left), Reshape((depth, width))(right)
    labels = (*batch, *rows, *columns)
    shape = tuple(lengths[label] for label in labels)
    return _Part(Reshape(shape)(MatMul()(left, right)), labels)


def _summed(part: _Part, kept: set[Label]) -> _Part:
    axes = tuple(k for k, label in enumerate(part.labels) if label not in kept)
    if not axes:
        return part
    labels = tuple(label for label in part.labels if label in kept)
    return _Part(Reduce("sum", axes, False)(part.tensor), labels)


def _spread(part: _Part, labels: Labels, lengths: dict[Label, int]) -> Any:
    """The part's axes in the order of labels, with length one where it has none."""
    present = tuple(label for label in labels if label in part.labels)
    shape = tuple(lengths[label] if label in present else 1 for label in labels)
    return Reshape(shape)(_permuted(part, present))


def _arranged(part: _Part, labels: Labels, lengths: dict[Label, int]) -> Any:
    """The part's axes in the order of labels; those that it lacks have length one, or broadcast."""
    if set(part.labels) == set(labels):
        return _permuted(part, labels)
    shape = tuple(lengths[label] for label in labels)
    return Expand(shape)(_spread(part, labels, lengths))


def _permuted(part: _Part, labels: Labels) -> Any:
    if part.labels == labels:
        return part.tensor
    return Permute(tuple(part.labels.index(label) for label in labels))(part.tensor)
