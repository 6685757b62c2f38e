"""Arrays from the host and from nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from rumus._backends.contract import Scalar, Shape

Array = npt.NDArray[Any]

_ONE: Array = np.ones((), np.float32)
_ONE.flags.writeable = False


class Creation:
    """The family's part of the backend."""

    def from_host(self, array: Array) -> Array:
        return np.array(array, order="C")

    def constant(self, array: Array) -> Array:
        return np.array(array, order="C")

    def to_host(self, a: Array) -> Array:
        return np.array(a, order="C")

    def full(self, shape: Shape, value: Scalar, dtype: np.dtype[Any]) -> Array:
        return np.full(shape, value, dtype)

    def one(self) -> Array:
        return _ONE
