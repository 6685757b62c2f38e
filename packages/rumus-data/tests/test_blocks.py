"""Data sets made of data sets."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from rumus.data import (
    ArrayDataset,
    ConcatDataset,
    DataItem,
    DataLoader,
    Dataset,
    MapDataset,
    RecordDataset,
    RecordWriter,
    Subset,
    random_split,
    sample_generator,
)
from rumus.tensor import ArgumentError, Generator, ShapeError, Tensor


class Counting:
    """An array data set that counts how it is asked."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self.items = self.batches = 0

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> DataItem:
        self.items += 1
        return self.dataset[index]

    def __getitems__(self, indices: npt.NDArray[np.intp]) -> DataItem:
        self.batches += 1
        return self.dataset.__getitems__(indices)  # type: ignore[attr-defined, no-any-return]


class ItemsOnly:
    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> DataItem:
        return self.dataset[index]


def numbers(count: int = 100, start: int = 0) -> ArrayDataset:
    values = np.arange(start, start + count)
    return ArrayDataset(np.repeat(values.astype(np.float32)[:, None], 3, axis=1), values)


def targets(dataset: Dataset, workers: int = 0) -> list[int]:
    loader = DataLoader(dataset, 7, num_workers=workers)
    return [n for batch in loader for n in batch.target.numpy().tolist()]


def inputs(dataset: Dataset, **options: Any) -> npt.NDArray[np.float32]:
    loader = DataLoader(dataset, 7, **options)
    return np.concatenate([batch.input.numpy() for batch in loader])


def test_an_array_data_set_copies_nothing() -> None:
    values = np.zeros((5, 4), np.float32)
    dataset = ArrayDataset(values, np.arange(5))
    values[3] = 7
    assert dataset[3].input.numpy().tolist() == [7] * 4
    assert np.shares_memory(dataset[3].input.array, values)
    assert dataset[-1].target.item() == 4
    with pytest.raises(IndexError, match="index 5 is outside a data set of 5"):
        dataset[5]
    with pytest.raises(IndexError):
        dataset.__getitems__(np.array([1, 5]))


def test_arrays_of_different_length_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"\(5, 2\).*\(4,\) differ"):
        ArrayDataset(np.zeros((5, 2)), np.zeros(4))
    with pytest.raises(ShapeError, match="first axis"):
        ArrayDataset(np.zeros(()), np.zeros(4))
    assert len(ArrayDataset(Tensor([[1.0], [2.0]]), Tensor([1, 2]))) == 2


