"""Looking at data for mistakes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from rumus._core.errors import ArgumentError


class Check:
    """The family's part of the backend."""

    def check(self, mask: npt.NDArray[Any], message: str) -> None:
        if not mask.all():
            raise ArgumentError(message.format(int(np.argmin(mask.reshape(-1)))))
