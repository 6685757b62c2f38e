"""How many batches workers make at once and ahead."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rumus.data import (
    ArrayDataset,
    ConcatDataset,
    DataItem,
    DataLoader,
    Dataset,
    RecordDataset,
    RecordWriter,
    Subset,
)
from rumus.data._dataset import Indices
from rumus.data._group import Sharing, gathers, sharing_for


def arrays(sample_bytes: int, count: int = 4) -> ArrayDataset:
    return ArrayDataset(np.zeros((count, sample_bytes), np.uint8), np.zeros(count, np.uint8))


class Own:
    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> DataItem:
        raise OSError("cannot be read")


@pytest.mark.parametrize(
    ("batch_bytes", "prefetch"),
    [(1 << 10, 8), (1 << 18, 8), (1 << 20, 4), (1 << 21, 2), (1 << 23, 2)],
)
def test_more_small_batches_wait_unless_a_number_is_given(batch_bytes: int, prefetch: int) -> None:
    dataset = arrays(batch_bytes - 1)
    for workers in (1, 2, 4):
        most = min(workers * (prefetch + 1), (24 << 20) // batch_bytes)
        assert sharing_for(dataset, 1, workers, None, True).room == max(most, workers)
        assert sharing_for(dataset, 1, workers, 1, True).room == max(
            min(most, 2 * workers), workers
        )


def test_groups_fit_into_the_room_and_into_the_cache() -> None:
    for batch_bytes in (1, 1 << 10, 1 << 18, 1 << 20, 1 << 22, 1 << 24):
        for workers, prefetch in ((0, None), (1, None), (1, 1), (2, None), (2, 1), (8, 3)):
            share = sharing_for(arrays(batch_bytes), 1, workers, prefetch, True)
            assert 1 <= share.group and share.group * batch_bytes <= max(1 << 22, batch_bytes)
            assert not workers or share.group <= share.room


def mixed(tmp_path: Path) -> list[Dataset]:
    """Data sets whose samples differ in dtype from one place to another."""
    halves = np.arange(36, dtype="f2"), np.arange(36, dtype="i4") + 16777217
    floats = np.arange(36, dtype="f4"), np.arange(36, dtype="f4")
    paths = [tmp_path / name for name in ("a.rrec", "b.rrec", "old.rrec")]
    for path, pair in zip(paths, (halves, floats), strict=False):
        with RecordWriter(path) as writer:
            writer.append_batch(*pair)
    with RecordWriter(paths[2], version=1) as writer:
        for number in range(72):
            # padding makes these records equally long
            kind = "f2" if number % 14 < 9 else "f4"
            writer.append(np.full(1, number, kind), np.float32(number))
    arrays = ConcatDataset([ArrayDataset(*halves), ArrayDataset(*floats)])
    shards = RecordDataset(paths[:2])
    turned = Subset(shards, range(71, -1, -1))
    return [arrays, shards, turned, ConcatDataset([shards, arrays]), RecordDataset(paths[2])]


def seen(loader: DataLoader) -> list[tuple[object, ...]]:
    return [(b.input.dtype, b.target.dtype, b.input.tolist(), b.target.tolist()) for b in loader]


@pytest.mark.parametrize("shuffle", [False, True])
def test_a_batch_s_dtype_depends_on_its_own_samples_alone(tmp_path: Path, shuffle: bool) -> None:
    for dataset in mixed(tmp_path):
        expected = seen(DataLoader(dataset, 4, shuffle))
        single = [
            dataset.__getitems__(range(start, start + 4))  # type: ignore[attr-defined]
            for start in range(0, len(dataset), 4)
        ]
        if not shuffle:
            assert [b.input.dtype for b in single] == [kind for kind, *_ in expected]
        for workers, prefetch in ((1, None), (2, None), (2, 1), (4, 3)):
            loader = DataLoader(dataset, 4, shuffle, num_workers=workers, prefetch_factor=prefetch)
            assert seen(loader) == expected
        for taken in (1, 5, 9):
            running = iter(loader := DataLoader(dataset, 4, shuffle))
            for _ in range(taken):
                next(running)
            resumed = DataLoader(dataset, 4, shuffle, num_workers=2)
            resumed.load_state_dict(loader.state_dict())
            assert seen(resumed) == expected[taken:]


class Brighter(Subset):
    """Changes the batch path."""

    @property
    def __getitems__(self) -> Callable[[Indices], DataItem]:
        below = super().__getitems__

        def brighter(indices: Indices) -> DataItem:
            batch = below(indices)
            return DataItem(batch.input + 1000.0, batch.target)

        return brighter


class Shifted(ArrayDataset):
    """Changes the samples alone."""

    def __getitem__(self, index: int) -> DataItem:
        item = super().__getitem__(index)
        return DataItem(item.input + 1000.0, item.target)


@pytest.mark.parametrize("length", [3, 50_000])
@pytest.mark.parametrize("workers", [0, 1, 2])
def test_what_a_subclass_changes_is_what_comes_out(workers: int, length: int) -> None:
    values = np.zeros((64, length), np.float32)
    base = ArrayDataset(values, np.arange(64))
    for dataset in (Brighter(base, range(64)), Shifted(values, np.arange(64))):
        for wrapped in (dataset, Subset(dataset, range(64)), ConcatDataset([dataset])):
            loader = DataLoader(wrapped, 32, num_workers=workers)
            assert [float(b.input.numpy().min()) for b in loader] == [1000.0, 1000.0]


def test_other_data_sets_are_asked_batch_by_batch() -> None:
    assert not gathers(Own())
    assert sharing_for(Own(), 3, 4, None, False) == Sharing(1, 12, 1)
    assert sharing_for(Own(), 3, 4, 5, False) == Sharing(1, 24, 1)
    assert sharing_for(Own(), 3, 4, None, True) == Sharing(1, 12, 1)  # the loop gets the error
