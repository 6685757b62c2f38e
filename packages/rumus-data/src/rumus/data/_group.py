"""How many small batches are gathered at once, so that Python's own work is shared by them."""

from __future__ import annotations

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


def group_and_room(
    dataset: Dataset, batch_size: int, workers: int, most: int, room: int
) -> tuple[int, int]:
    """How many batches to gather at once, and how many may be ahead, judged by the first sample.

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
        return 1, room
    nbytes = max(nbytes, 1)
    return (
        max(min(_GATHER_BYTES // nbytes, most), 1),
        max(min(_AHEAD_BYTES // nbytes, room), workers),
    )
