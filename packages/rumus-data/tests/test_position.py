"""Where a loader is: looks ahead, other numbers of ranks, states of rumus-data 0.1."""

import copy
import gc
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rumus.data import (
    ArrayDataset,
    DataItem,
    DataLoader,
    DatasetError,
    LoaderStateError,
    MapDataset,
    RecordDataset,
    RecordWriter,
)


def plain(length: int = 50) -> ArrayDataset:
    return ArrayDataset(np.arange(length), np.arange(length))


def loader(**options: Any) -> DataLoader:
    return DataLoader(plain(), **{"batch_size": 8, "shuffle": True, "seed": 5, **options})


def targets(it: DataLoader) -> list[list[int]]:
    return [batch.target.tolist() for batch in it]


@pytest.mark.parametrize("workers", [0, 2])
def test_set_epoch_within_a_loop_leaves_the_loop_s_position(workers: int) -> None:
    it = loader(num_workers=workers)
    whole = [targets(loader()) for _ in range(1)]
    seen = []
    for number, batch in enumerate(it):
        seen.append(batch.target.tolist())
        if number == 2:
            it.set_epoch(7)
            assert (it.epoch, it.state_dict()["epoch"], it.state_dict()["batch"]) == (7, 0, 3)
        if number == 3:
            state = it.state_dict()
    assert seen == whole[0]
    assert (it.state_dict()["epoch"], it.state_dict()["batch"]) == (7, 0)
    resumed = loader()
    resumed.load_state_dict(state)
    assert targets(resumed) == whole[0][4:]


def test_set_epoch_after_a_loop_that_was_left_is_where_the_loader_is() -> None:
    it = loader()
    for _ in it:
        break
    assert (it.state_dict()["epoch"], it.state_dict()["batch"]) == (0, 1)
    it.set_epoch(3)
    assert (it.state_dict()["epoch"], it.state_dict()["batch"]) == (3, 0)
    for _ in it:
        break
    it.set_epoch(it.epoch)
    assert (it.state_dict()["epoch"], it.state_dict()["batch"]) == (4, 0)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_look_moves_nothing(workers: int) -> None:
    it, other = loader(num_workers=workers), loader()
    state = it.state_dict()
    first = it.peek().target.tolist()
    assert it.peek().target.tolist() == first
    assert (it.state_dict(), it.epoch, it.stats().batches) == (state, 0, 0)
    assert targets(it) == targets(other)
    assert it.peek().target.tolist() == loader_at(1).peek().target.tolist()
    running = iter(it)
    next(running)
    state = it.state_dict()
    assert it.peek().target.tolist() == loader_at(2).peek().target.tolist()
    assert it.state_dict() == state
    resumed = loader()
    resumed.load_state_dict(state)
    assert resumed.peek().target.tolist() == next(running).target.tolist()


def loader_at(epoch: int) -> DataLoader:
    it = loader()
    it.set_epoch(epoch)
    return it


def test_a_look_at_a_sampler_is_the_beginning_of_its_epoch() -> None:
    class Moving:
        reads = 0

        def __len__(self) -> int:
            return 4

        def __iter__(self) -> Iterator[int]:
            self.reads += 1
            return iter([self.reads + k for k in range(4)])

    it = loader(shuffle=False, sampler=Moving())
    assert it.peek().target.tolist() == [1, 2, 3, 4]
    assert targets(it) == [[1, 2, 3, 4]]
    assert targets(it) == [[2, 3, 4, 5]]


def test_a_look_where_nothing_is_says_so_and_bad_samples_are_passed_over() -> None:
    with pytest.raises(DatasetError, match="no batch to look at"):
        DataLoader(plain(0), 4).peek()

    class Torn:
        def __len__(self) -> int:
            return 9

        def __getitem__(self, index: int) -> DataItem:
            if index < 5:
                raise OSError("torn")
            return DataItem(index, index)

    heard: list[int] = []
    it = DataLoader(Torn(), 4, on_error=lambda index, error: heard.append(index))
    assert it.peek().target.tolist() == [5, 6, 7]
    assert heard == []
    with pytest.raises(OSError, match="torn"):
        DataLoader(Torn(), 4).peek()
    assert it.state_dict()["batch"] == 0


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))]
)
def test_a_copy_of_a_loader_is_where_it_is(copied: Callable[[DataLoader], DataLoader]) -> None:
    it = DataLoader(ArrayDataset(np.zeros((40, 9000)), np.arange(40)), 8, shuffle=True)
    whole = targets(DataLoader(it.dataset, 8, shuffle=True))
    assert targets(copied(it)) == whole
    running = iter(it)
    kept = [next(running) for _ in range(2)]
    other = copied(it)
    assert other.state_dict() == it.state_dict()
    other.load_state_dict(it.state_dict())
    assert [batch.target.tolist() for batch in kept] + targets(other) == whole
    assert [batch.target.tolist() for batch in running] == whole[2:]


