"""Between host and device, and arrays from nothing."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from .kinds import A, Scalar, Shape


class Creation(Protocol[A]):
    """Between host and device, and arrays from nothing."""

    def from_host(self, array: npt.NDArray[Any]) -> A:
        """Copy a numpy array of a supported dtype to the device."""
        ...

    def constant(self, array: npt.NDArray[Any]) -> A:
        """As :meth:`from_host`, of numbers that a captured step has in every replay."""
        ...

    def to_host(self, a: A) -> npt.NDArray[Any]:
        """Copy an array to the host, waiting for the device."""
        ...

    def full(self, shape: Shape, value: Scalar, dtype: np.dtype[Any]) -> A:
        """An array of one value."""
        ...

    def one(self) -> A:
        """The float32 scalar 1, where backward passes begin: always the same array."""
        ...
