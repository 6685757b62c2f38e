"""Sorting rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def sort(a: Array, descending: bool = False, bits: int | None = None) -> tuple[Array, Array]:
    """Each row in order, and where its elements were; numbers of up to 16 bits by their digits."""
    keys = a.astype(np.uint16) if bits is not None and bits <= 16 else a
    if descending:  # what comes last of equal elements backwards comes first
        backwards = np.argsort(keys[:, ::-1], axis=1, kind="stable")[:, ::-1]
        order = a.shape[1] - 1 - backwards
    else:
        order = np.argsort(keys, axis=1, kind="stable")
    return np.take_along_axis(a, order, 1), order.astype(np.int32)


class Sort:
    """The family's part of the backend."""

    sort = staticmethod(sort)
