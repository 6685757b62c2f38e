"""Making batches of a stream, and the loop over them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any

from rumus.tensor import Device

from ._buffers import BufferPool
from ._collate import Collate, stack_items
from ._dataset import checked_batch
from ._fetch import Fetched, StopFlag, passable
from ._generic import B
from ._iterator import EpochIterator
from ._open_batch import Part
from ._plan import ShardSplit, Split
from ._random import Streams
from ._sample_random import Samples, fetching
from ._state import Place, Position
from ._stream import Lane, StreamDataset
from ._tree import on_device, parts_of, tree_of


@dataclass(frozen=True)
class StreamFetcher:
    """Makes the batches of one epoch of a stream, from any thread.

    Batch ``b`` of shard ``s`` is of the part ``s · slots + b mod slots``.

    Attributes:
        lanes: The parts that this rank reads, by shard and slot.
        split: How batches are cut into shards.
        collate: The user's, or None for stacking.
        device: Where batches go.
        streams: The loader's random numbers.
        epoch: The number of the epoch.
        pool: The memory of stacked batches.
        stop: Says that nobody wants the batches any more.
        name: What the data set is called in errors.
    """

    lanes: list[list[Lane[Any]]]
    split: Split | ShardSplit
    collate: Collate | None
    device: Device
    streams: Streams
    epoch: int
    pool: BufferPool
    stop: StopFlag
    name: str

    def parts(self, numbers: range, taken: int) -> list[Part[list[Fetched]]]:
        """The making of several batches, for any thread."""
        return [partial(self.several, numbers, taken)]

    def several(self, numbers: range, taken: int) -> list[Fetched]:
        """The batches of several numbers, up to the first error."""
        results = []
        for number in numbers:
            results.append(self(number))
            if results[-1].error is not None:
                break
        return results

    def __call__(self, number: int) -> Fetched:
        """The batch of a number; errors are in the result."""
        batch, shard = divmod(number, self.split.width)
        lane = self.lanes[shard][batch % len(self.lanes[shard])]
        result = Fetched()
        if not lane.wait(number, self.stop):
            return result
        try:
            samples = Samples(self.streams, self.epoch)
            fetching(samples, lambda own: self._make(lane, shard, batch, result))
        except BaseException as error:
            if isinstance(error, Exception):
                error.add_note(f"while the loader made batch {batch} of epoch {self.epoch}")
            result.item, result.error = None, passable(error)
        finally:
            lane.done()
        return result

    def _make(self, lane: Lane[Any], shard: int, batch: int, result: Fetched) -> None:
        started = perf_counter()
        before = lane.place.taken
        size = self._size(shard)
        items = lane.take(size, size if self.split.drop_last else 1)
        result.place = lane.place
        fetched = perf_counter()
        result.fetch_seconds = fetched - started
        if not items or (self.split.drop_last and len(items) < size):
            return
        if self.collate is None:
            made = stack_items(items, range(before, lane.place.taken), self.pool)
        else:
            made = self.collate(items)
        collated = perf_counter()
        result.collate_seconds = collated - fetched
        leaves, structure = parts_of(checked_batch(made, f"collate of {self.name}"))
        where = f"batch {batch} of epoch {self.epoch}"
        result.item = tree_of(structure, on_device(leaves, structure, self.device, where))
        result.samples = len(items)
        result.upload_seconds = perf_counter() - collated

    def _size(self, shard: int) -> int:
        owned, total = self.split.owned[shard], self.split.global_batch_size
        return total * (owned + 1) // self.split.shards - total * owned // self.split.shards


def lanes_of(
    stream: StreamDataset[Any], split: Split | ShardSplit, slots: int, start: Position
) -> list[list[Lane[Any]]]:
    """The parts of a stream that a rank reads, each where it is to go on."""
    total, width = split.shards * slots, split.width
    places = start.parts or {}
    lanes = []
    for k, shard in enumerate(split.owned):
        row = []
        for slot in range(slots):
            batch = start.batch + (slot - start.batch) % slots
            part = shard * slots + slot
            place = places.get(part, Place())
            row.append(Lane(stream, part, total, place, batch * width + k, slots * width))
        lanes.append(row)
    return lanes


def owned_parts(split: Split | ShardSplit, slots: int) -> list[int]:
    """The numbers of the parts that a rank reads."""
    return [shard * slots + slot for shard in split.owned for slot in range(slots)]


class StreamIterator(EpochIterator[B]):
    """The batches of one epoch of a stream.

    Args:
        split: How batches are cut into shards.
        slots: Parts of each shard.
        listed: Whether a batch is the list of the shards that this rank owns.
        others: As in :class:`EpochIterator`.
    """

    def __init__(self, split: Split | ShardSplit, slots: int, listed: bool, *others: Any) -> None:
        self._split, self._slots, self._listed = split, slots, listed
        super().__init__(*others)

    def _next_item(self) -> tuple[Position, Any]:
        """The position behind the next batch, and the batch; None at the end."""
        progress = self._progress
        width = self._split.width
        while not progress.at_end():
            at = progress.position
            places = dict(at.parts or {n: Place() for n in owned_parts(self._split, self._slots)})
            made: list[Any] = []
            for k, shard in enumerate(self._split.owned):
                fetched = self._take(at.batch * width + k)
                if fetched is None:
                    return at, None
                if fetched.place is not None:
                    places[shard * self._slots + at.batch % self._slots] = fetched.place
                made.append(fetched.item)
            behind = at.behind(0)._replace(parts=places)
            if self._listed or any(item is not None for item in made):
                return behind, made if self._listed else made[0]
            progress.position = behind
        progress.ended = True
        return progress.position, None
