"""Random numbers belong to a purpose: no two of them share a stream."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

import numpy as np
import numpy.typing as npt
import pytest

from rumus.data import (
    ArrayDataset,
    ConcatDataset,
    DataItem,
    DataLoader,
    Dataset,
    DatasetError,
    MapDataset,
    Subset,
    random_split,
    sample_generator,
)
from rumus.tensor import ArgumentError

Floats = npt.NDArray[np.float32]


def drawn(item: DataItem, rng: np.random.Generator) -> DataItem:
    return DataItem(np.float32(rng.random()), item.target)


def drawn_batch(batch: DataItem, rngs: list[np.random.Generator]) -> DataItem:
    return DataItem(np.array([rng.random() for rng in rngs], np.float32), batch.target)


class Items:
    """The samples of another data set, one by one."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self.parts = (dataset,)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> DataItem:
        return self.dataset[index]


class Asking:
    """Asks for each sample's numbers itself."""

    def __init__(self, length: int) -> None:
        self.length = length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> DataItem:
        return DataItem(np.float32(sample_generator(index).random()), index)


class AskingBatches(Asking):
    def __getitems__(self, indices: npt.NDArray[np.intp]) -> DataItem:
        values = [sample_generator(int(index)).random() for index in indices]
        return DataItem(np.array(values, np.float32), indices)


def plain(length: int) -> ArrayDataset:
    return ArrayDataset(np.zeros(length), np.arange(length))


def epoch(loader: DataLoader) -> Floats:
    return np.concatenate([batch.input.numpy() for batch in loader])


def test_the_first_sample_s_numbers_are_not_the_shuffle_s() -> None:
    loader = DataLoader(plain(1000), 1000, shuffle=True, seed=4)
    (order,) = (batch.target.tolist() for batch in loader)
    mine: list[int] = []

    def shuffled(item: DataItem, rng: np.random.Generator) -> DataItem:
        mine.extend(rng.permutation(1000).tolist())
        return item

    next(iter(DataLoader(MapDataset(plain(1), shuffled), 1, seed=4)))
    assert sum(a == b for a, b in zip(order, mine, strict=True)) < 20


def test_a_split_is_no_shuffle_of_the_same_seed() -> None:
    (part,) = random_split(plain(1000), [1.0], seed=4)
    split = [int(part[k].target.item()) for k in range(1000)]
    assert sorted(split) == list(range(1000))
    (order,) = (b.target.tolist() for b in DataLoader(plain(1000), 1000, shuffle=True, seed=4))
    assert sum(a == b for a, b in zip(order, split, strict=True)) < 20


REPEATED: list[Callable[[], tuple[Dataset, list[int]]]] = [
    lambda: (MapDataset(plain(3), drawn), [0, 1, 1, 2, 0, 0] * 20),
    lambda: (MapDataset(Items(plain(3)), drawn), [0, 1, 1, 2, 0, 0] * 20),
    lambda: (MapDataset(plain(3), drawn_batch, batched=True), [0, 1, 1, 2, 0, 0] * 20),
    lambda: (Asking(3), [0, 1, 1, 2, 0, 0] * 20),
    lambda: (AskingBatches(3), [0, 1, 1, 2, 0, 0] * 20),
    lambda: (Subset(MapDataset(plain(3), drawn), [0, 1, 1, 2, 0, 0] * 20), list(range(120))),
    lambda: (
        Subset(MapDataset(plain(3), drawn_batch, batched=True), [0, 1, 1] * 40),
        list(range(120)),
    ),
    lambda: (Items(Subset(MapDataset(plain(3), drawn), [0, 1, 1] * 40)), list(range(120))),
    lambda: (ConcatDataset([MapDataset(plain(3), drawn)] * 40), list(range(120))),
    lambda: (ConcatDataset([MapDataset(Items(plain(3)), drawn)] * 40), list(range(120))),
    lambda: (ConcatDataset([Asking(3)] * 40), list(range(120))),
]


