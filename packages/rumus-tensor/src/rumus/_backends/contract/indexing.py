"""Elements by their positions along the middle axis of a 3-D array."""

from __future__ import annotations

from typing import Protocol

from .kinds import A


class Indexing(Protocol[A]):
    """Elements by their positions along the middle axis of a 3-D array.

    An ``index`` is int32, of shape (outer or 1, count, inner or 1), and broadcasts over the outer
    and the inner axis. A negative position counts from the end. One outside of the axis is an
    :class:`~rumus.tensor.IndexRangeError` that names the operation, on the GPU at the next
    synchronisation.
    """

    def iota(self, length: int) -> A:
        """The int32 numbers 0, 1, …, of shape ``(length,)``."""
        ...

    def positions(
        self, index: A, length: int, name: str, wrap: bool = True, before: A | None = None
    ) -> A:
        """Where an index into an array of shape (outer, length, inner) points, in row-major order.

        int32, of the shape of the index, whose first and last lengths are taken for outer and
        inner. Without ``wrap`` negative positions are outside too. With ``before``, contiguous
        positions in what lies before this axis, outer and inner are 1, and ``before * length`` is
        added. On the GPU one outside of the axis is -1.
        """
        ...

    def gather(self, a: A, index: A, name: str, wrap: bool = True) -> A:
        """``out[o, j, i] = a[o, index[o, j, i], i]`` of shape (outer, count, inner)."""
        ...

    def put(self, target: A, index: A, values: A, name: str, wrap: bool = True) -> None:
        """``target[o, index[o, j, i], i] = values[o, j, i]``; of equal positions the last j wins.

        ``target`` may be a view; ``values`` are in other memory, and are cast to its dtype.
        """
        ...

    def sum_at(
        self,
        values: A,
        index: A,
        length: int,
        name: str,
        skip: int | None = None,
        out: A | None = None,
    ) -> A:
        """The adjoint of :meth:`gather`: ``out[o, index[o, j, i], i] += values[o, j, i]``, from 0.

        Of shape (outer, length, inner), int32 or float32, the same in every run; position ``skip``
        stays 0. With ``out``, contiguous and of the result's shape, it is written there and
        ``out`` returned if the dtypes are the same.
        """
        ...

    def flat_nonzero(self, a: A) -> A:
        """The int32 positions in row-major order of the elements that are not 0.

        Waits for the device.
        """
        ...
