"""Products of tensors beside ``matmul``, under the names of numpy and of PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from rumus._core.base import TensorBase
from rumus._core.described import type_name
from rumus._core.errors import ArgumentError, DTypeError, ShapeError
from rumus._core.shapes import axis_of, broadcast_shape, whole_numbers

from ._matrix import matmul
from ._tensor import Tensor

Axes2 = int | tuple[int | Sequence[int], int | Sequence[int]]


def mm(a: Tensor, b: Tensor) -> Tensor:
    """The product of two matrices.

    Raises:
        ShapeError: One has not two axes, or they do not fit.

    Example:
        >>> mm(tensor([[1, 2], [3, 4]]), eye(2, dtype=int32)).tolist()
        [[1, 2], [3, 4]]
    """
    _check_axes("mm", (a, b), (2, 2))
    return matmul(a, b)


def bmm(a: Tensor, b: Tensor) -> Tensor:
    """The products of two stacks of matrices, ``(n, i, k)`` and ``(n, k, j)``.

    Raises:
        ShapeError: One has not three axes, or they do not fit.

    Example:
        >>> bmm(ones(5, 2, 3), ones(5, 3, 4)).shape
        (5, 2, 4)
    """
    _check_axes("bmm", (a, b), (3, 3))
    if a.shape[0] != b.shape[0]:
        raise ShapeError(f"bmm: {a.shape} and {b.shape} are stacks of different heights")
    return matmul(a, b)


def mv(a: Tensor, x: Tensor) -> Tensor:
    """The product of a matrix and a vector.

    Raises:
        ShapeError: They are something else, or do not fit.

    Example:
        >>> mv(tensor([[1, 2], [3, 4]]), tensor([1, 1])).tolist()
        [3, 7]
    """
    _check_axes("mv", (a, x), (2, 1))
    return matmul(a, x)


def addmm(c: Tensor, a: Tensor, b: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """``beta * c + alpha * (a @ b)`` of matrices; ``c`` broadcasts.

    Example:
        >>> addmm(ones(2, 2), eye(2), eye(2)).tolist()
        [[2.0, 1.0], [1.0, 2.0]]
    """
    return _added(c, mm(a, b), beta, alpha)


def baddbmm(c: Tensor, a: Tensor, b: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """``beta * c + alpha * (a @ b)`` of stacks of matrices; ``c`` broadcasts.

    Example:
        >>> baddbmm(ones(1, 2, 2), ones(1, 2, 3), ones(1, 3, 2)).tolist()
        [[[4.0, 4.0], [4.0, 4.0]]]
    """
    return _added(c, bmm(a, b), beta, alpha)


def addbmm(c: Tensor, a: Tensor, b: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """``beta * c + alpha * (a @ b).sum(0)`` of stacks of matrices; ``c`` broadcasts.

    Example:
        >>> from rumus.tensor import ones
        >>> addbmm(ones(1, 1), ones(2, 1, 3), ones(2, 3, 1)).tolist()
        [[7.0]]
    """
    return _added(c, bmm(a, b).sum(0), beta, alpha)


def addmv(c: Tensor, a: Tensor, x: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """``beta * c + alpha * (a @ x)`` of a matrix and a vector; ``c`` broadcasts.

    Example:
        >>> from rumus.tensor import ones
        >>> addmv(ones(2), ones(2, 3), ones(3)).tolist()
        [4.0, 4.0]
    """
    return _added(c, mv(a, x), beta, alpha)


def addr(c: Tensor, x: Tensor, y: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """``beta * c + alpha * outer(x, y)`` of vectors; ``c`` broadcasts.

    Example:
        >>> from rumus.tensor import ones, tensor
        >>> addr(ones(1), tensor([1.0, 2.0]), tensor([3.0])).tolist()
        [[4.0], [7.0]]
    """
    return _added(c, outer(x, y), beta, alpha)


def outer(a: Tensor, b: Tensor) -> Tensor:
    """Every element of ``a`` times every element of ``b``, both taken as one axis.

    Example:
        >>> outer(tensor([1, 2]), tensor([3, 4])).tolist()
        [[3, 4], [6, 8]]
    """
    _check_tensors("outer", a, b)
    return a.reshape(-1, 1) * b.reshape(-1)


def inner(a: Tensor, b: Tensor) -> Tensor:
    """The sums of products over the last axes of both; ``a * b`` if one has no axes.

    Raises:
        ShapeError: The last axes differ in length.

    Example:
        >>> inner(tensor([1, 2]), tensor([3, 4])).item()
        11
    """
    _check_tensors("inner", a, b)
    return a * b if not (a.ndim and b.ndim) else tensordot(a, b, ((-1,), (-1,)))


def dot(a: Tensor, b: Tensor) -> Tensor:
    """The sums of products over the last axis of ``a`` and the last but one of ``b``.

    The last one, where ``b`` has one axis; ``a * b`` if one of them has none.

    Raises:
        ShapeError: These axes differ in length.

    Example:
        >>> dot(tensor([1, 2]), tensor([3, 4])).item()
        11
    """
    _check_tensors("dot", a, b)
    if not (a.ndim and b.ndim):
        return a * b
    return tensordot(a, b, ((-1,), (-2 if b.ndim > 1 else -1,)))


def vdot(a: Tensor, b: Tensor) -> Tensor:
    """The sum of products of all elements, each tensor taken as one axis.

    Raises:
        ShapeError: The tensors have different sizes.

    Example:
        >>> vdot(tensor([1, 2]), tensor([3, 4])).item()
        11
    """
    _check_tensors("vdot", a, b)
    return dot(a.reshape(-1), b.reshape(-1))


def vecdot(a: Tensor, b: Tensor, *, axis: int = -1) -> Tensor:
    """The sums of products along an axis that both have; the others broadcast.

    Raises:
        ShapeError: The axis has different lengths, or the others do not broadcast.

    Example:
        >>> vecdot(tensor([[1, 2], [3, 4]]), tensor([1, 1])).tolist()
        [3, 7]
    """
    _check_tensors("vecdot", a, b)
    for x in (a, b):
        axis_of("vecdot", axis, x.ndim)
    if a.shape[axis] != b.shape[axis]:
        raise ShapeError(f"vecdot: axis {axis} of shapes {a.shape} and {b.shape} differs in length")
    place = axis if axis < 0 else axis - a.ndim
    if axis >= 0 and a.ndim != b.ndim:
        raise ArgumentError(
            f"vecdot: axis {axis} is not the same of shapes {a.shape} and {b.shape}; count it from "
            "the end"
        )
    product = a * b
    return product.sum(place, dtype=product.dtype)


def tensordot(a: Tensor, b: Tensor, axes: Axes2 = 2) -> Tensor:
    """The sums of products over several axes.

    Args:
        a: The left tensor, whose other axes come first in the result.
        b: The right tensor.
        axes: How many of the last axes of ``a`` meet the first ones of ``b``; or the axes of each.

    Raises:
        ArgumentError: The two have different numbers of axes to sum over.
        ShapeError: Axes that meet differ in length.

    Example:
        >>> tensordot(ones(2, 3, 4), ones(3, 4, 5), 2).shape
        (2, 5)
    """
    _check_tensors("tensordot", a, b)
    left, right = _meeting(a, b, axes)
    if [a.shape[k] for k in left] != [b.shape[k] for k in right]:
        raise ShapeError(
            f"tensordot: axes {left} of shape {a.shape} and {right} of shape {b.shape} differ in "
            "length"
        )
    rows = [k for k in range(a.ndim) if k not in left]
    columns = [k for k in range(b.ndim) if k not in right]
    height, width = [a.shape[k] for k in rows], [b.shape[k] for k in columns]
    size = prod(a.shape[k] for k in left)
    product = matmul(
        a.permute(*rows, *left).reshape(prod(height), size),
        b.permute(*right, *columns).reshape(size, prod(width)),
    )
    return product.reshape(*height, *width)


def kron(a: Tensor, b: Tensor) -> Tensor:
    """Each element of ``a`` times the whole of ``b``, in blocks (the Kronecker product).

    Example:
        >>> kron(tensor([1, 2]), tensor([1, 10])).tolist()
        [1, 10, 2, 20]
    """
    _check_tensors("kron", a, b)
    ndim = max(a.ndim, b.ndim)
    outer_shape = (1,) * (ndim - a.ndim) + a.shape
    inner_shape = (1,) * (ndim - b.ndim) + b.shape
    blocks = a.reshape([k for n in outer_shape for k in (n, 1)])
    product = blocks * b.reshape([k for n in inner_shape for k in (1, n)])
    return product.reshape([m * n for m, n in zip(outer_shape, inner_shape, strict=True)])


def _meeting(a: Tensor, b: Tensor, axes: Any) -> tuple[list[int], list[int]]:
    if isinstance(axes, int):
        if not 0 <= axes <= min(a.ndim, b.ndim):
            raise ArgumentError(f"tensordot: {axes} axes of shapes {a.shape} and {b.shape}")
        return list(range(a.ndim - axes, a.ndim)), list(range(axes))
    left, right = (whole_numbers("tensordot", listed) for listed in axes)
    if len(left) != len(right):
        raise ArgumentError(f"tensordot: {left} are not as many axes as {right}")
    return (
        [axis_of("tensordot", axis, a.ndim) for axis in left],
        [axis_of("tensordot", axis, b.ndim) for axis in right],
    )


def _added(c: Tensor, product: Tensor, beta: float, alpha: float) -> Tensor:
    if broadcast_shape("addmm", c.shape, product.shape) != product.shape:
        raise ShapeError(f"addmm: shape {c.shape} does not broadcast to {product.shape}")
    scaled = product if alpha == 1 else product * alpha
    if beta == 0:
        return scaled
    return scaled + (c if beta == 1 else c * beta)


def _check_axes(name: str, tensors: tuple[Tensor, ...], ndims: tuple[int, ...]) -> None:
    _check_tensors(name, *tensors)
    shapes = tuple(x.shape for x in tensors)
    if tuple(map(len, shapes)) != ndims:
        wanted = " and ".join(map(str, ndims))
        raise ShapeError(f"{name} takes tensors of {wanted} axes, not of shapes {shapes}")


def _check_tensors(name: str, *tensors: Tensor) -> None:
    for x in tensors:
        if not isinstance(x, TensorBase):
            raise DTypeError(f"{name} takes tensors, not a {type_name(x)}")
