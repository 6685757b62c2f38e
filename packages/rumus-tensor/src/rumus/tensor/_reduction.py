"""Reductions of a tensor, and softmax."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Unpack

import numpy.typing as npt

from rumus._backends.registry import backend_of
from rumus._core.base import TensorBase, TensorT
from rumus._core.dtypes import float32, given_dtype, is_float
from rumus._core.errors import ArgumentError
from rumus._core.shapes import Axes, axes_of, axis_of

from ._aliases import (
    Aliases,
    MomentAliases,
    axis_alias,
    moment_aliases,
    reduction_aliases,
    refuse_dim,
)
from ._matrix import transpose
from ._operand import apply
from ._ops.movement import Cast, Reshape
from ._ops.reduce import Reduce
from ._ops.rows import Softmax


class Reduction(TensorBase[TensorT]):
    """Operations that shorten axes, or normalise along one."""

    __slots__ = ()

    def sum(
        self,
        axis: Axes = None,
        keepdims: bool = False,
        dtype: npt.DTypeLike | None = None,
        **aliases: Unpack[Aliases],
    ) -> TensorT:
        """The sum over axes; all of them by default. Integers and bools add up to int32.

        Args:
            axis: One axis or several, ``dim`` too.
            keepdims: Keep the axes with length 1, ``keepdim`` too.
            dtype: The dtype of the result, in which the elements are added.

        Example:
            >>> tensor([[1, 2], [3, 4]]).sum(0).tolist()
            [4, 6]
        """
        if aliases:
            axis, keepdims = reduction_aliases("sum", aliases, axis, keepdims)
        reduction = Reduce("sum", axes_of("sum", axis, self.ndim), keepdims)
        return reduction(self) if dtype is None else self._reduced_in(dtype, reduction)

    def prod(
        self,
        axis: Axes = None,
        keepdims: bool = False,
        dtype: npt.DTypeLike | None = None,
        **aliases: Unpack[Aliases],
    ) -> TensorT:
        """The product over axes, as :meth:`sum`; of integers int32, which wraps around.

        Example:
            >>> tensor([[1, 2], [3, 4]]).prod(1).tolist()
            [2, 12]
        """
        if aliases:
            axis, keepdims = reduction_aliases("prod", aliases, axis, keepdims)
        reduction = Reduce("prod", axes_of("prod", axis, self.ndim), keepdims)
        return reduction(self) if dtype is None else self._reduced_in(dtype, reduction)

    def mean(
        self, axis: Axes = None, keepdims: bool = False, **aliases: Unpack[MomentAliases]
    ) -> TensorT:
        """The mean over axes, in floats; all of them by default. NaN where there is nothing.

        Example:
            >>> tensor([[1.0, 2.0], [3.0, 4.0]]).mean(0).tolist()
            [2.0, 3.0]
        """
        if aliases:
            axis, keepdims, _ = moment_aliases("mean", aliases, axis, keepdims, 0)
        axes = axes_of("mean", axis, self.ndim)
        return Reduce("mean", axes, keepdims)(self._in_floats())

    def max(self, axis: Axes = None, keepdims: bool = False, **aliases: Unpack[Aliases]) -> TensorT:
        """The largest element over axes; NaN wins. Equal ones, or the NaNs, share the gradient.

        Raises:
            ArgumentError: There are no elements to choose from, or ``dim`` is given: PyTorch's
                function would give positions too.

        Example:
            >>> tensor([[1, 5], [7, 2]]).max(axis=1).tolist()
            [5, 7]
        """
        if aliases:
            refuse_dim("max", aliases, "argmax")
        return self._extreme("max", axis, keepdims)

    def min(self, axis: Axes = None, keepdims: bool = False, **aliases: Unpack[Aliases]) -> TensorT:
        """The smallest element over axes; as :meth:`max`.

        Example:
            >>> tensor([[1, 5], [7, 2]]).min(axis=1).tolist()
            [1, 2]
        """
        if aliases:
            refuse_dim("min", aliases, "argmin")
        return self._extreme("min", axis, keepdims)

    def amax(
        self, axis: Axes = None, keepdims: bool = False, **aliases: Unpack[Aliases]
    ) -> TensorT:
        """The largest element over axes, as :meth:`max`; ``dim`` is taken.

        Example:
            >>> tensor([[1, 5], [7, 2]]).amax(1, keepdims=True).tolist()
            [[5], [7]]
        """
        if aliases:
            axis, keepdims = reduction_aliases("amax", aliases, axis, keepdims)
        return self._extreme("max", axis, keepdims)

    def amin(
        self, axis: Axes = None, keepdims: bool = False, **aliases: Unpack[Aliases]
    ) -> TensorT:
        """The smallest element over axes, as :meth:`min`; ``dim`` is taken.

        Example:
            >>> tensor([[1, 5], [7, 2]]).amin(1, keepdims=True).tolist()
            [[1], [2]]
        """
        if aliases:
            axis, keepdims = reduction_aliases("amin", aliases, axis, keepdims)
        return self._extreme("min", axis, keepdims)

    def all(self, axis: Axes = None, keepdims: bool = False, **aliases: Unpack[Aliases]) -> TensorT:
        """Whether every element over axes is true (not zero).

        Example:
            >>> tensor([[True, False], [True, True]]).all(1).tolist()
            [False, True]
        """
        if aliases:
            axis, keepdims = reduction_aliases("all", aliases, axis, keepdims)
        answer: TensorT = apply("eq", self._counted("all", "eq", axis, keepdims), 0)
        return answer

    def any(self, axis: Axes = None, keepdims: bool = False, **aliases: Unpack[Aliases]) -> TensorT:
        """Whether an element over axes is true (not zero).

        Example:
            >>> tensor([[False, False], [True, False]]).any(1).tolist()
            [False, True]
        """
        if aliases:
            axis, keepdims = reduction_aliases("any", aliases, axis, keepdims)
        answer: TensorT = apply("ne", self._counted("any", "ne", axis, keepdims), 0)
        return answer

    def count_nonzero(
        self, axis: Axes = None, keepdims: bool = False, **aliases: Unpack[Aliases]
    ) -> TensorT:
        """How many elements over axes are not zero, int32.

        Example:
            >>> tensor([[0, 5], [7, 2]]).count_nonzero(1).tolist()
            [1, 2]
        """
        if aliases:
            axis, keepdims = reduction_aliases("count_nonzero", aliases, axis, keepdims)
        number: TensorT = self._counted("count_nonzero", "ne", axis, keepdims)
        return number

    def argmax(
        self, axis: int | None = None, keepdims: bool = False, **aliases: Unpack[Aliases]
    ) -> TensorT:
        """The position of the first largest element along an axis, int32.

        Without an axis, among all elements in row-major order.

        Raises:
            ArgumentError: There are no elements to choose from.

        Example:
            >>> tensor([[1, 5], [7, 2]]).argmax(1).tolist()
            [1, 0]
        """
        return self._position("argmax", axis, keepdims, aliases)

    def argmin(
        self, axis: int | None = None, keepdims: bool = False, **aliases: Unpack[Aliases]
    ) -> TensorT:
        """The position of the first smallest element; as :meth:`argmax`.

        Example:
            >>> tensor([[1, 5], [7, 2]]).argmin(1).tolist()
            [0, 1]
        """
        return self._position("argmin", axis, keepdims, aliases)

    def softmax(self, axis: int = -1, **aliases: Unpack[Aliases]) -> TensorT:
        """``exp(a)`` over its sum along an axis.

        Example:
            >>> tensor([0.0, 0.0]).softmax(0).tolist()
            [0.5, 0.5]
        """
        return self._softmax("softmax", axis, aliases, log=False)

    def log_softmax(self, axis: int = -1, **aliases: Unpack[Aliases]) -> TensorT:
        """The logarithm of :meth:`softmax`, without overflow or loss of precision.

        Example:
            >>> f"{tensor([0.0, 0.0]).log_softmax(0)[0]:.4f}"
            '-0.6931'
        """
        return self._softmax("log_softmax", axis, aliases, log=True)

    def _in_floats(self) -> TensorBase[TensorT]:
        if is_float(self.dtype):
            return self
        return Cast(float32)(self)

    def _reduced_in(self, dtype: npt.DTypeLike, reduction: Reduce) -> TensorT:
        target = given_dtype(dtype)
        result: TensorT = reduction(self if target == self.dtype else Cast(target)(self))
        return result if result.dtype == target else Cast(target)(result)

    def _counted(self, name: str, test: str, axis: Axes, keepdims: bool) -> Any:
        axes = axes_of(name, axis, self.ndim)
        return Reduce("sum", axes, keepdims)(apply(test, self, 0))

    def _extreme(self, op: str, axis: Axes, keepdims: bool) -> TensorT:
        axes = axes_of(op, axis, self.ndim)
        _check_choice(op, self.shape, axes)
        return Reduce(op, axes, keepdims)(self)

    def _position(
        self, op: str, axis: int | None, keepdims: bool, aliases: Mapping[str, Any]
    ) -> TensorT:
        if aliases:
            axis, keepdims = reduction_aliases(op, aliases, axis, keepdims)
        flat = self.detach() if axis is not None else Reshape((self.size,))(self).detach()
        chosen = 0 if axis is None else axis_of(op, axis, self.ndim)
        _check_choice(op, flat.shape, (chosen,))
        result = self._wrap(
            backend_of(self._device).arg_reduce(op, flat.array, chosen), self._device
        )
        if not keepdims:
            return result
        kept = [1 if axis is None or k == chosen else n for k, n in enumerate(self.shape)]
        whole: TensorT = Reshape(tuple(kept))(result)
        return whole

    def _softmax(self, name: str, axis: int, aliases: Mapping[str, Any], log: bool) -> TensorT:
        if aliases:
            axis = axis_alias(name, aliases, axis, -1)
        axis = axis_of(name, axis, self.ndim)
        last = self.ndim - 1
        values = self._in_floats()
        moved: Any = values if axis == last else transpose(values, axis, last)
        classes = moved.shape[-1]
        rows = Reshape((math.prod(moved.shape[:-1]), classes))(moved)
        result: TensorT = Reshape(moved.shape)(Softmax(log)(rows))
        return result if axis == last else transpose(result, axis, last)


def _check_choice(op: str, shape: tuple[int, ...], axes: tuple[int, ...]) -> None:
    if any(shape[k] == 0 for k in axes):
        raise ArgumentError(f"{op}: shape {shape} has no elements to choose from")
