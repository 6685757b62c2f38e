"""A batch that several threads copy together."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from time import perf_counter
from typing import Any, Generic, TypeAlias, TypeVar

from ._dataset import Dataset, Indices
from ._tree import Columns

T = TypeVar("T")
Part: TypeAlias = Callable[[], T | None]
"""A part of some work, for any thread; the part that ends last gives the result of all."""


@dataclass(frozen=True)
class OpenBatch:
    """A batch whose memory is there, and whose samples are still to be copied into it.

    Attributes:
        columns: The leaves of the batch; they hold its samples when all of it is filled.
        fill: Copies the samples of a slice of the batch; threads may fill different slices at once.
    """

    columns: Columns
    fill: Callable[[slice], None]


def opened_batch(dataset: Dataset[Any], indices: Indices) -> OpenBatch | None:
    """A batch still to be copied; None if the data set has no such for these samples."""
    opener = getattr(dataset, "open_batch", None)
    batch: OpenBatch | None = None if opener is None else opener(indices)
    return batch


class SharedFilling(Generic[T]):
    """The filling of one batch, in parts that different threads may do.

    Args:
        batch: The batch.
        samples: How many are in it.
        count: The number of parts, at most ``samples``.
        finish: Makes the result, on the thread whose part ends last. It is given whether every part
            was filled without an error, and the seconds that all parts took together.
    """

    def __init__(
        self, batch: OpenBatch, samples: int, count: int, finish: Callable[[bool, float], T]
    ) -> None:
        self._batch = batch
        self._finish = finish
        self._left = count
        self._filled = True
        self._seconds = 0.0
        self._lock = threading.Lock()
        self._ends = [samples * k // count for k in range(count + 1)]

    def parts(self) -> list[Part[T]]:
        """Each part, to be called once."""
        return [partial(self._fill, slice(*ends)) for ends in pairwise(self._ends)]

    def _fill(self, part: slice) -> T | None:
        started = perf_counter()
        try:
            self._batch.fill(part)
            filled = True
        except Exception:
            filled = False
        with self._lock:
            self._filled &= filled
            self._seconds += perf_counter() - started
            self._left -= 1
            if self._left:
                return None
        return self._finish(self._filled, self._seconds)
