"""A loader whose batches are cut into shards, which several processes share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Generic, Literal, Protocol

from ._errors import no_batch
from ._generic import B
from ._iterator import EpochIterator
from ._stats import LoaderStats


class Loader(Protocol):
    """The loader of all shards."""

    @property
    def dataset(self) -> Any:
        """The samples."""
        ...

    @property
    def epoch(self) -> int:
        """The epoch of the next iteration."""
        ...

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        ...

    def _begun(self, listed: bool) -> EpochIterator[Any]: ...

    def _looks(self) -> Iterator[list[Any]]: ...

    def set_epoch(self, epoch: int) -> None:
        """Make the next iteration that of an epoch."""
        ...

    def state_dict(self, at_end: Literal["next", "stay"] = "next") -> dict[str, Any]:
        """Where the loop is."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where a loop was."""
        ...

    def stats(self) -> LoaderStats:
        """What was measured."""
        ...


class ShardedLoader(Generic[B]):
    """The shards of a loader's batches that one process owns, a list a batch.

    Made by :meth:`DataLoader.sharded`. Each item is one batch of all processes together: a list of
    the parts that this process owns, in order, with None for a part that is empty or of which no
    sample could be read. All processes have equally many items, but of a stream: there a process
    ends when its parts have ended, and items without any sample keep their places until then.

    Attributes:
        shards: The numbers of the parts that this process owns.

    Example:
        >>> loader = DataLoader(ArrayDataset(np.arange(8), np.arange(8)), batch_size=4)
        >>> [[part.input.tolist() for part in batch] for batch in loader.sharded(2, 0, 1)]
        [[[0, 1], [2, 3]], [[4, 5], [6, 7]]]
    """

    def __init__(self, loader: Loader, shards: range) -> None:
        self._loader = loader
        self.shards = shards

    def __repr__(self) -> str:
        first, last = self.shards.start, self.shards.stop - 1
        return f"ShardedLoader(shards {first} to {last} of {self._loader!r})"

    @property
    def dataset(self) -> Any:
        """All samples, of which this process reads those of its parts."""
        return self._loader.dataset

    @property
    def epoch(self) -> int:
        """As :attr:`DataLoader.epoch`."""
        return self._loader.epoch

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        return len(self._loader)

    def __iter__(self) -> EpochIterator[list[B | None]]:
        """Begin the next epoch."""
        return self._loader._begun(listed=True)

    def peek(self) -> list[B | None]:
        """The first item of the next iteration, as :meth:`DataLoader.peek`.

        Raises:
            DatasetError: The next iteration has none.
        """
        for parts in self._loader._looks():
            return parts
        raise no_batch(self.epoch)

    def set_epoch(self, epoch: int) -> None:
        """As :meth:`DataLoader.set_epoch`."""
        self._loader.set_epoch(epoch)

    def state_dict(self, at_end: Literal["next", "stay"] = "next") -> dict[str, Any]:
        """As :meth:`DataLoader.state_dict`: the same for every process and number of shards."""
        return self._loader.state_dict(at_end)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """As :meth:`DataLoader.load_state_dict`."""
        self._loader.load_state_dict(state)

    def stats(self) -> LoaderStats:
        """As :meth:`DataLoader.stats`; each part counts as a batch."""
        return self._loader.stats()