@pytest.mark.parametrize("bytes_per_sample", [4, 40_000])
def test_large_and_small_batches_are_gathered_alike(bytes_per_sample: int) -> None:
    values = np.random.default_rng(0).normal(size=(50, bytes_per_sample // 4)).astype(np.float32)
    wanted = np.array([3, -1, 3, 0])
    batch = ArrayDataset(values, values).__getitems__(wanted)
    np.testing.assert_array_equal(batch.input.numpy(), values[wanted])
    backwards = ArrayDataset(values[::-1], values).__getitems__(wanted)
    np.testing.assert_array_equal(backwards.input.numpy(), values[::-1][wanted])


def test_a_subset_and_a_concatenation_keep_the_batch_path() -> None:
    below = Counting(numbers(50)), Counting(numbers(30, start=50))
    both = ConcatDataset(below)
    assert targets(both) == list(range(80))
    assert targets(Subset(both, range(79, -1, -3))) == list(range(79, -1, -3))
    assert [part.items for part in below] == [0, 0]
    assert all(part.batches > 0 for part in below)


@pytest.mark.parametrize("workers", [0, 2])
def test_they_also_work_item_by_item(workers: int) -> None:
    both = ConcatDataset([ItemsOnly(numbers(50)), numbers(30, start=50)])
    assert not hasattr(both, "__getitems__")
    assert not hasattr(Subset(both, [1]), "__getitems__")
    assert not hasattr(MapDataset(both, lambda item: item), "__getitems__")
    assert targets(both, workers) == list(range(80))
    assert targets(Subset(both, [70, 3]), workers) == [70, 3]
    assert both[-1].target.item() == 79


def test_indices_outside_are_refused() -> None:
    with pytest.raises(IndexError, match="index 100 is outside"):
        Subset(numbers(), [5, 100])
    with pytest.raises(IndexError, match="index 100 is outside"):
        ConcatDataset([numbers()])[100]
    with pytest.raises(ArgumentError):
        ConcatDataset([])


def test_shards_and_arrays_of_different_dtype_are_put_together(tmp_path: Path) -> None:
    with RecordWriter(tmp_path / "a.rrec") as writer:
        writer.append_batch(np.zeros((10, 3), np.float16), np.arange(10, dtype=np.uint8))
    both = ConcatDataset([RecordDataset(tmp_path / "a.rrec"), numbers(10, start=10)])
    assert targets(both) == list(range(20))


def test_a_random_split_is_a_partition_that_depends_on_the_seed() -> None:
    parts = random_split(numbers(), [50, 30, 20], seed=1)
    together = [targets(part) for part in parts]
    assert [len(part) for part in parts] == [50, 30, 20]
    assert sorted(n for part in together for n in part) == list(range(100))
    assert [targets(part) for part in random_split(numbers(), [50, 30, 20], seed=1)] == together
    assert [targets(part) for part in random_split(numbers(), [50, 30, 20], seed=2)] != together


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [([0.8, 0.2], [81, 20]), ([1 / 3, 1 / 3, 1 / 3], [34, 34, 33]), ([1.0], [101]), ([101], [101])],
)
def test_shares_are_rounded_so_that_nothing_is_left(lengths: Any, expected: list[int]) -> None:
    assert [len(part) for part in random_split(numbers(101), lengths)] == expected


@pytest.mark.parametrize("lengths", [[50, 49], [150, -50], [0.5, 0.4], [], [1.5, -0.5]])
def test_lengths_that_do_not_add_up_are_refused(lengths: Any) -> None:
    with pytest.raises(ArgumentError, match="add up to"):
        random_split(numbers(100), lengths)


def negated(item: DataItem) -> DataItem:
    return DataItem(-item.input, item.target)


def jittered(item: DataItem, rng: np.random.Generator) -> DataItem:
    return DataItem(item.input.numpy() + rng.random(3, np.float32), item.target)


def jittered_batch(batch: DataItem, rngs: list[np.random.Generator]) -> DataItem:
    noise = np.stack([rng.random(3, np.float32) for rng in rngs])
    return DataItem(batch.input.numpy() + noise, batch.target)


def test_a_transform_keeps_the_batch_path() -> None:
    below = Counting(numbers())
    assert (inputs(MapDataset(below, negated)) == -inputs(numbers())).all()
    assert (inputs(MapDataset(below, negated, batched=True)) == -inputs(numbers())).all()
    assert below.items == 0
    assert MapDataset(below, negated, batched=True)[3].input.numpy().tolist() == [-3] * 3


def sample_stream(seed: int, epoch: int, index: int) -> np.random.Generator:
    key = Generator(seed).derive("sample", epoch, index, 0).state()[0]
    sequence = np.random.SeedSequence(key, spawn_key=(index, 0))
    return np.random.Generator(np.random.PCG64(sequence))


def test_a_random_transform_depends_on_seed_epoch_and_index_alone() -> None:
    plain = inputs(numbers())
    for epoch, loader_epoch in enumerate([0, 1]):
        expected = np.stack([sample_stream(9, epoch, k).random(3, np.float32) for k in range(100)])
        for dataset in (
            MapDataset(numbers(), jittered),
            MapDataset(ItemsOnly(numbers()), jittered),
            MapDataset(numbers(), jittered_batch, batched=True),
            Subset(MapDataset(numbers(), jittered), range(100)),
        ):
            for workers in (0, 1, 3):
                loader = DataLoader(dataset, 7, seed=9, num_workers=workers)
                loader.set_epoch(loader_epoch)
                mine = np.concatenate([batch.input.numpy() for batch in loader])
                np.testing.assert_array_equal(mine, plain + expected)


def test_random_transforms_on_top_of_each_other_draw_independently() -> None:
    once = MapDataset(ItemsOnly(numbers()), jittered)
    twice = MapDataset(Subset(once, range(100)), jittered)
    noise, both = inputs(once) - inputs(numbers()), inputs(twice) - inputs(numbers())
    assert not np.allclose(both, 2 * noise)
    np.testing.assert_array_equal(inputs(twice, num_workers=3), inputs(twice))


def test_outside_of_a_loader_the_seed_and_the_epoch_are_0() -> None:
    expected = sample_stream(0, 0, 5).random(3)
    np.testing.assert_array_equal(sample_generator(5).random(3), expected)
    list(DataLoader(numbers(), 7, seed=4))
    np.testing.assert_array_equal(sample_generator(5).random(3), expected)


def test_a_transform_must_be_a_function() -> None:
    with pytest.raises(ArgumentError, match="must be a function"):
        MapDataset(numbers(), 3)  # type: ignore[arg-type]
