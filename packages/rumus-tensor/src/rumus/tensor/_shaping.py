"""Views of a tensor."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Unpack

from rumus._core.base import TensorBase, TensorT
from rumus._core.errors import ArgumentError, ShapeError
from rumus._core.shapes import (
    Axes,
    axis_of,
    broadcast_shape,
    resolved_shape,
    shape_of,
    whole_numbers,
)

from . import _diagonals as d
from . import _moving as f
from . import _splitting as s
from ._aliases import Aliases, axis_alias
from ._matrix import transpose
from ._ops.movement import Copy, Expand, Permute, Reshape


class Shaping(TensorBase[TensorT]):
    """Operations that arrange elements without changing them.

    All but :meth:`contiguous` share memory with the tensor where the layout allows it.
    """

    __slots__ = ()

    def reshape(self, *shape: int | Sequence[int]) -> TensorT:
        """The same elements in row-major order under another shape; one length may be -1.

        Raises:
            ShapeError: The elements do not fit the shape.

        Example:
            >>> zeros(2, 6).reshape(3, -1).shape
            (3, 4)
        """
        return Reshape(resolved_shape("reshape", _unpacked("reshape", shape), self.size))(self)

    def flatten(self, start_axis: int = 0, end_axis: int = -1) -> TensorT:
        """Join neighbouring axes into one, both ends included.

        Example:
            >>> zeros(2, 3, 4).flatten(1).shape
            (2, 12)
        """
        if not self.ndim:
            return self.reshape(1)
        first = axis_of("flatten", start_axis, self.ndim)
        last = axis_of("flatten", end_axis, self.ndim)
        if first > last:
            raise ArgumentError(f"flatten: axis {start_axis} comes after axis {end_axis}")
        joined = math.prod(self.shape[first : last + 1])
        return Reshape((*self.shape[:first], joined, *self.shape[last + 1 :]))(self)

    def ravel(self) -> TensorT:
        """All axes joined into one.

        Example:
            >>> tensor([[1, 2], [3, 4]]).ravel().tolist()
            [1, 2, 3, 4]
        """
        return Reshape((self.size,))(self)

    def unflatten(self, axis: int, sizes: Sequence[int]) -> TensorT:
        """See :func:`rumus.tensor.unflatten`.

        Example:
            >>> zeros(2, 12).unflatten(1, (3, 4)).shape
            (2, 3, 4)
        """
        return f.unflatten(self, axis, sizes)

    def squeeze(self, axis: Axes = None, **aliases: Unpack[Aliases]) -> TensorT:
        """See :func:`rumus.tensor.squeeze`.

        Example:
            >>> zeros(2, 1, 4).squeeze(1).shape
            (2, 4)
        """
        return f.squeeze(self, axis, **aliases)

    def unsqueeze(self, axis: int = 0, **aliases: Unpack[Aliases]) -> TensorT:
        """With a new axis of length one at a position; also ``dim``.

        Example:
            >>> zeros(2, 4).unsqueeze(1).shape
            (2, 1, 4)
        """
        axis = axis_alias("unsqueeze", aliases, axis, 0) if aliases else axis
        axis = axis_of("unsqueeze", axis, self.ndim + 1)
        return Reshape((*self.shape[:axis], 1, *self.shape[axis:]))(self)

    def permute(self, *axes: int | Sequence[int]) -> TensorT:
        """Axis ``k`` of the result is axis ``axes[k]`` of the tensor.

        Raises:
            ArgumentError: An axis is missing, unknown or given twice.

        Example:
            >>> zeros(2, 3, 4).permute(2, 0, 1).shape
            (4, 2, 3)
        """
        listed = _unpacked("permute", axes)
        found = tuple(axis_of("permute", axis, self.ndim) for axis in listed)
        if sorted(found) != list(range(self.ndim)):
            raise ArgumentError(f"permute: {listed} are not the {self.ndim} axes, each once")
        return Permute(found)(self)

    def transpose(self, axis0: int = -2, axis1: int = -1) -> TensorT:
        """Two axes swapped; the last two by default.

        Example:
            >>> zeros(2, 3, 4).transpose(0, 2).shape
            (4, 3, 2)
        """
        first = axis_of("transpose", axis0, self.ndim)
        return transpose(self, first, axis_of("transpose", axis1, self.ndim))

    @property
    def T(self) -> TensorT:  # noqa: N802  as in numpy
        """All axes in reverse order.

        Example:
            >>> tensor([[1, 2], [3, 4]]).T.tolist()
            [[1, 3], [2, 4]]
        """
        return Permute(tuple(reversed(range(self.ndim))))(self)

    @property
    def mT(self) -> TensorT:  # noqa: N802  as in numpy
        """The last two axes swapped.

        Example:
            >>> zeros(2, 3, 5).mT.shape
            (2, 5, 3)
        """
        return self.transpose()

    def expand(self, *shape: int | Sequence[int]) -> TensorT:
        """Broadcast to a shape by numpy's rules, where -1 keeps the length of an axis.

        Raises:
            ShapeError: The tensor does not broadcast to the shape, or a length is negative.

        Example:
            >>> tensor([[1], [2]]).expand(2, 3).tolist()
            [[1, 1, 1], [2, 2, 2]]
        """
        lengths = whole_numbers("expand", _unpacked("expand", shape))
        added = len(lengths) - self.ndim
        kept = [
            self.shape[k - added] if n == -1 and k >= added else n for k, n in enumerate(lengths)
        ]
        wanted = shape_of("expand", kept)
        if broadcast_shape("expand", self.shape, wanted) != wanted:
            raise ShapeError(f"expand: shape {self.shape} does not broadcast to {wanted}")
        return Expand(wanted)(self)

    def broadcast_to(self, *shape: int | Sequence[int]) -> TensorT:
        """See :func:`rumus.tensor.broadcast_to`.

        Example:
            >>> tensor([1, 2]).broadcast_to((2, 2)).tolist()
            [[1, 2], [1, 2]]
        """
        return f.broadcast_to(self, _unpacked("broadcast_to", shape))

    def movedim(self, source: int | Sequence[int], destination: int | Sequence[int]) -> TensorT:
        """See :func:`rumus.tensor.movedim`.

        Example:
            >>> zeros(2, 3, 4).moveaxis(0, -1).shape
            (3, 4, 2)
        """
        return f.movedim(self, source, destination)

    moveaxis = movedim

    def swapaxes(self, axis0: int, axis1: int) -> TensorT:
        """See :func:`rumus.tensor.swapaxes`.

        Example:
            >>> zeros(2, 3, 4).swapaxes(0, 1).shape
            (3, 2, 4)
        """
        return f.swapaxes(self, axis0, axis1)

    def split(
        self,
        indices_or_sections: int | Sequence[int],
        axis: int = 0,
        **aliases: Unpack[Aliases],
    ) -> tuple[TensorT, ...]:
        """See :func:`rumus.tensor.split`.

        Example:
            >>> [part.tolist() for part in tensor([1, 2, 3, 4]).split(2)]
            [[1, 2], [3, 4]]
        """
        return s.split(self, indices_or_sections, axis, **aliases)

    def chunk(self, chunks: int, axis: int = 0, **aliases: Unpack[Aliases]) -> tuple[TensorT, ...]:
        """See :func:`rumus.tensor.chunk`.

        Example:
            >>> [part.tolist() for part in tensor([1, 2, 3]).chunk(2)]
            [[1, 2], [3]]
        """
        return s.chunk(self, chunks, axis, **aliases)

    def unbind(self, axis: int = 0, **aliases: Unpack[Aliases]) -> tuple[TensorT, ...]:
        """See :func:`rumus.tensor.unbind`.

        Example:
            >>> [row.tolist() for row in tensor([[1, 2], [3, 4]]).unbind()]
            [[1, 2], [3, 4]]
        """
        return s.unbind(self, axis, **aliases)

    def flip(self, axis: Axes = None, **aliases: Unpack[Aliases]) -> TensorT:
        """See :func:`rumus.tensor.flip`.

        Example:
            >>> tensor([1, 2, 3]).flip(0).tolist()
            [3, 2, 1]
        """
        return f.flip(self, axis, **aliases)

    def roll(
        self, shift: int | Sequence[int], axis: Axes = None, **aliases: Unpack[Aliases]
    ) -> TensorT:
        """See :func:`rumus.tensor.roll`.

        Example:
            >>> tensor([1, 2, 3]).roll(1, 0).tolist()
            [3, 1, 2]
        """
        return f.roll(self, shift, axis, **aliases)

    def repeat(self, repeats: Any, axis: int | None = None, **aliases: Unpack[Aliases]) -> TensorT:
        """See :func:`rumus.tensor.repeat`: numpy's, where PyTorch's is :meth:`tile`.

        Example:
            >>> tensor([1, 2]).repeat(2).tolist()
            [1, 1, 2, 2]
        """
        return f.repeat(self, repeats, axis, **aliases)

    repeat_interleave = repeat

    def tile(self, *repetitions: int | Sequence[int]) -> TensorT:
        """See :func:`rumus.tensor.tile`.

        Example:
            >>> tensor([1, 2]).tile(2).tolist()
            [1, 2, 1, 2]
        """
        return f.tile(self, _unpacked("tile", repetitions))

    def tril(self, k: int = 0, *, diagonal: int | None = None) -> TensorT:
        """See :func:`rumus.tensor.tril`.

        Example:
            >>> tensor([[1, 2], [3, 4]]).tril().tolist()
            [[1, 0], [3, 4]]
        """
        return d.tril(self, k, diagonal=diagonal)

    def triu(self, k: int = 0, *, diagonal: int | None = None) -> TensorT:
        """See :func:`rumus.tensor.triu`.

        Example:
            >>> tensor([[1, 2], [3, 4]]).triu().tolist()
            [[1, 2], [0, 4]]
        """
        return d.triu(self, k, diagonal=diagonal)

    def diagonal(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> TensorT:
        """See :func:`rumus.tensor.diagonal`.

        Example:
            >>> tensor([[1, 2], [3, 4]]).diagonal().tolist()
            [1, 4]
        """
        return d.diagonal(self, offset, axis1, axis2)

    def diag(self, k: int = 0, *, diagonal: int | None = None) -> TensorT:
        """See :func:`rumus.tensor.diag`.

        Example:
            >>> tensor([1, 2]).diag().tolist()
            [[1, 0], [0, 2]]
        """
        return d.diag(self, k, diagonal=diagonal)

    def trace(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> TensorT:
        """See :func:`rumus.tensor.trace`.

        Example:
            >>> tensor([[1, 2], [3, 4]]).trace().item()
            5
        """
        return d.trace(self, offset, axis1, axis2)

    def contiguous(self) -> TensorT:
        """A copy in row-major order without gaps.

        Example:
            >>> zeros(2, 3).T.contiguous().shape
            (3, 2)
        """
        return Copy()(self)


def _unpacked(name: str, values: Sequence[Any]) -> tuple[int, ...]:
    """The numbers of ``f(2, 3)`` and of ``f((2, 3))``."""
    return whole_numbers(name, values[0] if len(values) == 1 else values)
