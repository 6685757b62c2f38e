"""Sorting the rows of a 2-D array."""

from __future__ import annotations

from typing import Protocol

from .kinds import A


class Sort(Protocol[A]):
    """Sorting the rows of a 2-D array."""

    def sort(self, a: A, descending: bool = False, bits: int | None = None) -> tuple[A, A]:
        """Each row in ascending or descending order, and the int32 columns its elements had.

        Equal elements keep their order; NaN is above all numbers. ``bits`` says that the elements
        are int32 numbers in ``[0, 2**bits)``, of which fewer digits have to be looked at.
        """
        ...
