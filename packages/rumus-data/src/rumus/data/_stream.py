"""Data sets that are read one sample after the other, and their reading in parts."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import islice
from typing import Any, Generic, Protocol, TypeGuard, runtime_checkable

from ._errors import DatasetError
from ._generic import S, S_co
from ._item import DataItem
from ._state import Place

_WAIT = 0.1  # seconds between two looks at whether the loop was left


@runtime_checkable
class StreamDataset(Protocol[S_co]):
    """Samples one after the other: what has no numbers, and perhaps no length.

    Each process and each worker reads parts of its own, so that ``iterate`` must give every sample
    in exactly one of ``parts`` parts: files or lines whose number is ``part`` modulo ``parts``, for
    example.

    The iterator may have a method ``position()``, which says in what JSON can hold where it is
    behind the sample that it gave last. A loop that goes on there calls ``iterate`` with that.
    Without it, the loader goes on by reading the part from its beginning and dropping what was
    taken. If the data set has ``set_epoch``, it is told the epoch before it is read, and by
    ``peek`` that of the next iteration: read it once, where ``iterate`` begins.

    Example:
        >>> class Lines:
        ...     def iterate(self, part, parts, position=None):
        ...         yield from range(part, 10, parts)
        >>> [batch.tolist() for batch in DataLoader(Lines(), batch_size=4)]
        [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    """

    def iterate(self, part: int, parts: int, position: Any = None, /) -> Iterator[S_co]:
        """The samples of one of several parts, from a position on."""
        ...


class ItemStream(Protocol):
    """A stream of :class:`DataItem`; see :class:`ItemDataset`."""

    def iterate(self, part: int, parts: int, position: Any = None, /) -> Iterator[DataItem]:
        """The samples of one of several parts, from a position on."""
        ...


def is_stream(dataset: object) -> TypeGuard[StreamDataset[Any]]:
    """Whether a data set is a stream, and gives nothing by number."""
    return isinstance(dataset, StreamDataset) and not hasattr(dataset, "__getitem__")


class Lane(Generic[S]):
    """A part of a stream, whose batches threads read in their order.

    It is ahead of what it gave, so that a part's last batch is known to be its last.

    Args:
        stream: The data set.
        part: The number of the part.
        parts: The number of all parts.
        place: Where to go on.
        first: The number of its first batch.
        step: From the number of one of its batches to the next one.
    """

    def __init__(
        self, stream: StreamDataset[S], part: int, parts: int, place: Place, first: int, step: int
    ) -> None:
        self.place = place
        self._stream, self._part, self._parts = stream, part, parts
        self._step = step
        self._turn = first
        self._turns = threading.Condition()
        self._samples: Iterator[S] | None = None
        self._ahead: list[S] = []

    def wait(self, number: int, stop: Any) -> bool:
        """Wait until all batches before a number were read; False if the loop was left."""
        with self._turns:
            while self._turn != number and not stop.raised:
                self._turns.wait(_WAIT)
        return not stop.raised

    def done(self) -> None:
        """Let the next batch be read."""
        with self._turns:
            self._turn += self._step
            self._turns.notify_all()

    def take(self, count: int, ahead: int) -> list[S]:
        """The next samples, fewer at the end.

        Args:
            count: How many.
            ahead: How many more there have to be, or else these were the last.
        """
        if self.place.ended:
            return []
        if self._samples is None:
            self._samples = self._opened()
        samples = [*self._ahead, *islice(self._samples, count - len(self._ahead))]
        # behind the samples that are given, before others are read ahead
        where = getattr(self._samples, "position", None)
        position = where() if callable(where) else None
        self._ahead = list(islice(self._samples, ahead)) if len(samples) == count else []
        ended = len(self._ahead) < ahead
        self.place = Place(self.place.taken + len(samples), position, ended)
        if self.place.ended:
            self._samples = None
        return samples

    def _opened(self) -> Iterator[S]:
        taken, position, _ = self.place
        samples = iter(self._stream.iterate(self._part, self._parts, position))
        if position is None and taken:
            skipped = sum(1 for _ in islice(samples, taken))
            if skipped < taken:
                raise DatasetError(
                    f"part {self._part} of the stream has {skipped} samples, and {taken} were "
                    "taken of it before; it must give the same again"
                )
        return samples
