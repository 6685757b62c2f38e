"""The loader: batches of a data set, epoch by epoch."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeAlias, overload

import numpy as np

from rumus.tensor import ArgumentError, Device, Tensor

from ._arguments import checked_flag, checked_number, checked_seed
from ._buffers import BufferPool
from ._collate import Collate
from ._dataset import Dataset, ItemDataset, checked_dataset, described
from ._errors import no_batch
from ._fetch import Fetcher, StopFlag
from ._foreign_options import refuse_foreign
from ._generic import B, S, T
from ._group import PREFETCH
from ._item import DataItem
from ._iterator import EpochIterator, LoaderIterator, OnFailure, ShardsIterator
from ._lending import Lending
from ._order import BatchSampler, Order, RandomSampler, Sampler
from ._orders import Orders, count_of
from ._plan import ShardSplit, Split
from ._sharded import ShardedLoader
from ._sources import Sources
from ._state import Position, Progress, loaded_parts, loaded_position, saved_state
from ._stats import LoaderStats
from ._stream import ItemStream, StreamDataset, is_stream
from ._stream_fetch import StreamFetcher, StreamIterator, owned_parts
from ._tree import DeviceLike

OnError: TypeAlias = Literal["raise", "skip"] | Callable[[int, Exception], None]


class DataLoader(Generic[S, B]):
    """Batches of a data set, one epoch each time it is iterated.

    The order, the batches and their contents depend on ``seed`` and on the number of the epoch
    alone: not on the number of workers, on ``prefetch_factor`` or on timing. The first iteration
    is epoch 0, the next one epoch 1, and so on; see :meth:`set_epoch`.

    A data set that has ``__getitems__`` is asked once for each batch; another one is asked sample
    by sample, and the samples are stacked, leaf by leaf of their structure. A batch has the
    structure of a sample: arrays and numbers are tensors with a new first axis, text is a list of
    it. float64 becomes float32, and integers other than uint8 become int32.

    Args:
        dataset: The samples; or a :class:`StreamDataset`, which takes neither ``shuffle``,
            ``sampler``, ``batch_sampler`` nor ``on_error``.
        batch_size: Samples in a batch; None (default) with a ``batch_sampler`` alone.
        shuffle: Whether each epoch has an order of its own (Fisher and Yates); else samples come as
            they are numbered.
        drop_last: Whether a last batch that is not full is left out.
        num_workers: Threads that make batches ahead of the loop; with 0, the thread of the loop
            makes a batch when it is asked for, or a few small ones at once where they are nothing
            but copies. Threads help where the data set waits, or leaves
            Python for longer (reading, decoding, numpy).
        prefetch_factor: Finished batches that wait, per worker, at most. Besides them each worker
            has one in hand. By default 2; up to 8 of small batches (at most 4 MiB of them together)
            of data sets whose batches are nothing but copies.
        seed: Where the order and the samples' random numbers come from, from 0 to 2**64 - 1. It is
            0 unless given, so that every run is the same.
        device: Where batches go, ``"cpu"``, ``"gpu"``, ``"gpu:N"`` or ``"auto"``; the workers bring
            them there ahead of their use.
        sampler: The numbers of an epoch's samples in order, as many as its length says, read at the
            start of each epoch. If it has ``set_epoch``, it is told the epoch first. One with
            ``draw(rng)`` instead, as :class:`WeightedSampler` is, gets the loader's random numbers
            of the epoch. Not together with ``shuffle``.
        batch_sampler: The numbers of the samples of each batch, of all ranks together; else as a
            sampler. Not together with ``batch_size``, ``shuffle``, ``drop_last`` or ``sampler``.
        collate: Makes a batch of a list of samples; such a loader asks sample by sample. Samples
            may then be anything, and the batch is a tree whose arrays become tensors.
        rank: The number of this process among those that share the samples.
        world_size: How many processes share them. Each sample goes to exactly one rank: rank r
            takes the positions r, r + world_size, … of the order. If the samples cannot be shared
            evenly, the first ranks have one more; with ``drop_last`` all ranks have equally many
            full batches.
        parts: In how many parts each rank reads a stream (default 1). Batch k is of part k modulo
            ``parts``, and different workers read different parts at once. The order depends on it,
            as on ``world_size``, and never on ``num_workers``.
        on_error: What to do with a sample that raises an exception when it is read: ``"raise"`` it
            out of the loop at its place; ``"skip"`` the sample, so that its batch is smaller; or a
            function that is called in the loop's thread with the sample's number and the exception,
            and skips the sample by returning.

    Raises:
        ArgumentError: An argument is outside its range.
        DeviceError: The device is unknown.

    Example:
        >>> loader = DataLoader(ArrayDataset(np.zeros((10, 4)), np.arange(10)), batch_size=4)
        >>> [batch.input.shape for batch in loader]
        [(4, 4), (4, 4), (2, 4)]
    """

    if not TYPE_CHECKING:  # else checkers would take any argument

        def __new__(cls, *args: Any, **options: Any) -> Any:
            refuse_foreign(options)
            return super().__new__(cls)

    @overload
    def __init__(
        self: DataLoader[DataItem, DataItem],
        dataset: ItemDataset | ItemStream,
        batch_size: int | None = None,
        shuffle: bool = False,
        drop_last: bool = False,
        num_workers: int = 0,
        prefetch_factor: int | None = None,
        seed: int = 0,
        device: DeviceLike = "cpu",
        *,
        sampler: Sampler | RandomSampler | None = None,
        batch_sampler: BatchSampler | RandomSampler | None = None,
        collate: None = None,
        rank: int = 0,
        world_size: int = 1,
        parts: int = 1,
        on_error: OnError = "raise",
    ) -> None: ...

    @overload
    def __init__(
        self: DataLoader[T, Any],
        dataset: Dataset[T] | StreamDataset[T],
        batch_size: int | None = None,
        shuffle: bool = False,
        drop_last: bool = False,
        num_workers: int = 0,
        prefetch_factor: int | None = None,
        seed: int = 0,
        device: DeviceLike = "cpu",
        *,
        sampler: Sampler | RandomSampler | None = None,
        batch_sampler: BatchSampler | RandomSampler | None = None,
        collate: None = None,
        rank: int = 0,
        world_size: int = 1,
        parts: int = 1,
        on_error: OnError = "raise",
    ) -> None: ...

    @overload
    def __init__(
        self,
        dataset: Dataset[S] | StreamDataset[S],
        batch_size: int | None = None,
        shuffle: bool = False,
        drop_last: bool = False,
        num_workers: int = 0,
        prefetch_factor: int | None = None,
        seed: int = 0,
        device: DeviceLike = "cpu",
        *,
        sampler: Sampler | RandomSampler | None = None,
        batch_sampler: BatchSampler | RandomSampler | None = None,
        collate: Callable[[list[S]], B],
        rank: int = 0,
        world_size: int = 1,
        parts: int = 1,
        on_error: OnError = "raise",
    ) -> None: ...

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = None,
        shuffle: bool = False,
        drop_last: bool = False,
        num_workers: int = 0,
        prefetch_factor: int | None = None,
        seed: int = 0,
        device: DeviceLike = "cpu",
        *,
        sampler: Sampler | RandomSampler | None = None,
        batch_sampler: BatchSampler | RandomSampler | None = None,
        collate: Collate | None = None,
        rank: int = 0,
        world_size: int = 1,
        parts: int = 1,
        on_error: OnError = "raise",
    ) -> None:
        dataset = dataset if is_stream(dataset) else checked_dataset("dataset", dataset)
        shuffle, drop_last = checked_flag("shuffle", shuffle), checked_flag("drop_last", drop_last)
        num_workers = checked_number("num_workers", num_workers, 0)
        if prefetch_factor is not None:
            prefetch_factor = checked_number("prefetch_factor", prefetch_factor, 1)
        seed = checked_seed(seed)
        if isinstance(batch_size, (np.ndarray, Tensor)):
            raise ArgumentError(
                f"batch_size is a number, not a {type(batch_size).__name__}: inputs and targets "
                "make one data set, DataLoader(ArrayDataset(inputs, targets), batch_size=...)"
            )
        if batch_sampler is None:
            batch_size = checked_number("batch_size", batch_size, 1)  # type: ignore[arg-type]
        world_size = checked_number("world_size", world_size, 1)
        rank = checked_number("rank", rank, 0)
        if batch_sampler is not None and (batch_size is not None or drop_last):
            raise ArgumentError(
                "batch_sampler gives whole batches, and goes without batch_size and drop_last"
            )
        if collate is not None and not callable(collate):
            raise ArgumentError(f"collate must be a function, not {collate!r}")
        if not callable(on_error) and on_error not in ("raise", "skip"):
            raise ArgumentError(f'on_error must be "raise", "skip" or a function, not {on_error!r}')
        size = batch_size if batch_sampler is None else getattr(batch_sampler, "batch_size", 1)
        self._sources = Sources(
            dataset=dataset,
            split=Split(size or 1, drop_last, rank, world_size),
            orders=Orders(shuffle, seed, sampler, batch_sampler),
            collate=collate,
            device=Device(device),
            seed=seed,
            parts=checked_number("parts", parts, 1),
            skips_errors=on_error != "raise",
            workers=num_workers,
            prefetch=prefetch_factor,
            pool=BufferPool(keep=num_workers * ((prefetch_factor or PREFETCH) + 1) + 2),
        )
        self._on_error = on_error
        self._start = Position()  # of the next iteration
        self._latest: Progress | None = None  # of the latest iteration
        self._looked: tuple[Position, Order] | None = None  # what peek made of the next one
        self._stats = LoaderStats()
        self.__setstate__({})
        if not is_stream(dataset):
            len(self)
            self._sources.orders.check_population(len(dataset))
        elif self._sources.orders.are_given or on_error != "raise":
            raise ArgumentError(
                f"a {type(dataset).__name__} gives its samples in an order of its own: without "
                "shuffle, sampler, batch_sampler and on_error, which need samples with numbers"
            )

    def __getstate__(self) -> dict[str, Any]:
        own = ("_beginning", "_lending")
        return {name: value for name, value in self.__dict__.items() if name not in own}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._beginning = threading.RLock()  # held while an iteration begins
        self._lending = Lending()

    def __len__(self) -> int:
        """The number of batches in an epoch of this rank.

        Raises:
            TypeError: The data set is a stream.
        """
        if self._sources.of_stream:
            raise TypeError(f"a loader of a {type(self.dataset).__name__} has no length")
        return self._sources.ends()[0]

    def __repr__(self) -> str:
        sources, split = self._sources, self._sources.split
        orders = sources.orders
        told = {
            "batch_size": None if orders.batch_sampler is not None else split.batch_size,
            "shuffle": orders.shuffle or None,
            "sampler": None if orders.sampler is None else described(orders.sampler),
            "batch_sampler": (
                None if orders.batch_sampler is None else described(orders.batch_sampler)
            ),
            "drop_last": split.drop_last or None,
            "num_workers": sources.workers or None,
            "device": str(sources.device) if sources.device.kind != "cpu" else None,
            "seed": sources.seed or None,
            "rank": f"{split.rank} of {split.world_size}" if split.world_size > 1 else None,
        }
        shown = "".join(f", {name}={value}" for name, value in told.items() if value is not None)
        length = "a stream" if sources.of_stream else f"{len(self)} batches"
        return f"DataLoader({length} of {described(self.dataset)}{shown}; next epoch {self.epoch})"

    @property
    def dataset(self) -> Any:
        """The samples."""
        return self._sources.dataset

    @property
    def device(self) -> Device:
        """Where batches go."""
        return self._sources.device

    @property
    def shuffle(self) -> bool:
        """Whether each epoch has an order of its own."""
        return self._sources.orders.shuffle

    @property
    def epoch(self) -> int:
        """The epoch that the next iteration is or continues, for ``range(loader.epoch, end)``."""
        return self._start.epoch

    def __iter__(self) -> EpochIterator[B]:
        """Begin the next epoch."""
        return self._begun(listed=False)

    def _begun(self, listed: bool) -> EpochIterator[Any]:
        """An iteration that begins the next epoch.

        Args:
            listed: Whether it gives lists of the shards that this rank owns.
        """
        sources = self._sources
        with self._beginning:
            start, stop = self._start, StopFlag()
            if sources.of_stream:
                source, (end, last) = sources.stream_source(start, stop), sources.ends()
            else:
                order = self._order(start)
                end, last = sources.ends(count_of(order))
                source = sources.source(start, order, stop, self._lending)
            progress = Progress(start, last)
            stats = LoaderStats(start.epoch, sources.workers)
            self._latest, self._start, self._stats = progress, Position(start.epoch + 1), stats
            self._looked = None
            self._lending.begin()
        on_failure: OnFailure | None = self._on_error if callable(self._on_error) else None
        given = (source, end, progress, stats, on_failure)
        if sources.of_stream:
            return StreamIterator(sources.split, sources.parts, listed, *given)
        return ShardsIterator(sources.split.width, *given) if listed else LoaderIterator(*given)

    def peek(self) -> B:
        """The first batch of the next iteration, without beginning it.

        The calling thread makes the batch; the state, the statistics and ``on_error`` know nothing
        of it. A sampler is read, and the iteration then takes the order that was read here. A
        stream is begun once more.

        Raises:
            DatasetError: The next iteration has no batch.
        """
        for parts in self._looks():
            if parts[0] is not None:
                batch: B = parts[0]
                return batch
        raise no_batch(self.epoch)

    def _looks(self) -> Iterator[list[Any]]:
        """The parts of the next iteration's batches, made by the calling thread."""
        sources, width = self._sources, self._sources.split.width
        fetch: Fetcher | StreamFetcher
        with self._beginning:
            start = self._start
            if sources.of_stream:  # one of the first batches has a sample, or there is none
                fetch, end = sources.stream_fetcher(start, StopFlag()), start.batch + sources.parts
            else:
                order = self._order(start)
                self._looked = (start, order)
                fetch = sources.fetcher(start, order, StopFlag(), self._lending)
                end = sources.ends(count_of(order))[0]
        for number in range(start.batch, end):
            results = [fetch(part) for part in range(number * width, (number + 1) * width)]
            for result in results:
                if result.error is not None:
                    raise result.error
            yield [result.item for result in results]

    def sharded(self, shards: int, rank: int = 0, world: int = 1) -> ShardedLoader[B]:
        """A loader of the same order, whose batches are cut into shards that processes share.

        The batch of all ranks of this loader together is ``shards`` parts of neighbours in the
        order, which differ by one sample at most and may be empty. A rank owns a run of
        them, so which samples are in a part depends on ``shards`` and not on ``world``.

        Args:
            shards: The parts of a batch.
            rank: The number of this process (default 0).
            world: How many processes share the parts, at most ``shards`` (default 1).

        Returns:
            A loader of its own that begins where this one's next iteration would; its states and
            this one's are interchangeable.

        Raises:
            ArgumentError: An argument is outside its range.

        Example:
            >>> loader = DataLoader(ArrayDataset(np.zeros((10, 4)), np.arange(10)), batch_size=5)
            >>> for first, second in loader.sharded(shards=2):
            ...     print(first.target.tolist(), second.target.tolist())
            [0, 1] [2, 3, 4]
            [5, 6] [7, 8, 9]
        """
        split = ShardSplit(
            global_batch_size=self._sources.split.global_batch_size,
            drop_last=self._sources.split.drop_last,
            shards=checked_number("shards", shards, 1),
            rank=checked_number("rank", rank, 0),
            world_size=checked_number("world", world, 1),
        )
        if self._sources.of_stream and split.shards > split.global_batch_size:
            raise ArgumentError(
                f"shards={shards} of a stream cannot share batches of "
                f"{split.global_batch_size} samples: each shard is a part of the stream"
            )
        other = copy(self)
        other._sources = replace(self._sources, split=split)
        other._latest, other._looked = None, None
        return ShardedLoader(other, split.owned)

    def set_epoch(self, epoch: int) -> None:
        """Make the next iteration that of an epoch.

        If the next iteration is to go on within that epoch, after :meth:`load_state_dict`, it still
        does. A loop that is running goes on as it is, and :meth:`state_dict` with it.

        Raises:
            ArgumentError: The number is negative or no integer.
        """
        epoch = checked_number("epoch", epoch, 0)
        with self._beginning:
            if epoch != self._start.epoch:
                self._start = Position(epoch)
            if self._latest is not None and not self._latest.running:
                self._latest = None

    def state_dict(self, at_end: Literal["next", "stay"] = "next") -> dict[str, Any]:
        """Where the loop is: a few numbers, whatever the size of the data set.

        Batches count when the loop has taken them; those that workers made ahead do not. Any rank
        may load the state of any other, and so may another number of ranks whose batches together
        are as large.

        Args:
            at_end: What an epoch's end is, from its last batch on: ``"next"``, the beginning of the
                next one; or ``"stay"``, its own end, from which a loader goes on with an empty
                remainder and then with the next epoch.

        Raises:
            ArgumentError: ``at_end`` is something else.
        """
        if at_end not in ("next", "stay"):
            raise ArgumentError(f'at_end must be "next" or "stay", not {at_end!r}')
        latest, start = self._latest, self._start
        goes_on = latest is not None and not (at_end == "next" and latest.at_end())
        position = latest.position if latest and goes_on else start
        return saved_state(position, self._sources.identity())

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Make the next iteration go on where a loop was when its state was taken.

        Args:
            state: From :meth:`state_dict` of a loader of the same data set, seed, order and global
                batch size; the numbers of workers and of ranks may differ. An epoch that
                rumus-data 0.1 began goes on in its own order.

        Raises:
            LoaderStateError: The state belongs to something else.
        """
        sources = self._sources
        start = loaded_position(state, sources.identity(), sources.ends()[1])
        if sources.of_stream:
            start = loaded_parts(start, state, owned_parts(sources.split, sources.parts))
        with self._beginning:
            self._start, self._latest = start, None

    def stats(self) -> LoaderStats:
        """What was measured in the latest epoch, up to now."""
        return replace(self._stats)

    def _order(self, start: Position) -> Order:
        if self._looked is not None:
            looked, order = self._looked
            if looked == start and count_of(order) == self._sources.count():
                return order
        return self._sources.order(start)
