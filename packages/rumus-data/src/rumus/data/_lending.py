"""Memory that several batches share, and loops that keep batches."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np
import numpy.typing as npt

_BEFORE = -2  # any batch of an epoch comes later


class Lending:
    """Notices that a loop keeps batches which are views of one array.

    A batch that is kept holds the memory of all that were gathered with it. So as long as one is
    kept, the next ones should have memory of their own.
    """

    def __init__(self) -> None:
        self._lent: list[tuple[int, weakref.ref[npt.NDArray[Any]]]] = []

    def begin(self) -> None:
        """Begin an epoch: batches of the one before that are still there are kept ones."""
        self._lent = [(_BEFORE, owner) for _, owner in self._lent]

    def lend(self, end: int, array: npt.NDArray[Any]) -> None:
        """Watch an array that batches share, the last of which is the one before a number."""
        base = array.base
        owner = base if isinstance(base, np.ndarray) else array
        self._lent.append((end, weakref.ref(owner)))

    def is_kept(self, taken: int) -> bool:
        """Whether a batch is kept that the loop left behind two batches ago or earlier.

        Args:
            taken: The number behind the batch that the loop has taken last.
        """
        self._lent = [(end, owner) for end, owner in self._lent if owner() is not None]
        return any(end < taken - 1 for end, _ in self._lent)
