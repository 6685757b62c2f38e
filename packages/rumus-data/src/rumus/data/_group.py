"""How the work on batches is shared, by their size."""

from __future__ import annotations

from typing import NamedTuple

from ._array import ArrayDataset
from ._dataset import Dataset
from ._item import as_array, raw_parts
from ._rrec._dataset import RecordDataset
from ._subset import ConcatDataset, Subset

# what takes more has left the processor's cache before it is used
_GATHER_BYTES = 1 << 22
_AHEAD_BYTES = 24 << 20


def gathers(dataset: Dataset) -> bool:
    """Whether a batch is nothing but a gather, so that several batches may be one gather.

    Data sets of the user are asked once for each batch, as they were promised.
    """
    if type(dataset) is RecordDataset:
        return dataset.is_regular()
    if type(dataset) is ArrayDataset:
        return True
    return isinstance(dataset, (Subset, ConcatDataset)) and all(map(gathers, dataset.parts))


class Sharing(NamedTuple):
    """How workers share batches.

    Attributes:
        group: How many batches one worker makes at once.
        room: How many batches may be ahead.
        parts: In how many parts one batch is made.
    """

    group: int
    room: int
    parts: int


def sharing_for(dataset: Dataset, batch_size: int, workers: int, most: int, room: int) -> Sharing:
    """How workers share batches that are mere gathers, judged by the size of the first sample.

    Small batches are gathered several at once. A large one is gathered by two workers together, so
    that the memory of fewer batches is in use and stays in the cache.

    Args:
        dataset: The samples; batches of them are mere gathers.
        batch_size: Samples in a batch.
        workers: The number of threads, each of which may have a batch in hand.
        most: The largest number to gather at once.
        room: The largest number that may be ahead.
    """
    try:
        nbytes = sum(as_array(part).nbytes for part in raw_parts(dataset[0])) * batch_size
    except Exception:  # it will be raised where the sample is asked for
        return Sharing(1, room, 1)
    nbytes = max(nbytes, 1)
    return Sharing(
        group=max(min(_GATHER_BYTES // nbytes, most), 1),
        room=max(min(_AHEAD_BYTES // nbytes, room), workers),
        parts=min(workers, 2) if nbytes > _GATHER_BYTES else 1,
    )
