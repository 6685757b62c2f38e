"""How the work on batches is shared, by their size."""

from __future__ import annotations

from typing import Any, NamedTuple

from ._array import ArrayDataset
from ._dataset import Dataset
from ._rrec._dataset import RecordDataset
from ._subset import ConcatDataset, Subset
from ._tree import nbytes_of

# what takes more has left the processor's cache before it is used
_GATHER_BYTES = 1 << 22
_AHEAD_BYTES = 24 << 20
_AT_ONCE = 8  # batches that the loop's own thread makes at once, if they are small
PREFETCH = 2  # finished batches per worker, where nobody asked for a number
_MOST_PREFETCH = 8  # the same of small batches


def gathers(dataset: Dataset[Any]) -> bool:
    """Whether a batch is nothing but a gather, so that several batches may be one gather.

    Data sets of the user are asked once for each batch, as they were promised.
    """
    if type(dataset) is RecordDataset:
        try:
            return dataset.is_regular()
        except Exception:  # it will be raised where the sample is asked for
            return False
    if type(dataset) is ArrayDataset:
        return True
    if type(dataset) is Subset or type(dataset) is ConcatDataset:
        return all(map(gathers, dataset.parts))
    return False


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


def next_group(first: int, begun: int, end: int, group: int) -> range:
    """The numbers of the batches that are made at once next.

    An epoch begins with single batches, so that the first one is there soon, and holds no more than
    its own memory for those who look at it alone.

    Args:
        first: The number of the loop's first batch.
        begun: The number behind the last batch that was begun.
        end: The number behind the last batch of the epoch.
        group: How many batches are made at once at most.
    """
    return range(begun, min(begun + min(group, max(begun - first, 1)), end))


def sharing_for(
    dataset: Dataset[Any], batch_size: int, workers: int, prefetch: int | None, gathered: bool
) -> Sharing:
    """How workers share batches.

    Of batches that are mere gathers, judged by the size of the first sample, small ones are
    gathered several at once, and more of them wait if nobody asked for a number. A large one is
    gathered by two workers together, so that the memory of fewer batches is in use and stays in the
    cache.

    Args:
        dataset: The samples.
        batch_size: Samples in a batch.
        workers: The number of threads, each of which may have a batch in hand.
        prefetch: Finished batches that may wait, per worker; None for a good number.
        gathered: Whether batches are mere gathers.
    """
    nbytes = _batch_bytes(dataset, batch_size) if gathered else None
    if nbytes is None:
        return Sharing(1, workers * ((prefetch or PREFETCH) + 1), 1)
    if prefetch is None:
        prefetch = min(max(_GATHER_BYTES // nbytes, PREFETCH), _MOST_PREFETCH)
    # a single worker keeps one place free, so that it works while the loop does
    most = prefetch + (workers > 1) if workers else _AT_ONCE
    return Sharing(
        group=max(min(_GATHER_BYTES // nbytes, most), 1),
        room=max(min(_AHEAD_BYTES // nbytes, workers * (prefetch + 1)), workers),
        parts=min(workers, 2) if nbytes > _GATHER_BYTES else 1,
    )


def _batch_bytes(dataset: Dataset[Any], batch_size: int) -> int | None:
    """The bytes of a batch, by its first sample; None if that cannot be read."""
    try:
        nbytes = nbytes_of(dataset[0]) * batch_size
    except Exception:  # it will be raised where the sample is asked for
        return None
    return max(nbytes, 1)
