"""Functions of several tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack, overload

from rumus._core.base import TensorBase, TensorT
from rumus._core.described import type_name
from rumus._core.dtypes import common_dtype
from rumus._core.errors import ArgumentError, DTypeError, ShapeError
from rumus._core.shapes import axis_of

from ._aliases import Aliases, axis_alias
from ._counting import nonzero
from ._operand import Operand, operand
from ._ops.elementwise import Elementwise
from ._ops.movement import Cast, Cat, Reshape


def cat(
    tensors: Sequence[TensorBase[TensorT]], axis: int = 0, **aliases: Unpack[Aliases]
) -> TensorT:
    """Join tensors along an axis (also ``dim``); they meet in their common dtype.

    Raises:
        ArgumentError: There are no tensors, or no such axis.
        DTypeError: One is something else than a tensor.
        ShapeError: The other axes differ.

    Example:
        >>> cat([tensor([1, 2]), tensor([3])]).tolist()
        [1, 2, 3]
    """
    if aliases:
        axis = axis_alias("cat", aliases, axis, 0)
    check_tensors("cat", tensors)
    first = tensors[0].shape
    axis = axis_of("cat", axis, len(first))
    for t in tensors:
        shape = t.shape
        if shape[:axis] != first[:axis] or shape[axis + 1 :] != first[axis + 1 :]:
            raise ShapeError(f"cat along axis {axis}: shapes {first} and {shape} do not fit")
    dtype = common_dtype([t.dtype for t in tensors])
    parts: list[Any] = [t if t.dtype == dtype else Cast(dtype)(t) for t in tensors]
    joined: TensorT = Cat(axis)(*parts)
    return joined


def concat(
    tensors: Sequence[TensorBase[TensorT]], axis: int | None = 0, **aliases: Unpack[Aliases]
) -> TensorT:
    """The array API's name of :func:`cat`; without an axis the flattened tensors are joined.

    Example:
        >>> concat([ones(2, 3), zeros(2, 1)], axis=1).shape
        (2, 4)
    """
    if aliases:
        axis = axis_alias("concat", aliases, axis, 0)
    if axis is None:
        check_tensors("concat", tensors)
        given: list[Any] = list(tensors)
        joined: TensorT = cat([Reshape((t.size,))(t) for t in given])
        return joined
    return cat(tensors, axis)


def stack(
    tensors: Sequence[TensorBase[TensorT]], axis: int = 0, **aliases: Unpack[Aliases]
) -> TensorT:
    """Join tensors of one shape along a new axis (also ``dim``).

    Raises:
        ArgumentError: There are no tensors, or no such axis.
        DTypeError: One is something else than a tensor.
        ShapeError: The shapes differ.

    Example:
        >>> stack([tensor([1, 2]), tensor([3, 4])], axis=1).tolist()
        [[1, 3], [2, 4]]
    """
    if aliases:
        axis = axis_alias("stack", aliases, axis, 0)
    check_tensors("stack", tensors)
    first = tensors[0].shape
    axis = axis_of("stack", axis, len(first) + 1)
    for i, t in enumerate(tensors):
        if t.shape != first:
            raise ShapeError(f"stack: tensor 0 has shape {first}, tensor {i} has {t.shape}")
    parts: list[Any] = [Reshape((*first[:axis], 1, *first[axis:]))(t) for t in tensors]
    joined: TensorT = cat(parts, axis)
    return joined


@overload
def where(condition: TensorBase[TensorT]) -> tuple[TensorT, ...]: ...


@overload
def where(condition: TensorBase[TensorT], a: Operand, b: Operand) -> TensorT: ...


def where(condition: Any, a: Operand | None = None, b: Operand | None = None) -> Any:
    """``a`` where the condition is true (not zero), else ``b``; all three broadcast.

    With the condition alone it is :func:`rumus.tensor.nonzero`.

    Raises:
        ArgumentError: One of ``a`` and ``b`` is missing.

    Example:
        >>> where(tensor([True, False]), tensor([1, 2]), 0).tolist()
        [1, 0]
    """
    if a is None and b is None:
        return nonzero(condition)
    if a is None or b is None:
        raise ArgumentError("where takes a and b, or neither of them")
    return Elementwise("where")(condition, operand(condition, a), operand(condition, b))


def check_tensors(name: str, tensors: Sequence[TensorBase]) -> None:
    """There are tensors, and nothing else."""
    if isinstance(tensors, TensorBase):
        raise ArgumentError(f"{name} takes a list of tensors, as in {name}([a, b]), not one tensor")
    if not tensors:
        raise ArgumentError(f"{name} needs at least one tensor")
    for i, t in enumerate(tensors):
        if not isinstance(t, TensorBase):
            raise DTypeError(f"{name} takes tensors; number {i} is a {type_name(t)}")
