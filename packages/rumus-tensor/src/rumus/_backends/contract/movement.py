"""Views, which move no data where the layout allows it, and movement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from .kinds import A, Shape, Slices


class Movement(Protocol[A]):
    """Views, which move no data where the layout allows it, and movement."""

    def reshape(self, a: A, shape: Shape) -> A:
        """The same elements in row-major order under another shape."""
        ...

    def permute(self, a: A, axes: Sequence[int]) -> A:
        """Axis ``k`` of the result is axis ``axes[k]`` of ``a``."""
        ...

    def expand(self, a: A, shape: Shape) -> A:
        """Broadcast to ``shape`` by numpy's rules."""
        ...

    def slice(self, a: A, index: Slices) -> A:
        """Cut every axis by a slice resolved by ``slice.indices``.

        The step may be negative; then a stop of -1 means "down to the first element".
        """
        ...

    def shares(self, a: A, b: A) -> bool:
        """Whether both arrays use the same memory, as an array and its view do."""
        ...

    def copy(self, a: A) -> A:
        """A contiguous copy."""
        ...

    def contiguous(self, a: A) -> A:
        """The array itself if it is row-major without gaps, else a contiguous copy."""
        ...

    def cat(self, arrays: Sequence[A], axis: int) -> A:
        """Join along an axis; the dtypes are equal."""
        ...

    def pad(self, a: A, shape: Shape, index: Slices) -> A:
        """Zeros of ``shape`` that hold ``a`` at ``index``: the adjoint of :meth:`slice`."""
        ...

    def assign(self, target: A, value: A) -> None:
        """Write ``value`` (of the same shape, any dtype) into ``target``, which may be a view."""
        ...