@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_another_number_of_ranks_goes_on_where_the_first_was(ranks: int, drop_last: bool) -> None:
    whole = targets(loader(batch_size=8, drop_last=drop_last))
    saved = loader(batch_size=4, world_size=2, rank=1, drop_last=drop_last)
    running = iter(saved)
    for _ in range(3):
        next(running)
    assert "world_size" not in saved.state_dict()
    seen: list[int] = []
    for rank in range(ranks):
        it = loader(batch_size=8 // ranks, world_size=ranks, rank=rank, drop_last=drop_last)
        it.load_state_dict(saved.state_dict())
        seen += [n for batch in targets(it) for n in batch]
    assert sorted(seen) == sorted(n for batch in whole[3:] for n in batch)


def first_version(epoch: int, batch: int, **changes: Any) -> dict[str, Any]:
    """A state as rumus-data 0.1 saved it."""
    return {
        "version": 1,
        "epoch": epoch,
        "batch": batch,
        "skipped": 0,
        "sampler": None,
        "seed": 5,
        "length": 50,
        "shuffle": True,
        "batch_size": 8,
        "drop_last": False,
        "world_size": 1,
        **changes,
    }


def first_order(epoch: int) -> list[int]:
    """The shuffle of rumus-data 0.1, as its tests described it."""
    order = np.arange(50)
    sequence = np.random.SeedSequence([5, epoch])
    np.random.Generator(np.random.PCG64(sequence)).shuffle(order)
    return order.tolist()


@pytest.mark.parametrize("workers", [0, 2])
def test_an_epoch_that_the_first_version_began_ends_in_its_order(workers: int) -> None:
    order = first_order(3)
    it = loader(num_workers=workers)
    it.load_state_dict(first_version(3, 2))
    running = iter(it)
    seen = [next(running).target.tolist() for _ in range(2)]
    again = loader(num_workers=workers)
    again.load_state_dict(it.state_dict())
    seen += targets(again)
    assert [n for batch in seen for n in batch] == order[16:]
    assert targets(again) == targets(loader_at(4))
    assert again.state_dict()["version"] == 2

    ranks = []
    for rank in range(2):
        half = loader(batch_size=4, world_size=2, rank=rank)
        half.load_state_dict(first_version(3, 2, batch_size=4, world_size=2))
        ranks.append([n for batch in targets(half) for n in batch])
    assert ranks == [order[16::2], order[17::2]]


def test_random_numbers_too_are_those_of_the_first_version() -> None:
    def drawn(item: DataItem, rng: np.random.Generator) -> DataItem:
        return DataItem(np.float32(rng.random()), item.target)

    it = DataLoader(MapDataset(plain(), drawn), 8, shuffle=True, seed=5)
    it.load_state_dict(first_version(1, 1))
    for batch in it:
        for value, index in zip(batch.input.tolist(), batch.target.tolist(), strict=True):
            sequence = np.random.SeedSequence([5, 1, index])
            expected = np.random.Generator(np.random.PCG64(sequence)).random()
            assert value == np.float32(expected)


def test_ends_and_beginnings_of_the_first_version() -> None:
    it = loader()
    it.load_state_dict(first_version(1, 7))
    assert it.epoch == 1
    assert targets(it) == []
    assert targets(it) == targets(loader_at(2))
    it.load_state_dict(first_version(1, 0))
    assert targets(it) == targets(loader_at(1))


@pytest.mark.parametrize(
    "changes",
    [{"seed": 6}, {"world_size": 2}, {"batch_size": "8"}, {"batch": 8}, {"length": 49}],
)
def test_a_state_of_the_first_version_of_something_else_is_refused(changes: dict[str, Any]) -> None:
    it = loader()
    with pytest.raises(LoaderStateError):
        it.load_state_dict({**first_version(1, 2), **changes})
    assert it.epoch == 0
    with pytest.raises(LoaderStateError, match="lacks"):
        it.load_state_dict({"version": 1})


KEPT: list[Callable[[Path], Any]] = [
    lambda path: RecordDataset(path),
    lambda path: ArrayDataset(np.zeros((6400, 300), np.float32), np.arange(6400)),
    lambda path: ArrayDataset(np.zeros((6400, 30), np.float32), np.arange(6400)),
    lambda path: ArrayDataset(np.zeros((6400, 300), np.float64), np.arange(6400)),
]


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("make", KEPT)
def test_small_batches_that_are_kept_hold_their_own_memory(
    make: Callable[[Path], Any], workers: int, tmp_path: Path
) -> None:
    with RecordWriter(tmp_path / "a.rrec") as writer:
        writer.append_batch(np.zeros((6400, 300), np.float32), np.arange(6400))
    it = DataLoader(make(tmp_path / "a.rrec"), 64, num_workers=workers, shuffle=True)
    alone = [next(iter(it)).input for _ in range(3)]
    assert held(alone) <= 2 * sum(part.array.nbytes for part in alone)
    kept = []
    for _ in range(8):
        kept += [batch.input[3:] for number, batch in enumerate(it) if number % 8 == 5]
    del it
    gc.collect()
    assert len(kept) == 96
    assert held(kept) <= 1.6 * 64 / 61 * sum(part.array.nbytes for part in kept)


def held(tensors: list[Any]) -> int:
    """The bytes of the arrays that own the tensors' memory."""
    owners = {}
    for tensor in tensors:
        array = tensor.array
        while isinstance(array.base, np.ndarray):
            array = array.base
        owners[id(array)] = array.nbytes
    return sum(owners.values())