@pytest.mark.parametrize("make", REPEATED)
def test_a_sample_that_comes_again_has_other_numbers_for_any_number_of_workers(
    make: Callable[[], tuple[Dataset, list[int]]],
) -> None:
    dataset, sampler = make()
    alone = DataLoader(dataset, 7, seed=1, sampler=sampler)
    epochs = [epoch(alone) for _ in range(2)]
    assert len(np.unique(np.concatenate(epochs))) == 240
    for workers in (1, 3):
        many = DataLoader(dataset, 7, seed=1, sampler=sampler, num_workers=workers)
        for expected in epochs:
            np.testing.assert_array_equal(epoch(many), expected)
    resumed = DataLoader(dataset, 7, seed=1, sampler=sampler, num_workers=2)
    running = iter(alone)
    for _ in range(5):
        next(running)
    resumed.load_state_dict(alone.state_dict())
    whole = DataLoader(dataset, 7, seed=1, sampler=sampler)
    whole.set_epoch(2)
    np.testing.assert_array_equal(epoch(resumed), epoch(whole)[35:])


def test_ranks_share_the_occurrences_of_a_sample() -> None:
    dataset, sampler = MapDataset(plain(2), drawn), [0] * 12
    whole = epoch(DataLoader(dataset, 4, sampler=sampler))
    for rank in range(2):
        mine = epoch(DataLoader(dataset, 2, sampler=sampler, rank=rank, world_size=2))
        np.testing.assert_array_equal(mine, whole[rank::2])


def test_samples_that_come_once_have_the_same_numbers_in_any_order() -> None:
    dataset = MapDataset(plain(64), drawn)
    straight = epoch(DataLoader(dataset, 8, seed=2))
    for batch in DataLoader(dataset, 5, shuffle=True, seed=2):
        np.testing.assert_array_equal(batch.input.numpy(), straight[batch.target.numpy()])


def test_a_partner_of_a_sample_has_numbers_of_its_own() -> None:
    below = MapDataset(plain(10), drawn)

    class Mixed(Items):
        def __getitem__(self, index: int) -> DataItem:
            one, other = self.dataset[index], self.dataset[(index + 1) % 10]
            return DataItem(np.array([one.input.item(), other.input.item()]), index)

    values = epoch(DataLoader(Mixed(below), 5))
    assert len(np.unique(values)) == 20


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("context", [False, True])
def test_the_threads_of_a_transform_have_the_loader_s_epoch(workers: int, context: bool) -> None:
    with ThreadPoolExecutor(3) as pool:

        class Pooled(Asking):
            def __getitem__(self, index: int) -> DataItem:
                def draw() -> float:
                    return float(sample_generator(index).random())

                work = (copy_context().run, draw) if context else (draw,)
                return DataItem(np.float32(pool.submit(*work).result()), index)

        loader = DataLoader(Pooled(24), 4, seed=3, num_workers=workers)
        first, second = epoch(loader), epoch(loader)
        assert len(np.unique([first, second])) == 48
        expected = DataLoader(Asking(24), 4, seed=3)
        np.testing.assert_array_equal(first, epoch(expected))
        np.testing.assert_array_equal(second, epoch(expected))


def test_a_thread_that_cannot_know_its_epoch_is_told_so() -> None:
    inner = DataLoader(Asking(1), 1, seed=8)
    with ThreadPoolExecutor(1) as pool:

        class Nested(Asking):
            def __getitem__(self, index: int) -> DataItem:
                class Below(Asking):
                    def __getitem__(self, index: int) -> DataItem:
                        value = pool.submit(lambda: sample_generator(index).random()).result()
                        return DataItem(np.float32(value), index)

                return next(iter(DataLoader(Below(1), 1, seed=inner._sources.seed)))

        with pytest.raises(DatasetError, match="copy_context"):
            list(DataLoader(Nested(1), 1, seed=9))


@pytest.mark.parametrize("arguments", [(-1,), (0, -1), (0.5,), ("a",)])
def test_a_sample_has_a_number(arguments: tuple[int, ...]) -> None:
    with pytest.raises(ArgumentError):
        sample_generator(*arguments)
