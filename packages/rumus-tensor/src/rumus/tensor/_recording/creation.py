"""Constants, and the way to the host, where no graph follows."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from rumus._backends.contract import Scalar, Shape

from .base import Recording


class Creation(Recording):
    """The family's part of the recorder."""

    def from_host(self, array: npt.NDArray[Any]) -> Any:
        return self.tensor(self.primitives.from_host(array))

    def to_host(self, a: Any) -> npt.NDArray[Any]:
        self.refuse("to_host", a)
        return self.primitives.to_host(self.array(a))

    def full(self, shape: Shape, value: Scalar, dtype: np.dtype[Any]) -> Any:
        return self.tensor(self.primitives.full(shape, value, dtype))

    def one(self) -> Any:
        return self.tensor(self.primitives.one())
