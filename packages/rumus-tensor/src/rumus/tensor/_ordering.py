"""Methods that put elements in order, or combine them in their order."""

from __future__ import annotations

from typing import Any, Unpack, overload

from rumus._core.base import TensorBase, TensorT
from rumus._core.shapes import Axes

from . import _counting, _scanning, _sorting, _unique
from ._aliases import Aliases
from ._sorting import ValuesAndIndices


class Ordering(TensorBase[TensorT]):
    """The functions of :mod:`rumus.tensor` about the order of elements, as methods."""

    __slots__ = ()

    def sort(
        self,
        axis: int | None = -1,
        descending: bool = False,
        stable: bool = True,
        **aliases: Unpack[Aliases],
    ) -> TensorT:
        """See :func:`rumus.tensor.sort`.

        Example:
            >>> tensor([3, 1, 2]).sort().tolist()
            [1, 2, 3]
        """
        return _sorting.sort(self, axis, descending, stable, **aliases)

    def argsort(
        self,
        axis: int | None = -1,
        descending: bool = False,
        stable: bool = True,
        **aliases: Unpack[Aliases],
    ) -> TensorT:
        """See :func:`rumus.tensor.argsort`.

        Example:
            >>> tensor([3, 1, 2]).argsort().tolist()
            [1, 2, 0]
        """
        return _sorting.argsort(self, axis, descending, stable, **aliases)

    def topk(
        self,
        k: int,
        axis: int = -1,
        largest: bool = True,
        sorted: bool = True,
        **aliases: Unpack[Aliases],
    ) -> ValuesAndIndices[TensorT]:
        """See :func:`rumus.tensor.topk`.

        Example:
            >>> best = tensor([3, 1, 2]).topk(2)
            >>> best.values.tolist(), best.indices.tolist()
            ([3, 2], [0, 2])
        """
        return _sorting.topk(self, k, axis, largest, sorted, **aliases)

    def kthvalue(
        self, k: int, axis: int = -1, keepdims: bool = False, **aliases: Unpack[Aliases]
    ) -> ValuesAndIndices[TensorT]:
        """See :func:`rumus.tensor.kthvalue`.

        Example:
            >>> tensor([3, 1, 2]).kthvalue(2).values.item()
            2
        """
        return _sorting.kthvalue(self, k, axis, keepdims, **aliases)

    def median(
        self, axis: Axes = None, keepdims: bool = False, **aliases: Unpack[Aliases]
    ) -> TensorT:
        """See :func:`rumus.tensor.median`.

        Example:
            >>> tensor([3.0, 1.0, 2.0]).median().item()
            2.0
        """
        return _sorting.median(self, axis, keepdims, **aliases)

    def cumsum(self, axis: int | None = None, **aliases: Unpack[Aliases]) -> TensorT:
        """See :func:`rumus.tensor.cumsum`.

        Example:
            >>> tensor([1, 2, 3]).cumsum(0).tolist()
            [1, 3, 6]
        """
        return _scanning.cumsum(self, axis, **aliases)

    def cumprod(self, axis: int | None = None, **aliases: Unpack[Aliases]) -> TensorT:
        """See :func:`rumus.tensor.cumprod`.

        Example:
            >>> tensor([1, 2, 3]).cumprod(0).tolist()
            [1, 2, 6]
        """
        return _scanning.cumprod(self, axis, **aliases)

    def cummax(self, axis: int = -1, **aliases: Unpack[Aliases]) -> ValuesAndIndices[TensorT]:
        """See :func:`rumus.tensor.cummax`.

        Example:
            >>> tensor([1, 3, 2]).cummax(0).values.tolist()
            [1, 3, 3]
        """
        return _scanning.cummax(self, axis, **aliases)

    def cummin(self, axis: int = -1, **aliases: Unpack[Aliases]) -> ValuesAndIndices[TensorT]:
        """See :func:`rumus.tensor.cummin`.

        Example:
            >>> tensor([2, 1, 3]).cummin(0).values.tolist()
            [2, 1, 1]
        """
        return _scanning.cummin(self, axis, **aliases)

    def logcumsumexp(self, axis: int = -1, **aliases: Unpack[Aliases]) -> TensorT:
        """See :func:`rumus.tensor.logcumsumexp`.

        Example:
            >>> f"{tensor([0.0, 0.0]).logcumsumexp(0)[1]:.4f}"
            '0.6931'
        """
        return _scanning.logcumsumexp(self, axis, **aliases)

    def nonzero(self) -> tuple[TensorT, ...]:
        """See :func:`rumus.tensor.nonzero`.

        Example:
            >>> [places.tolist() for places in tensor([0, 5, 7]).nonzero()]
            [[1, 2]]
        """
        return _counting.nonzero(self)

    @overload
    def unique(self, *, equal_nan: bool = True) -> TensorT: ...

    @overload
    def unique(
        self,
        return_index: bool = False,
        return_inverse: bool = False,
        return_counts: bool = False,
        *,
        equal_nan: bool = True,
    ) -> Any: ...

    def unique(
        self,
        return_index: bool = False,
        return_inverse: bool = False,
        return_counts: bool = False,
        *,
        equal_nan: bool = True,
    ) -> Any:
        """See :func:`rumus.tensor.unique`.

        Example:
            >>> tensor([3, 1, 3]).unique().tolist()
            [1, 3]
        """
        return _unique.unique(
            self, return_index, return_inverse, return_counts, equal_nan=equal_nan
        )

    def bincount(self, weights: TensorBase | None = None, minlength: int = 0) -> TensorT:
        """See :func:`rumus.tensor.bincount`.

        Example:
            >>> tensor([0, 2, 2]).bincount().tolist()
            [1, 0, 2]
        """
        return _counting.bincount(self, weights, minlength)
