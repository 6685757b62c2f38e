"""The order of elements in the rows of a 2-D array."""

from __future__ import annotations

from typing import Protocol

from .kinds import A


class Sort(Protocol[A]):
    """The order of elements in the rows of a 2-D array."""

    def sort(
        self,
        a: A,
        descending: bool = False,
        bits: int | None = None,
        first: int | None = None,
    ) -> tuple[A, A]:
        """Each row in ascending or descending order, and the int32 columns its elements had.

        Equal elements keep their order; NaN is above all numbers. ``bits`` says that the elements
        are int32 numbers in ``[0, 2**bits)``, of which fewer digits have to be looked at. With
        ``first`` there are only so many elements of each row, from the front.
        """
        ...

    def search(self, edges: A, values: A, right: bool) -> A:
        """How many edges are below each value, or with ``right`` not above it: int32.

        ``values`` has shape (rows, count), ``edges`` (rows or 1, length), each row sorted; their
        dtypes are equal. NaN is above all numbers.
        """
        ...
