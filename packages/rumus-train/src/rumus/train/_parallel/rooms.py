"""Memory of the host that exchanges use again in each step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Empty = Callable[[int], Array]
"""Gives so many bytes."""
_BLOCK = 32 << 20
"""Bytes of memory that is cut into rooms; of it only what is used costs anything."""
_ALIGNED = 64


class Quarry:
    """Cuts arrays out of large blocks, which are given back when nobody holds any of these.

    Args:
        empty: Gives the blocks.
    """

    def __init__(self, empty: Empty) -> None:
        self._empty = empty
        self._block = np.empty(0, np.uint8)

    def take(self, size: int, dtype: Any) -> Array:
        """An array with whatever it holds."""
        nbytes = size * np.dtype(dtype).itemsize
        if nbytes > self._block.size:
            self._block = self._empty(max(nbytes, _BLOCK))
        array: Array = self._block[:nbytes].view(dtype)
        self._block = self._block[-(-nbytes // _ALIGNED) * _ALIGNED :]
        return array


class Rooms:
    """Arrays that are lent until :meth:`free`.

    Args:
        quarry: Gives them.
    """

    def __init__(self, quarry: Quarry) -> None:
        self._quarry = quarry
        self._idle: dict[tuple[int, str], list[Array]] = {}
        self._lent: list[Array] = []

    def take(self, size: int, dtype: Any) -> Array:
        """An array with whatever it held before."""
        idle = self._idle.get((size, np.dtype(dtype).str))
        array = idle.pop() if idle else self._quarry.take(size, dtype)
        self._lent.append(array)
        return array

    def free(self) -> None:
        """Nobody uses what was lent any more."""
        for array in self._lent:
            self._idle.setdefault((array.size, array.dtype.str), []).append(array)
        self._lent.clear()
