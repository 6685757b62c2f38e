"""Making one batch: fetch, collate, upload."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from time import perf_counter
from typing import Any

from rumus.tensor import Device, Tensor

from ._buffers import BufferPool
from ._collate import Collate, stack_items
from ._dataset import Dataset, batch_getter, checked_batch
from ._errors import DatasetError
from ._gather import gathered_batches
from ._lending import Lending
from ._open_batch import Part, SharedFilling, opened_batch
from ._order import BatchedOrder, IndexArray, Order
from ._plan import ShardSplit, Split
from ._random import Streams
from ._sample_random import Samples, fetching
from ._state import Place
from ._tree import Columns, column_of_tensors, is_text, on_device, parts_of, tree_of

_NOTE = "while the loader"  # begins our notes on errors


class StopFlag:
    """A flag that is raised once, by any thread."""

    __slots__ = ("raised",)

    def __init__(self) -> None:
        self.raised = False


@dataclass(slots=True)
class Fetched:
    """What became of one batch.

    Attributes:
        item: The batch; None if there is an error, or no sample in it or none that could be read.
        samples: The number of samples in it.
        error: What is to come out of the loop instead of the batch.
        failures: The samples that were left out, with the reason.
        fetch_seconds: Time in the data set.
        collate_seconds: Time to put samples together.
        upload_seconds: Time to bring the batch to the device.
        place: Of a part of a stream, where it is behind the batch.
    """

    item: Any = None
    samples: int = 0
    error: BaseException | None = None
    failures: list[tuple[int, Exception]] = field(default_factory=list)
    fetch_seconds: float = 0.0
    collate_seconds: float = 0.0
    upload_seconds: float = 0.0
    place: Place | None = None


@dataclass(frozen=True)
class Fetcher:
    """Makes the batches of one epoch, from any thread.

    Attributes:
        dataset: The samples.
        length: Its length when the epoch began.
        order: The order of the epoch.
        split: How it is cut into batches.
        collate: The user's, or None for stacking.
        device: Where batches go.
        streams: The loader's random numbers.
        epoch: The number of the epoch.
        skips_errors: Whether samples that cannot be read are left out.
        pool: The memory of stacked batches.
        stop: Says that nobody wants the batches any more.
        lending: Watches the memory that batches share.
    """

    dataset: Dataset[Any]
    length: int
    order: Order
    split: Split | ShardSplit
    collate: Collate | None
    device: Device
    streams: Streams
    epoch: int
    skips_errors: bool
    pool: BufferPool
    stop: StopFlag
    lending: Lending

    def parts(self, numbers: range, taken: int, count: int) -> list[Part[list[Fetched]]]:
        """The making of several batches, as parts for any threads; the last to end gives them.

        Args:
            numbers: The batches.
            taken: The number behind the batch that the loop has taken last.
            count: How many parts a single batch is to have, if it can be made in parts.
        """
        made = self._opened(numbers[0], count) if count > 1 and len(numbers) == 1 else None
        return [partial(self.several, numbers, taken)] if made is None else made

    def several(self, numbers: range, taken: int) -> list[Fetched]:
        """The batches of several numbers, up to the first error, in one gather if that is safe.

        Args:
            numbers: The batches.
            taken: The number behind the batch that the loop has taken last.
        """
        if len(numbers) > 1:
            made = self._gathered(numbers, taken)
            if made is not None:
                return made
        results = []
        for number in numbers:
            results.append(self(number))
            if results[-1].error is not None:
                break
        return results

    def __call__(self, number: int) -> Fetched:
        """The batch of a number; errors are in the result."""
        result = Fetched()
        try:
            positions = self._positions(number)
            numbers = self.order.take(positions)
            if not len(numbers):
                return result
            again = self.order.occurrences(positions)
            occurrences = None if again is None else again.tolist()
            wanted = numbers.tolist()
            samples = Samples(self.streams, self.epoch, wanted, occurrences)
            fetching(samples, lambda own: self._make(numbers, wanted, own, number, result))
        except BaseException as error:
            result.item, result.error = None, passable(error)
        return result

    def _positions(self, number: int) -> slice:
        """The positions of a batch in the order."""
        if isinstance(self.order, BatchedOrder):
            bounds = self.order.bounds(number // self.split.width)
            return self.split.share(number, *bounds)
        return self.split.positions(number, len(self.order))

    def _gathered(self, numbers: range, taken: int) -> list[Fetched] | None:
        """Several batches at once; None if anything is wrong, so that they are made singly."""
        started = perf_counter()
        try:
            if len(self.dataset) != self.length:
                return None
            parts = [self.order.take(self._positions(number)) for number in numbers]
            if not all(map(len, parts)):
                return None
            joined = not self.lending.is_kept(taken)
            batches = gathered_batches(self.dataset, parts, joined)
            if batches is None:  # of samples that are not alike, each batch finds its own dtype
                return None
            if joined:
                for array in batches[0].arrays:
                    if array.base is not None:
                        self.lending.lend(numbers.stop, array)
            fetch_seconds = (perf_counter() - started) / len(numbers)
            return self._placed(batches, fetch_seconds)
        except Exception:
            return None

    def _opened(self, number: int, count: int) -> list[Part[list[Fetched]]] | None:
        """A batch in parts that threads may copy at once; None if it has to be made as a whole."""
        started = perf_counter()
        try:
            if len(self.dataset) != self.length:
                return None
            indices = self.order.take(self._positions(number))
            batch = opened_batch(self.dataset, indices) if len(indices) else None
        except Exception:
            return None
        if batch is None:
            return None
        opened = perf_counter() - started

        def finish(filled: bool, seconds: float) -> list[Fetched]:
            try:
                if filled:
                    structure, arrays = batch.columns
                    columns = [column_of_tensors(array, structure) for array in arrays]
                    return self._placed([Columns(structure, columns)], opened + seconds)
            except Exception:
                pass
            return [self(number)]

        return SharedFilling(batch, len(indices), min(count, len(indices)), finish).parts()

    def _placed(self, batches: list[Columns], fetch_seconds: float) -> list[Fetched]:
        """Batches of arrays in dtypes of tensors, brought to where batches go."""
        results = []
        for structure, arrays in batches:
            started = perf_counter()
            leaves = [a.tolist() if is_text(a) else Tensor.from_array(a) for a in arrays]
            if self.device.kind != "cpu":
                leaves = [x.to(self.device) if isinstance(x, Tensor) else x for x in leaves]
            item = tree_of(structure, leaves)
            result = Fetched(item, len(arrays[0]), fetch_seconds=fetch_seconds)
            result.upload_seconds = perf_counter() - started
            results.append(result)
        return results

    def _make(
        self,
        numbers: IndexArray,
        wanted: list[int],
        samples: Samples,
        number: int,
        result: Fetched,
    ) -> None:
        length = len(self.dataset)
        if length != self.length:
            raise DatasetError(
                f"the data set had {self.length} samples when epoch {self.epoch} began and has "
                f"{length} now; its length must not change during an epoch"
            )
        batch = self._whole_batch(numbers, number, result)
        if batch is None:
            batch = self._from_items(wanted, samples, number, result)
        if batch is None:
            return
        started = perf_counter()
        result.samples = len(numbers) - len(result.failures)
        result.item = self._as_tensors(batch, number)
        result.upload_seconds = perf_counter() - started

    def _whole_batch(self, indices: IndexArray, number: int, result: Fetched) -> Any:
        """The batch as the data set makes it; None if it has to be made of its samples."""
        getter = None if self.collate is not None else batch_getter(self.dataset)
        if getter is None:
            return None
        started = perf_counter()
        try:
            batch = getter(indices)
        except Exception as error:
            if self.skips_errors:
                return None
            self._note(error, number, self._first_bad(indices.tolist()))
            raise
        result.fetch_seconds = perf_counter() - started
        return checked_batch(batch, self._source("__getitems__"), len(indices))

    def _from_items(
        self, indices: list[int], samples: Samples, number: int, result: Fetched
    ) -> Any:
        """The batch as the data set's samples, collated; None if no sample could be read."""
        started = perf_counter()
        items = self._items(indices, samples, number, result)
        fetched = perf_counter()
        result.fetch_seconds = fetched - started
        if not items:
            return None
        if result.failures:
            failed = {index for index, _ in result.failures}
            indices = [index for index in indices if index not in failed]
        try:
            if self.collate is None:
                batch = stack_items(items, indices, self.pool)
            else:
                batch = self.collate(items)
        except Exception as error:
            self._note(error, number, None)
            raise
        result.collate_seconds = perf_counter() - fetched
        return checked_batch(batch, self._source("collate"))

    def _items(
        self, indices: list[int], samples: Samples, number: int, result: Fetched
    ) -> list[Any]:
        items = []
        for position, index in enumerate(indices):
            if self.stop.raised:
                raise _Unwanted
            samples.only = position
            try:
                item = self.dataset[index]
            except Exception as error:
                self._note(error, number, index)
                if not self.skips_errors:
                    raise
                result.failures.append((index, error))
                continue
            items.append(item)
        return items

    def _as_tensors(self, batch: Any, number: int) -> Any:
        leaves, structure = parts_of(batch)
        where = f"batch {number} of epoch {self.epoch}"
        return tree_of(structure, on_device(leaves, structure, self.device, where))

    def _first_bad(self, indices: list[int]) -> int | None:
        """The first sample that cannot be read on its own."""
        for index in indices:
            try:
                self.dataset[index]
            except Exception:
                return index
        return None

    def _note(self, error: Exception, number: int, index: int | None) -> None:
        """Say in the error where it came up; an older note of ours is of another time."""
        sample = "" if index is None else f"sample {index}, "
        notes = getattr(error, "__notes__", [])
        notes[:] = [note for note in notes if not str(note).startswith(_NOTE)]
        error.add_note(f"{_NOTE} made {sample}batch {number} of epoch {self.epoch}")

    def _source(self, part: str) -> str:
        return f"{part} of {type(self.dataset).__name__}"


class _Unwanted(Exception):  # noqa: N818 (it never leaves the loader)
    """The loop was left while a batch was in the making."""


def passable(error: BaseException) -> BaseException:
    """The error, in a form that does not end the consumer's loop as if there were no more."""
    if not isinstance(error, StopIteration):
        return error
    wrapped = RuntimeError("the data set raised StopIteration")
    wrapped.__cause__ = error
    return wrapped
