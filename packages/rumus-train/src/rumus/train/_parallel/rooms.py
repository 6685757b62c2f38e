"""Memory of the host that exchanges use again in each step."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
_Kind = tuple[int, str]


class Rooms:
    """Arrays that are lent until :meth:`free`."""

    def __init__(self) -> None:
        self._idle: dict[_Kind, list[Array]] = {}
        self._lent: list[Array] = []

    def take(self, size: int, dtype: Any) -> Array:
        """An array with whatever it held before."""
        idle = self._idle.get((size, np.dtype(dtype).str))
        array = idle.pop() if idle else np.empty(size, dtype)
        self._lent.append(array)
        return array

    def free(self) -> None:
        """Nobody uses what was lent any more."""
        for array in self._lent:
            self._idle.setdefault((array.size, array.dtype.str), []).append(array)
        self._lent.clear()
