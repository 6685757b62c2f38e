"""A group of one process, without MPI: the same code trains in it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from .contract import Array, Ready

_LOOK = 1e-4
"""Seconds between two looks whether something is ready."""


class Done:
    """A call that was finished when it returned."""

    def wait(self) -> None:
        """Return."""

    def parts(self) -> Mapping[int, Array]:
        """There are no other ranks."""
        return {}

    def give_back(self) -> None:
        """Nothing was lent."""


_DONE = Done()


class Alone:
    """The group of a process that trains by itself.

    Example:
        >>> group = Alone()
        >>> group.rank, group.size
        (0, 1)
    """

    rank = 0
    size = 1
    local_rank = 0

    def alltoallv(
        self,
        parts: Sequence[Array],
        into: Sequence[Array],
        ready: Ready | None = None,
        lend: bool = False,
    ) -> Done:
        """Copy the part."""
        return self.allgatherv(parts[0], into, ready)

    def allgatherv(
        self,
        part: Array,
        into: Sequence[Array],
        ready: Ready | None = None,
        lend: bool = False,
    ) -> Done:
        """Copy the part, unless it is there."""
        while ready is not None and not ready():
            time.sleep(_LOOK)
        if into[0] is not part:
            np.copyto(into[0], part, casting="no")
        return _DONE

    def broadcast(self, array: Array, root: int = 0) -> Done:
        """Leave the array as it is."""
        return _DONE

    def max(self, values: npt.NDArray[np.int64] | npt.NDArray[np.float64]) -> Done:
        """Leave the values as they are."""
        return _DONE

    def barrier(self) -> Done:
        """Wait for nobody."""
        return _DONE

    def empty(self, nbytes: int) -> Array:
        """Memory."""
        return np.empty(nbytes, np.uint8)

    def wake(self) -> None:
        """Nobody sleeps."""

    def at(self, where: str) -> None:
        """Nobody can be missing."""
