"""Banded matrices: which neighbours make a place, and how much each counts."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt


class Band:
    """A map from a length to another, each place a weighted sum of neighbours.

    Args:
        length: Places that it reads.
        starts: The first neighbour of each place.
        weights: Of shape (places, neighbours); those past the end of what is read are 0.

    Attributes:
        length: Places that it reads.
        starts: int32.
        weights: float32.
        adjoint: The transposed map.
    """

    starts: npt.NDArray[np.int32]
    weights: npt.NDArray[np.float32]

    def __init__(self, length: int, starts: npt.ArrayLike, weights: npt.ArrayLike) -> None:
        self.length = length
        self.starts = np.ascontiguousarray(starts, np.int32)
        self.weights = np.ascontiguousarray(weights, np.float32)

    @property
    def count(self) -> int:
        """Places that it makes."""
        return len(self.starts)

    @property
    def reach(self) -> int:
        """Neighbours of a place, at most."""
        return int(self.weights.shape[1])

    @cached_property
    def adjoint(self) -> Band:
        """The transposed map."""
        places, taps = np.nonzero(self.weights)
        read = self.starts[places] + taps
        order = np.lexsort((places, read))
        places, read, values = places[order], read[order], self.weights[places, taps][order]
        numbers = np.arange(self.length)
        begin, end = np.searchsorted(read, numbers), np.searchsorted(read, numbers, "right")
        first = np.zeros(self.length, np.int64)
        last = np.zeros(self.length, np.int64)
        some = end > begin
        first[some], last[some] = places[begin[some]], places[end[some] - 1]
        reach = int((last - first).max(initial=0)) + 1
        weights: npt.NDArray[Any] = np.zeros((self.length, reach), np.float32)
        np.add.at(weights, (read, places - first[read]), values)
        back = Band(self.count, first, weights)
        back.__dict__["adjoint"] = self
        return back
