"""The loader: batches of a data set, epoch by epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from numbers import Integral
from typing import Any, Literal, TypeAlias

from rumus.tensor import ArgumentError, Device

from ._buffers import BufferPool
from ._collate import Collate
from ._dataset import Dataset
from ._fetch import Fetcher, StopFlag
from ._group import PREFETCH, gathers, sharing_for
from ._iterator import LoaderIterator, OwnThread, Source
from ._order import Order, SequentialOrder, sampled_order, shuffled_order
from ._pipeline import Pipeline
from ._plan import Split
from ._state import Identity, Position, loaded_position, saved_state
from ._stats import LoaderStats

OnError: TypeAlias = Literal["raise", "skip"] | Callable[[int, Exception], None]


class DataLoader:
    """Batches of a data set, one epoch each time it is iterated.

    The order, the batches and their contents depend on ``seed`` and on the number of the epoch
    alone: not on the number of workers, on ``prefetch_factor`` or on timing. The first iteration
    is epoch 0, the next one epoch 1, and so on; see :meth:`set_epoch`.

    A data set that has ``__getitems__`` is asked once for each batch; another one is asked sample
    by sample, and the samples are stacked. float64 becomes float32, and integers other than uint8
    become int32.

    Args:
        dataset: The samples.
        batch_size: Samples in a batch.
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
        seed: Where the order and the samples' random numbers come from, from 0. It is 0 unless
            given, so that every run is the same.
        device: Where batches go, ``"cpu"``, ``"gpu"``, ``"gpu:N"`` or ``"auto"``; the workers bring
            them there ahead of their use.
        sampler: The numbers of an epoch's samples in order, read at the start of each epoch. If it
            has ``set_epoch``, it is told the epoch first. Not together with ``shuffle``.
        collate: Makes a batch of a list of samples; such a loader asks sample by sample.
        rank: The number of this process among those that share the samples.
        world_size: How many processes share them. Each sample goes to exactly one rank: rank r
            takes the positions r, r + world_size, … of the order. If the samples cannot be shared
            evenly, the first ranks have one more; with ``drop_last`` all ranks have equally many
            full batches.
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

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int,
        shuffle: bool = False,
        drop_last: bool = False,
        num_workers: int = 0,
        prefetch_factor: int | None = None,
        seed: int = 0,
        device: Device | str = "cpu",
        *,
        sampler: Iterable[int] | None = None,
        collate: Collate | None = None,
        rank: int = 0,
        world_size: int = 1,
        on_error: OnError = "raise",
    ) -> None:
        num_workers = _number("num_workers", num_workers, 0)
        if prefetch_factor is not None:
            prefetch_factor = _number("prefetch_factor", prefetch_factor, 1)
        seed = _number("seed", seed, 0)
        batch_size = _number("batch_size", batch_size, 1)
        world_size, rank = _number("world_size", world_size, 1), _number("rank", rank, 0)
        if sampler is not None and not hasattr(sampler, "__len__"):
            raise ArgumentError(
                f"the sampler must have a length and give its numbers anew in each epoch; a "
                f"{type(sampler).__name__} has none"
            )
        if shuffle and sampler is not None:
            raise ArgumentError("shuffle and sampler both give an order; take one of them")
        if collate is not None and not callable(collate):
            raise ArgumentError(f"collate must be a function, not {collate!r}")
        if not callable(on_error) and on_error not in ("raise", "skip"):
            raise ArgumentError(f'on_error must be "raise", "skip" or a function, not {on_error!r}')
        self.dataset = dataset
        self.device = Device(device)
        self._split = Split(batch_size, drop_last, rank, world_size)
        self._shuffle = shuffle
        self._num_workers = num_workers
        self._prefetch_factor = prefetch_factor
        self._seed = seed
        self._sampler = sampler
        self._collate = collate
        self._on_error = on_error
        self._pool = BufferPool(keep=num_workers * ((prefetch_factor or PREFETCH) + 1) + 2)
        self._start = Position()  # of the next iteration
        self._position: Position | None = None  # of the latest iteration
        self._stats = LoaderStats()
        len(self)

    def __len__(self) -> int:
        """The number of batches in an epoch of this rank."""
        return self._split.batches(self._samples())

    def _samples(self) -> int:
        """The samples of an epoch, of all ranks together."""
        return len(self.dataset if self._sampler is None else self._sampler)  # type: ignore[arg-type]

    def __iter__(self) -> LoaderIterator:
        """Begin the next epoch."""
        position = replace(self._start)
        order = self._order(position.epoch)
        end = self._split.batches(len(order))
        stop = StopFlag()
        fetcher = Fetcher(
            dataset=self.dataset,
            length=len(self.dataset),
            order=order,
            split=self._split,
            collate=self._collate,
            device=self.device,
            seed=self._seed,
            epoch=position.epoch,
            skips_errors=self._on_error != "raise",
            pool=self._pool,
            stop=stop,
        )
        self._stats = LoaderStats(position.epoch, self._num_workers)
        self._start, self._position = Position(position.epoch + 1), position
        source = self._source(fetcher, position.batch, end, stop)
        on_failure = self._on_error if callable(self._on_error) else None
        return LoaderIterator(source, end, position, self._stats, on_failure)

    def set_epoch(self, epoch: int) -> None:
        """Make the next iteration that of an epoch.

        If the next iteration is to go on within that epoch, after :meth:`load_state_dict`, it still
        does.

        Raises:
            ArgumentError: The number is negative or no integer.
        """
        epoch = _number("epoch", epoch, 0)
        if epoch != self._start.epoch:
            self._start, self._position = Position(epoch), None

    def state_dict(self) -> dict[str, Any]:
        """Where the loop is: a few numbers, whatever the size of the data set.

        Batches count when the loop has taken them; those that workers made ahead do not. After the
        last batch of an epoch the state stands at that epoch's end until the next one begins: a
        loader that goes on from it has an empty remainder, and then the next epoch. Any rank may
        load the state of any other.
        """
        return saved_state(self._position or self._start, self._identity())

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Make the next iteration go on where a loop was when its state was taken.

        Args:
            state: From :meth:`state_dict` of a loader of the same data set, seed, order and batch
                size; the number of workers may differ.

        Raises:
            LoaderStateError: The state belongs to something else.
        """
        most = replace(self._split, rank=0).batches(self._samples())
        self._start = loaded_position(state, self._identity(), most)
        self._position = None

    def stats(self) -> LoaderStats:
        """What was measured in the latest epoch, up to now."""
        return replace(self._stats)

    def _source(self, fetcher: Fetcher, first: int, end: int, stop: StopFlag) -> Source:
        workers = self._num_workers
        gathered = self._collate is None and gathers(self.dataset)
        share = sharing_for(
            self.dataset, self._split.batch_size, workers, self._prefetch_factor, gathered
        )
        if not workers or first >= end:
            return OwnThread(fetcher.several, end, share.group)
        parts = partial(fetcher.parts, count=share.parts)
        return Pipeline(parts, first, end, workers, share.room, share.group, stop)

    def _identity(self) -> Identity:
        """What a position is a position in."""
        return {
            "sampler": None if self._sampler is None else self._samples(),
            "seed": self._seed,
            "length": len(self.dataset),
            "shuffle": self._shuffle,
            "batch_size": self._split.batch_size,
            "drop_last": self._split.drop_last,
            "world_size": self._split.world_size,
        }

    def _order(self, epoch: int) -> Order:
        length = len(self.dataset)
        if self._sampler is not None:
            set_epoch = getattr(self._sampler, "set_epoch", None)
            if set_epoch is not None:
                set_epoch(epoch)
            return sampled_order(self._sampler, length)
        if self._shuffle:
            return shuffled_order(length, self._seed, epoch)
        return SequentialOrder(length)


def _number(name: str, value: int, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise ArgumentError(f"{name} must be an integer of at least {least}, not {value!r}")
    return int(value)
