"""Variances, norms and logarithms of sums over axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Unpack

from rumus._core.base import TensorBase, TensorT
from rumus._core.dtypes import float16, float32
from rumus._core.errors import ArgumentError
from rumus._core.shapes import Axes, axes_of

from ._aliases import Aliases, MomentAliases, moment_aliases, reduction_aliases
from ._operand import apply
from ._ops.movement import Cast, Reshape
from ._ops.reduce import LogSumExp, Norm, Reduce
from ._quantiles import quantile


class Statistics(TensorBase[TensorT]):
    """Reductions that are computed in float32; those of float16 are rounded once, at the end."""

    __slots__ = ()

    def var(
        self,
        axis: Axes = None,
        keepdims: bool = False,
        correction: float = 0,
        **aliases: Unpack[MomentAliases],
    ) -> TensorT:
        """The variance over axes: squared distances from the mean over ``n - correction``.

        Args:
            axis: One axis or several, ``dim`` too; all of them by default.
            keepdims: Keep the axes with length 1, ``keepdim`` too.
            correction: 0, or 1 for an estimate without bias; ``ddof`` too. PyTorch's default is 1.

        Example:
            >>> tensor([1.0, 3.0]).var().item()
            1.0
        """
        if aliases:
            axis, keepdims, correction = moment_aliases("var", aliases, axis, keepdims, correction)
        return self._rounded(self._moments("var", axis, keepdims, correction)[0])

    def std(
        self,
        axis: Axes = None,
        keepdims: bool = False,
        correction: float = 0,
        **aliases: Unpack[MomentAliases],
    ) -> TensorT:
        """The standard deviation over axes: the square root of :meth:`var`.

        Example:
            >>> tensor([1.0, 3.0]).std().item()
            1.0
            >>> tensor([2.0, 4.0, 6.0]).std(correction=1).item()
            2.0
        """
        if aliases:
            axis, keepdims, correction = moment_aliases("std", aliases, axis, keepdims, correction)
        variance = self._moments("std", axis, keepdims, correction)[0]
        return self._rounded(apply("sqrt", variance))

    def var_mean(
        self,
        axis: Axes = None,
        keepdims: bool = False,
        correction: float = 0,
        **aliases: Unpack[MomentAliases],
    ) -> tuple[TensorT, TensorT]:
        """The variance and the mean over axes; as :meth:`var`.

        Example:
            >>> var, mean = tensor([1.0, 3.0]).var_mean()
            >>> var.item(), mean.item()
            (1.0, 2.0)
        """
        if aliases:
            axis, keepdims, correction = moment_aliases(
                "var_mean", aliases, axis, keepdims, correction
            )
        variance, mean = self._moments("var_mean", axis, keepdims, correction)
        if not keepdims:
            mean = Reshape(variance.shape)(mean)
        return self._rounded(variance), self._rounded(mean)

    def logsumexp(
        self, axis: Axes = None, keepdims: bool = False, **aliases: Unpack[Aliases]
    ) -> TensorT:
        """``log(sum(exp(a)))`` over axes without overflow; -inf where there is nothing.

        Example:
            >>> f"{tensor([0.0, 0.0]).logsumexp(0):.4f}"
            '0.6931'
        """
        if aliases:
            axis, keepdims = reduction_aliases("logsumexp", aliases, axis, keepdims)
        axes = axes_of("logsumexp", axis, self.ndim)
        return self._rounded(LogSumExp(axes, keepdims)(self._single()))

    def norm(
        self,
        ord: float = 2,
        axis: Axes = None,
        keepdims: bool = False,
        **aliases: Unpack[Aliases],
    ) -> TensorT:
        """The length over axes, taken as one vector: ``sum(|a|**ord)**(1 / ord)``.

        Where it is 0, its gradient is 0.

        Args:
            ord: 1, 2 or another power; infinity for the largest ``|a|``, minus infinity for the
                smallest, 0 for how many are not 0.
            axis: One axis or several, ``dim`` too; all of them by default.
            keepdims: Keep the axes with length 1, ``keepdim`` too.

        Raises:
            ArgumentError: The order is no number, or there are no elements to choose from.

        Example:
            >>> tensor([3.0, 4.0]).norm().item()
            5.0
        """
        if aliases:
            axis, keepdims = reduction_aliases("norm", aliases, axis, keepdims)
        if not isinstance(ord, (int, float)) or math.isnan(ord):
            raise ArgumentError(f"norm: the order is a number, as 1, 2 or math.inf, not {ord!r}")
        axes = axes_of("norm", axis, self.ndim)
        if math.isinf(ord) and not all(self.shape[k] for k in axes):
            raise ArgumentError(f"norm: shape {self.shape} has no elements to choose from")
        return self._rounded(Norm(float(ord), axes, keepdims)(self._single()))

    def quantile(
        self,
        q: float | Sequence[float],
        axis: Axes = None,
        keepdims: bool = False,
        **aliases: Unpack[Aliases],
    ) -> TensorT:
        """See :func:`rumus.tensor.quantile`.

        Example:
            >>> tensor([0.0, 1.0, 2.0, 3.0]).quantile(0.5).item()
            1.5
        """
        return quantile(self, q, axis, keepdims, **aliases)

    def _moments(self, name: str, axis: Axes, keepdims: bool, correction: float) -> tuple[Any, Any]:
        """The variance, and the mean with all axes kept, in float32."""
        axes = axes_of(name, axis, self.ndim)
        values = self._single()
        mean: Any = Reduce("mean", axes, True)(values)
        distances: Any = apply("squared_difference", values, mean)
        if not correction:
            return Reduce("mean", axes, keepdims)(distances), mean
        n = math.prod(self.shape[k] for k in axes)
        scale = 1.0 / (n - correction) if n > correction else math.nan
        return apply("mul", Reduce("sum", axes, keepdims)(distances), scale), mean

    def _single(self) -> Any:
        return self if self.dtype == float32 else Cast(float32)(self)

    def _rounded(self, result: Any) -> TensorT:
        rounded: TensorT = Cast(float16)(result) if self.dtype == float16 else result
        return rounded
