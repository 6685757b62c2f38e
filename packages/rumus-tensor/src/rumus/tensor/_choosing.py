"""Methods that choose elements by position or mask, and that write there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Unpack

from rumus._core.base import TensorBase, TensorT
from rumus._core.mode import no_grad

from . import _gathering as g
from . import _scattering as s
from ._aliases import Aliases
from ._mutation import Mutation, check_writable
from ._operand import Operand
from ._scatter_reduce import Reduce, scatter_reduce


class Choosing(Mutation[TensorT]):
    """The functions of :mod:`rumus.tensor` that choose by position, as methods.

    Those that end in an underscore change the tensor in place, by the rules of every such change.
    """

    __slots__ = ()

    def take(self, indices: Any, axis: int | None = None, **aliases: Unpack[Aliases]) -> TensorT:
        """See :func:`rumus.tensor.take`.

        Example:
            >>> tensor([[1, 2], [3, 4]]).take(tensor([3, 0])).tolist()
            [4, 1]
        """
        return g.take(self, indices, axis, **aliases)

    def take_along_axis(self, indices: Any, axis: int = -1, **aliases: Unpack[Aliases]) -> TensorT:
        """See :func:`rumus.tensor.take_along_axis`.

        Example:
            >>> tensor([[1, 2], [3, 4]]).take_along_axis(tensor([[1], [0]]), 1).tolist()
            [[2], [3]]
        """
        return g.take_along_axis(self, indices, axis, **aliases)

    def gather(self, dim: int, index: Any) -> TensorT:
        """See :func:`rumus.tensor.gather`.

        Example:
            >>> tensor([[1, 2], [3, 4]]).gather(1, tensor([[1], [0]])).tolist()
            [[2], [3]]
        """
        return g.gather(self, dim, index)

    def index_select(self, dim: int, index: Any) -> TensorT:
        """See :func:`rumus.tensor.index_select`.

        Example:
            >>> tensor([10, 20, 30]).index_select(0, tensor([2, 0])).tolist()
            [30, 10]
        """
        return g.index_select(self, dim, index)

    def scatter(self, dim: int, index: Any, src: Operand) -> TensorT:
        """See :func:`rumus.tensor.scatter`.

        Example:
            >>> zeros(2, 2).scatter(1, tensor([[1], [0]]), tensor([[5.0], [6.0]])).tolist()
            [[0.0, 5.0], [6.0, 0.0]]
        """
        return s.scatter(self, dim, index, src)

    def scatter_(self, dim: int, index: Any, src: Operand) -> TensorT:
        """:meth:`scatter` in place.

        Example:
            >>> zeros(2).scatter_(0, tensor([1]), tensor([5.0])).tolist()
            [0.0, 5.0]
        """
        return self._replaced("scatter_", s.scatter, dim, index, src)

    def scatter_add(self, dim: int, index: Any, src: Operand) -> TensorT:
        """See :func:`rumus.tensor.scatter_add`.

        Example:
            >>> ones(2, 2).scatter_add(1, tensor([[1], [0]]), tensor([[5.0], [6.0]])).tolist()
            [[1.0, 6.0], [7.0, 1.0]]
        """
        return s.scatter_add(self, dim, index, src)

    def scatter_add_(self, dim: int, index: Any, src: Operand) -> TensorT:
        """:meth:`scatter_add` in place.

        Example:
            >>> ones(2).scatter_add_(0, tensor([1]), tensor([5.0])).tolist()
            [1.0, 6.0]
        """
        return self._replaced("scatter_add_", s.scatter_add, dim, index, src)

    def scatter_reduce(
        self, dim: int, index: Any, src: Operand, reduce: Reduce, *, include_self: bool = True
    ) -> TensorT:
        """See :func:`rumus.tensor.scatter_reduce`.

        Example:
            >>> ones(3).scatter_reduce(0, tensor([1, 1]), tensor([5.0, 6.0]), "amax").tolist()
            [1.0, 6.0, 1.0]
        """
        return scatter_reduce(self, dim, index, src, reduce, include_self=include_self)

    def put_along_axis(
        self, indices: Any, values: Operand, axis: int = -1, **aliases: Unpack[Aliases]
    ) -> TensorT:
        """See :func:`rumus.tensor.put_along_axis`.

        Example:
            >>> zeros(2, 2).put_along_axis(tensor([[1], [0]]), tensor([[5.0], [6.0]]), 1).tolist()
            [[0.0, 5.0], [6.0, 0.0]]
        """
        return s.put_along_axis(self, indices, values, axis, **aliases)

    def index_add(self, dim: int, index: Any, source: Operand, alpha: float = 1) -> TensorT:
        """See :func:`rumus.tensor.index_add`.

        Example:
            >>> zeros(3).index_add(0, tensor([1, 1]), tensor([2.0, 3.0])).tolist()
            [0.0, 5.0, 0.0]
        """
        return s.index_add(self, dim, index, source, alpha)

    def index_add_(self, dim: int, index: Any, source: Operand, alpha: float = 1) -> TensorT:
        """:meth:`index_add` in place.

        Example:
            >>> zeros(2).index_add_(0, tensor([1, 1]), tensor([2.0, 3.0])).tolist()
            [0.0, 5.0]
        """
        return self._replaced("index_add_", s.index_add, dim, index, source, alpha)

    def index_copy(self, dim: int, index: Any, source: Operand) -> TensorT:
        """See :func:`rumus.tensor.index_copy`.

        Example:
            >>> zeros(3).index_copy(0, tensor([1]), tensor([2.0])).tolist()
            [0.0, 2.0, 0.0]
        """
        return s.index_copy(self, dim, index, source)

    def index_copy_(self, dim: int, index: Any, source: Operand) -> TensorT:
        """:meth:`index_copy` in place.

        Example:
            >>> zeros(2).index_copy_(0, tensor([1]), tensor([2.0])).tolist()
            [0.0, 2.0]
        """
        return self._replaced("index_copy_", s.index_copy, dim, index, source)

    def index_fill(self, dim: int, index: Any, value: float) -> TensorT:
        """See :func:`rumus.tensor.index_fill`.

        Example:
            >>> zeros(3).index_fill(0, tensor([1]), 7.0).tolist()
            [0.0, 7.0, 0.0]
        """
        return s.index_fill(self, dim, index, value)

    def index_fill_(self, dim: int, index: Any, value: float) -> TensorT:
        """:meth:`index_fill` in place.

        Example:
            >>> zeros(2).index_fill_(0, tensor([1]), 7.0).tolist()
            [0.0, 7.0]
        """
        return self._replaced("index_fill_", s.index_fill, dim, index, value)

    def index_put(self, indices: Any, values: Operand, accumulate: bool = False) -> TensorT:
        """See :func:`rumus.tensor.index_put`.

        Example:
            >>> zeros(3).index_put((tensor([1]),), tensor([2.0])).tolist()
            [0.0, 2.0, 0.0]
        """
        return s.index_put(self, indices, values, accumulate)

    def index_put_(self, indices: Any, values: Operand, accumulate: bool = False) -> TensorT:
        """:meth:`index_put` in place.

        Example:
            >>> zeros(2).index_put_((tensor([1]),), tensor([2.0])).tolist()
            [0.0, 2.0]
        """
        return self._replaced("index_put_", s.index_put, indices, values, accumulate)

    def masked_fill(self, mask: Any, value: Operand) -> TensorT:
        """See :func:`rumus.tensor.masked_fill`.

        Example:
            >>> tensor([1, 2, 3]).masked_fill(tensor([True, False, True]), 0).tolist()
            [0, 2, 0]
        """
        return s.masked_fill(self, mask, value)

    def masked_fill_(self, mask: Any, value: Operand) -> TensorT:
        """:meth:`masked_fill` in place.

        Example:
            >>> zeros(2).masked_fill_(tensor([True, False]), 1.0).tolist()
            [1.0, 0.0]
        """
        return self._replaced("masked_fill_", s.masked_fill, mask, value)

    def masked_select(self, mask: Any) -> TensorT:
        """See :func:`rumus.tensor.masked_select`.

        Example:
            >>> tensor([1, 2, 3]).masked_select(tensor([True, False, True])).tolist()
            [1, 3]
        """
        return g.masked_select(self, mask)

    def _replaced(self, name: str, function: Callable[..., Any], *args: Any) -> TensorT:
        self._check_mutable(name, *(a for a in args if isinstance(a, TensorBase)))
        check_writable(name, self.array)
        with no_grad():
            result = function(self.detach(), *args)
        return self._assign(name, result)
