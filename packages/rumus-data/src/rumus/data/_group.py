"""How many small batches are gathered at once, so that Python's own work is shared by them."""

from __future__ import annotations

from ._array import ArrayDataset
from ._dataset import Dataset
from ._item import as_array, raw_parts
from ._rrec._dataset import RecordDataset
from ._subset import ConcatDataset, Subset

_BYTES = 1 << 22  # more would leave the processor's cache before it is used


def gathers(dataset: Dataset) -> bool:
    """Whether a batch is nothing but a gather, so that several batches may be one gather.

    Data sets of the user are asked once for each batch, as they were promised.
    """
    if type(dataset) is RecordDataset:
        return dataset.is_regular()
    if type(dataset) is ArrayDataset:
        return True
    return isinstance(dataset, (Subset, ConcatDataset)) and all(map(gathers, dataset.parts))


def group_size(dataset: Dataset, batch_size: int, most: int) -> int:
    """How many batches to gather at once, judged by the first sample.

    Args:
        dataset: The samples.
        batch_size: Samples in a batch.
        most: The largest answer.
    """
    try:
        nbytes = sum(as_array(part).nbytes for part in raw_parts(dataset[0]))
    except Exception:  # it will be raised where the sample is asked for
        return 1
    return max(min(_BYTES // max(nbytes * batch_size, 1), most), 1)
