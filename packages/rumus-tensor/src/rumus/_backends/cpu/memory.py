"""Memory that outlives a step."""

from __future__ import annotations

import math
import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import numpy.typing as npt

from rumus._backends.contract import Shape

from .movement import root

Array = npt.NDArray[Any]

_ALIGNMENT = 256


def _address(a: Array) -> int:
    address: int = a.__array_interface__["data"][0]
    return address


class Memory:
    """The family's part of the backend."""

    def flat(self, count: int, dtype: np.dtype[Any]) -> Array:
        nbytes = count * dtype.itemsize
        room = np.zeros(nbytes + _ALIGNMENT, np.uint8)
        start = -_address(room) % _ALIGNMENT
        return room[start : start + nbytes].view(dtype)

    def place(self, flat: Array, shape: Shape, offset: int) -> Array:
        # What shows a part of it holds `part`, as its memory belongs to a buffer and to no array.
        part = np.frombuffer(flat.data, flat.dtype, math.prod(shape), offset * flat.itemsize)
        return part.reshape(shape)

    def most_bytes(self) -> int:
        return sys.maxsize

    def elsewhere(self, view: Array, before: Array, after: Array) -> Array:
        if root(view) is not root(before):
            return view
        place = _address(after) + _address(view) - _address(before)
        owner = root(after)
        return np.ndarray(view.shape, view.dtype, owner, place - _address(owner), view.strides)

    def at_once(self) -> AbstractContextManager[None]:
        return nullcontext()
