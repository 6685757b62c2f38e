"""Large batches, which two workers copy together."""

import gc
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rumus.data import (
    ArrayDataset,
    ConcatDataset,
    DataLoader,
    Dataset,
    RecordCorruptError,
    RecordDataset,
    RecordWriter,
    Subset,
)
from rumus.data._dataset import Indices
from rumus.data._open_batch import OpenBatch

COUNT, BATCH, LENGTH = 45, 11, 500_000  # bytes of a sample: a batch is over 4 MiB
VALUES = np.random.default_rng(0).integers(256, size=(COUNT, LENGTH), dtype=np.uint8)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with RecordWriter(tmp_path / "a.rrec") as writer:
        writer.append_batch(VALUES, np.arange(COUNT))
    return tmp_path / "a.rrec"


def data_sets(path: Path) -> list[Dataset]:
    records = RecordDataset(path)
    arrays = ArrayDataset(VALUES, np.arange(COUNT))
    return [records, arrays, Subset(records, range(COUNT)), ConcatDataset([arrays])]


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_they_hold_their_samples_and_do_not_change_while_somebody_can_see_them(
    path: Path, workers: int
) -> None:
    for dataset in data_sets(path):
        alone = DataLoader(dataset, BATCH, shuffle=True, seed=5)
        loader = DataLoader(dataset, BATCH, shuffle=True, seed=5, num_workers=workers)
        for _ in range(2):
            order = np.concatenate([batch.target.numpy() for batch in alone])
            batches = list(loader)
            assert [batch.input.shape[0] for batch in batches] == [11, 11, 11, 11, 1]
            np.testing.assert_array_equal(np.concatenate([b.target.array for b in batches]), order)
            for batch in batches:
                np.testing.assert_array_equal(batch.input.array, VALUES[batch.target.array])


@pytest.fixture
def fills(monkeypatch: pytest.MonkeyPatch) -> list[tuple[OpenBatch, slice]]:
    """Every part of a batch that was filled."""
    done: list[tuple[OpenBatch, slice]] = []
    opened = ArrayDataset.open_batch

    def open_batch(self: ArrayDataset, indices: Indices) -> OpenBatch | None:
        batch = opened(self, indices)
        assert batch is not None

        def fill(part: slice) -> None:
            done.append((batch, part))
            batch.fill(part)

        return OpenBatch(batch.columns, fill)

    monkeypatch.setattr(ArrayDataset, "open_batch", open_batch)
    return done


def test_each_half_is_filled_once(fills: list[tuple[OpenBatch, slice]]) -> None:
    dataset = ArrayDataset(VALUES, np.arange(COUNT))
    assert len(list(DataLoader(dataset, BATCH, num_workers=2))) == 5
    parts = sorted((part.start, part.stop) for _, part in fills)
    assert parts == sorted([(0, 5), (5, 11)] * 4 + [(0, 1)])


def test_two_threads_fill_one_batch_at_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    both = threading.Barrier(2, timeout=10)
    opened = ArrayDataset.open_batch

    def open_batch(self: ArrayDataset, indices: Indices) -> OpenBatch | None:
        batch = opened(self, indices)
        assert batch is not None

        def fill(part: slice) -> None:
            if indices[0] == 0:
                both.wait()
            batch.fill(part)

        return OpenBatch(batch.columns, fill)

    monkeypatch.setattr(ArrayDataset, "open_batch", open_batch)
    dataset = ArrayDataset(VALUES, np.arange(COUNT))
    assert len(list(DataLoader(dataset, BATCH, num_workers=2))) == 5
    assert not both.broken


@pytest.mark.parametrize("bad", [22, 32])
def test_a_damaged_record_is_named_behind_the_batches_before_it(path: Path, bad: int) -> None:
    data = bytearray(path.read_bytes())
    data[data.index(VALUES[bad, :64].tobytes())] ^= 1
    path.write_bytes(data)
    seen: list[int] = []
    with pytest.raises(RecordCorruptError, match=f"record {bad} ") as caught:
        for batch in DataLoader(RecordDataset(path), BATCH, num_workers=2):
            seen.extend(batch.target.array.tolist())
    assert seen == list(range(22))
    assert f"sample {bad}, batch 2 of epoch 0" in caught.value.__notes__[0]
    skipping = DataLoader(RecordDataset(path), BATCH, num_workers=2, on_error="skip")
    kept = [n for batch in skipping for n in batch.target.array.tolist()]
    assert kept == [n for n in range(COUNT) if n != bad]


def test_labels_that_fit_no_tensor_are_an_error() -> None:
    dataset = ArrayDataset(VALUES, np.arange(COUNT) << 40)
    with pytest.raises(ValueError, match="the target of batch 0 of epoch 0"):
        next(iter(DataLoader(dataset, BATCH, num_workers=2)))


@pytest.mark.parametrize("leave", [lambda loop: loop.close(), lambda loop: list(loop)])
def test_no_memory_is_held_when_a_loop_is_over(leave: Callable[..., object]) -> None:
    dataset = ArrayDataset(VALUES, np.arange(COUNT))
    loop = iter(DataLoader(dataset, BATCH, num_workers=2))
    next(loop)
    leave(loop)
    gc.collect()
    assert not dataset._pool._leases


def test_a_loop_goes_on_from_any_batch(path: Path) -> None:
    dataset = RecordDataset(path)
    expected = [b.target.array.tolist() for b in DataLoader(dataset, BATCH, True, seed=1)]
    for taken in range(6):
        first = DataLoader(dataset, BATCH, True, seed=1, num_workers=2)
        loop = iter(first)
        got = [next(loop).target.array.tolist() for _ in range(taken)]
        second = DataLoader(dataset, BATCH, True, seed=1, num_workers=3)
        second.load_state_dict(first.state_dict(at_end="stay"))
        loop.close()
        got += [batch.target.array.tolist() for batch in second]
        assert got == expected
