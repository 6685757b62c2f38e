"""What comes out of the loop, whatever works behind it."""

import gc
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from rumus import gpu
from rumus.data import (
    ArrayDataset,
    ConcatDataset,
    DataItem,
    DataLoader,
    Dataset,
    DatasetError,
    MapDataset,
    RecordCorruptError,
    RecordDataset,
    RecordWriter,
    Subset,
    random_split,
)
from rumus.tensor import ArgumentError, DTypeError, ShapeError, Tensor, tree

Contents = list[tuple[npt.NDArray[np.generic], npt.NDArray[np.generic]]]


class Squares:
    """Sample i is (i, i²), item by item."""

    def __init__(self, length: int = 103) -> None:
        self.length = length
        self.threads: set[threading.Thread] = set()

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> DataItem:
        self.threads.add(threading.current_thread())
        return DataItem(np.full((2, 3), index, np.float32), index * index)


def contents(loader: DataLoader) -> Contents:
    return [(batch.input.numpy(), batch.target.numpy()) for batch in loader]


def assert_same(one: Contents, other: Contents) -> None:
    assert len(one) == len(other)
    for (x, y), (v, w) in zip(one, other, strict=True):
        np.testing.assert_array_equal(x, v)
        np.testing.assert_array_equal(y, w)
        assert (x.dtype, y.dtype) == (v.dtype, w.dtype)


@pytest.mark.parametrize("workers", [1, 2, 4, 8])
@pytest.mark.parametrize("prefetch", [1, 2, 5])
def test_batches_are_the_same_for_any_number_of_workers(workers: int, prefetch: int) -> None:
    for dataset in (Squares(), ArrayDataset(np.arange(103), np.arange(103) ** 2)):
        alone = DataLoader(dataset, 8, shuffle=True, seed=3)
        many = DataLoader(
            dataset, 8, shuffle=True, seed=3, num_workers=workers, prefetch_factor=prefetch
        )
        for _ in range(3):
            assert_same(contents(alone), contents(many))


def test_without_workers_everything_runs_on_the_calling_thread() -> None:
    dataset = Squares()
    contents(DataLoader(dataset, 10))
    assert dataset.threads == {threading.current_thread()}
    dataset.threads.clear()
    contents(DataLoader(dataset, 10, num_workers=2))
    assert threading.current_thread() not in dataset.threads


def test_a_batch_stacks_its_samples() -> None:
    batches = contents(DataLoader(Squares(10), 4))

    assert [x.shape for x, _ in batches] == [(4, 2, 3), (4, 2, 3), (2, 2, 3)]
    np.testing.assert_array_equal(batches[1][0][2], np.full((2, 3), 6))
    assert batches[2][1].tolist() == [64, 81]
    assert len(contents(DataLoader(Squares(10), 4, drop_last=True))) == 2


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (np.float64, np.float32),
        (np.float32, np.float32),
        (np.float16, np.float16),
        (np.int64, np.int32),
        (np.int8, np.int32),
        (np.uint16, np.int32),
        (np.uint8, np.uint8),
        (np.bool_, np.bool_),
        (">f4", np.float32),
        (">i4", np.int32),
    ],
)
def test_dtypes_become_those_of_tensors(given: npt.DTypeLike, expected: npt.DTypeLike) -> None:
    values = np.array([[0, 1], [1, 0]], given)
    by_batch = ArrayDataset(values, values)

    class ByItem:
        def __len__(self) -> int:
            return 2

        def __getitem__(self, index: int) -> DataItem:
            return by_batch[index]

    for dataset in (by_batch, ByItem()):
        (batch,) = DataLoader(dataset, 2)
        assert batch.input.dtype == np.dtype(expected)
        assert batch.input.numpy().tolist() == [[0, 1], [1, 0]]


def test_what_no_tensor_can_hold_is_an_error() -> None:
    for values in (np.zeros(2, complex), np.array(["a", "b"]), np.zeros(2, "M8[s]"), [{}, None]):
        with pytest.raises(DTypeError, match="the input of batch 0 of epoch 0: dtype"):
            list(DataLoader(ArrayDataset(np.asarray(values), np.arange(2)), 2))
    with pytest.raises(
        ArgumentError, match=r"target of batch 0 of epoch 0: 2147483648 of dtype int64"
    ):
        list(DataLoader(ArrayDataset(np.arange(2), np.array([0, 2**31])), 2))


def test_samples_of_different_shape_are_named() -> None:
    class Ragged(Squares):
        def __getitem__(self, index: int) -> DataItem:
            return DataItem(np.zeros(4 if index == 5 else 3), 0)

    message = r"inputs of a batch differ in shape: sample 4 has \(3,\), sample 5 has \(4,\)"
    for workers in (0, 2):
        with pytest.raises(ShapeError, match=message):
            contents(DataLoader(Ragged(12), 4, num_workers=workers))


class Stored(Squares):
    """Samples as they are given."""

    def __init__(self, samples: list[npt.NDArray[np.generic]]) -> None:
        super().__init__(len(samples))
        self.samples = samples

    def __getitem__(self, index: int) -> DataItem:
        return DataItem(self.samples[index], self.samples[index].size)


@pytest.mark.parametrize("size", [0, 3, 90])  # 90 × 90 numbers are copied array by array
@pytest.mark.parametrize("dtype", ["f4", "f2", "u1", "?", ">i4", "i8"])
def test_samples_of_any_memory_layout_are_stacked(size: int, dtype: str) -> None:
    values = np.random.default_rng(0).integers(2, size=(6, size, size)).astype(dtype)
    contiguous = list(values)
    for samples in (contiguous, [x.T for x in contiguous], [x[::-1] for x in contiguous]):
        (batch,) = DataLoader(Stored(samples), 6)
        np.testing.assert_array_equal(batch.input.numpy(), samples)


@pytest.mark.parametrize(
    ("dtype", "advice"),
    [("O", ""), ("M8[s]", ".* days of dates"), ("U4", ".* numbers of names"), ("V0", "")],
)
def test_samples_that_are_no_numbers_are_refused(dtype: str, advice: str) -> None:
    with pytest.raises(DTypeError, match="fits no tensor" + advice):
        contents(DataLoader(Stored([np.empty(2, dtype)] * 4), 4))


def test_a_batch_is_a_tree() -> None:
    (batch,) = DataLoader(Squares(3), 3)
    leaves, structure = tree.flatten({"batch": batch})
    assert [leaf.shape for leaf in leaves] == [(3, 2, 3), (3,)]
    halves = tree.unflatten(structure, [leaf * 0.5 for leaf in leaves])["batch"]
    assert isinstance(halves, DataItem)
    np.testing.assert_array_equal(halves.target.numpy(), [0, 0.5, 2])
    assert tree.flatten(DataItem(np.zeros(2), 1))[1] == tree.flatten(batch)[1]


@pytest.mark.gpu
def test_a_captured_step_takes_a_batch() -> None:
    loader = DataLoader(ArrayDataset(np.arange(12.0), np.arange(12)), 4, device="gpu")
    step = gpu.capture(lambda batch: batch.input * 2.0 + batch.target)
    for _ in range(2):
        seen = [step(batch).tolist() for batch in loader]
        assert [value for batch in seen for value in batch] == [3.0 * k for k in range(12)]


def test_a_collate_of_the_user_gets_samples() -> None:
    def pad(items: list[DataItem]) -> DataItem:
        longest = max(item.input.shape[0] for item in items)
        x = np.zeros((len(items), longest), np.float32)
        for k, item in enumerate(items):
            x[k, : item.input.shape[0]] = item.input.numpy()
        return DataItem(x, np.array([item.target.item() for item in items]))

    class Ragged(Squares):
        def __getitem__(self, index: int) -> DataItem:
            return DataItem(np.full(index, index), index)

    for workers in (0, 2):
        loader = DataLoader(Ragged(7), 3, collate=pad, num_workers=workers)
        assert [x.shape for x, _ in contents(loader)] == [(3, 2), (3, 5), (1, 6)]
        both = DataLoader(ArrayDataset(np.ones((7, 2)), np.arange(7)), 3, collate=pad)
        assert [x.shape for x, _ in contents(both)] == [(3, 2), (3, 2), (1, 2)]


def test_what_is_no_sample_is_refused() -> None:
    with pytest.raises(DatasetError, match="sample 0 is a NoneType; a sample is a DataItem, or"):
        list(DataLoader(Things(lambda i: None), 4))
    with pytest.raises(DatasetError, match=r"sample 0, at a\[1\], is a NoneType"):
        list(DataLoader(Things(lambda i: {"a": (i, None)}), 4))
    with pytest.raises(DatasetError, match="sample 0 is a tuple with nothing in it"):
        list(DataLoader(Things(lambda i: ()), 4))
    with pytest.raises(DatasetError, match="collate of Squares is a NoneType"):
        list(DataLoader(Squares(), 4, collate=lambda items: None))


def test_no_batch_changes_while_somebody_can_see_it(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(400, 200, 20)).astype(np.float32)
    path = tmp_path / "a.rrec"
    with RecordWriter(path) as writer:
        writer.append_batch(values, np.arange(400))

    class Items(Squares):
        def __getitem__(self, index: int) -> DataItem:
            return DataItem(values[index], index)

    for dataset in (RecordDataset(path), ArrayDataset(values, np.arange(400)), Items(400)):
        for workers in (0, 2):
            kept: list[tuple[Tensor, npt.NDArray[np.generic]]] = []
            loader = DataLoader(dataset, 16, shuffle=True, num_workers=workers)
            for number, batch in enumerate(loader):
                wanted = values[batch.target.numpy()]
                np.testing.assert_array_equal(batch.input.numpy(), wanted)
                if number % 3 == 0:  # keep a view of the batch, and not the batch
                    kept.append((batch.input[2:5], wanted[2:5]))
            del batch
            gc.collect()
            for view, wanted in kept:
                np.testing.assert_array_equal(view.numpy(), wanted)


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_gathered_together_are_those_gathered_alone(tmp_path: Path, workers: int) -> None:
    values = np.random.default_rng(0).normal(size=(300, 7)).astype(np.float32)
    with RecordWriter(tmp_path / "a.rrec") as writer:
        writer.append_batch(values, np.arange(300))

    class Alone(RecordDataset):
        """A subclass is asked batch by batch."""

        def __getitems__(self, indices: npt.NDArray[np.intp]) -> Any:  # type: ignore[override]
            assert len(indices) <= 16
            return super().__getitems__(indices)

    records = RecordDataset(tmp_path / "a.rrec")
    arrays = ArrayDataset(values, np.arange(300))
    whole = Subset(ConcatDataset([records, arrays]), range(300))
    expected = contents(DataLoader(Alone(tmp_path / "a.rrec"), 16, shuffle=True))
    for dataset in (records, arrays, whole):
        loader = DataLoader(dataset, 16, shuffle=True, num_workers=workers, prefetch_factor=4)
        assert_same(contents(loader), expected)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_damaged_record_comes_out_behind_the_batches_before_it(
    tmp_path: Path, workers: int
) -> None:
    path = tmp_path / "a.rrec"
    with RecordWriter(path) as writer:
        writer.append_batch(np.zeros((300, 7), np.float32), np.arange(300))
    data = bytearray(path.read_bytes())
    data[128 + 128 * 77] ^= 1
    path.write_bytes(data)
    seen: list[int] = []
    loader = DataLoader(RecordDataset(path), 10, num_workers=workers, prefetch_factor=4)
    with pytest.raises(RecordCorruptError, match="record 77"):
        for batch in loader:
            seen.extend(batch.target.numpy().tolist())
    assert seen == list(range(70))
    skipping = DataLoader(RecordDataset(path), 10, num_workers=workers, on_error="skip")
    kept = [n for batch in skipping for n in batch.target.numpy().tolist()]
    assert kept == [n for n in range(300) if n != 77]


def test_memory_is_used_again_when_nobody_sees_it() -> None:
    dataset = ArrayDataset(np.zeros((3200, 5000), np.float32), np.arange(3200))
    addresses = {batch.input.array.ctypes.data for batch in DataLoader(dataset, 160)}
    assert len(addresses) <= 3


@pytest.mark.parametrize("shift", [0, 16, 36])
def test_a_large_batch_begins_within_a_cache_line_as_the_samples_do(shift: int) -> None:
    memory = np.zeros(64 * 4096 + 128, np.uint8)
    start = -memory.ctypes.data % 64 + shift
    samples = memory[start : start + 64 * 4096].view(np.float32).reshape(64, 1024)
    samples[:] = np.arange(64)[:, None]
    for workers in (0, 2):
        for batch in DataLoader(ArrayDataset(samples, np.arange(64)), 32, num_workers=workers):
            assert batch.input.array.ctypes.data % 64 == shift
            np.testing.assert_array_equal(batch.input.array[:, 9], batch.target.array)


@pytest.mark.parametrize(("workers", "prefetch"), [(1, 1), (2, 2), (3, 1), (4, 3)])
def test_no_more_batches_than_asked_are_made_ahead(workers: int, prefetch: int) -> None:
    class Counted(Squares):
        begun = 0
        lock = threading.Lock()

        def __getitem__(self, index: int) -> DataItem:
            with self.lock:
                self.begun += 1
            return super().__getitem__(index)

    dataset = Counted(400)
    loader = DataLoader(dataset, 1, num_workers=workers, prefetch_factor=prefetch)
    for taken, _ in enumerate(loader, start=1):
        if taken % 50 == 1:
            time.sleep(0.02)
        assert dataset.begun <= taken + workers * prefetch + workers


@pytest.mark.parametrize(("workers", "prefetch"), [(1, 4), (2, 2), (4, 1)])
def test_large_gathers_are_ahead_by_what_a_cache_holds(workers: int, prefetch: int) -> None:
    samples = np.zeros((96, 1 << 18), np.float32)
    dataset = ArrayDataset(samples, np.arange(96))
    loader = DataLoader(dataset, 8, num_workers=workers, prefetch_factor=prefetch)  # of 8 MiB
    for _ in loader:
        time.sleep(0.01)
    assert loader.stats().queue_depth <= 4
    assert loader.stats().batches == 12


def test_workers_read_at_the_same_time() -> None:
    together = threading.Barrier(4, timeout=30)

    class Waiting(Squares):
        def __getitem__(self, index: int) -> DataItem:
            together.wait()  # breaks unless four threads are here at once
            return super().__getitem__(index)

    assert len(contents(DataLoader(Waiting(40), 2, num_workers=4))) == 20


@pytest.mark.parametrize("workers", [0, 2])
def test_an_empty_data_set_has_no_batches(workers: int) -> None:
    loader = DataLoader(Squares(0), 4, shuffle=True, num_workers=workers)
    assert (len(loader), contents(loader)) == (0, [])


@pytest.mark.parametrize("workers", [0, 2])
def test_a_data_set_whose_length_changes_is_an_error(workers: int) -> None:
    dataset = Squares(100)
    loader = DataLoader(dataset, 1, num_workers=workers)
    with pytest.raises(DatasetError, match="had 100 samples when epoch 0 began and has 99 now"):
        for _ in loader:
            dataset.length = 99
    assert len(contents(loader)) == 99


def test_stats_say_where_the_time_went() -> None:
    class Slow(Squares):
        def __getitem__(self, index: int) -> DataItem:
            time.sleep(0.001)
            return super().__getitem__(index)

    loader = DataLoader(Slow(60), 10, num_workers=1)
    assert "nothing measured" in loader.stats().bottleneck
    contents(loader)
    stats = loader.stats()
    assert (stats.epoch, stats.batches, stats.samples, stats.skipped) == (0, 6, 60, 0)
    assert stats.fetch_seconds >= 0.06
    assert stats.wait_seconds > 0.5 * stats.elapsed_seconds
    assert stats.bottleneck.startswith("reading samples")

    fast = DataLoader(Squares(60), 10, num_workers=2)
    for _ in fast:
        time.sleep(0.01)
    assert "loop's own work" in fast.stats().bottleneck
    assert 0 < fast.stats().queue_depth <= 4


@pytest.mark.gpu
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_batches_go_to_the_gpu_as_they_are(
    tmp_path: Path, workers: int, dtype: npt.DTypeLike
) -> None:
    values = np.random.default_rng(0).integers(256, size=(50, 3, 5)).astype(dtype)
    with RecordWriter(tmp_path / "a.rrec") as writer:
        writer.append_batch(values, np.arange(50))
    for dataset in (ArrayDataset(values, np.arange(50)), RecordDataset(tmp_path / "a.rrec")):
        loader = DataLoader(dataset, 8, device="gpu", num_workers=workers, shuffle=True)
        seen = 0
        for batch in loader:
            assert str(batch.input.device) == str(batch.target.device) == "gpu:0"
            assert (batch.input.dtype, batch.target.dtype) == (np.dtype(dtype), np.int32)
            np.testing.assert_array_equal(batch.input.numpy(), values[batch.target.numpy()])
            seen += len(batch.target)
        assert seen == 50


class Things:
    """Samples from a function."""

    def __init__(self, make: Callable[[int], Any]) -> None:
        self.make = make

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> Any:
        return self.make(index)


STRANGE: list[tuple[Callable[[int], DataItem], type[Exception], str]] = [
    (lambda i: DataItem(np.array([None] * 5000, object), i), DTypeError, "object"),
    (lambda i: DataItem(i, np.array([None] * 5000, object)), DTypeError, "object"),
    (lambda i: DataItem(np.datetime64(i, "s") if i else np.float32(1), i), DTypeError, "common"),
    (lambda i: DataItem([[1], [1, 2]], i), ShapeError, "regular"),  # type: ignore[arg-type]
    (lambda i: DataItem((i, i), i), ArgumentError, "sample of more arrays is a tuple"),  # type: ignore[arg-type]
    (lambda i: DataItem({"a": i}, i), ArgumentError, "array was expected and a dict given"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize(("make", "kind", "said"), STRANGE)
def test_samples_that_no_batch_can_be_made_of_get_our_errors(
    make: Callable[[int], DataItem], kind: type[Exception], said: str, workers: int
) -> None:
    with pytest.raises(kind, match=said):
        list(DataLoader(Things(make), 4, num_workers=workers))


def test_empty_samples_of_different_dtypes_are_stacked() -> None:
    kinds = ("f4", "f8")
    dataset = Things(lambda i: DataItem(np.zeros((3, 0), kinds[i % 2]), i))
    assert [batch.input.shape for batch in DataLoader(dataset, 4)] == [(4, 3, 0)] * 2


BAD: list[tuple[Callable[[DataItem], object], str]] = [
    (lambda item: {"x": item.input, "y": len}, ", at y, is a builtin"),
    (lambda item: None, " is a NoneType"),
    (lambda item: [], " is a list with nothing in it"),
]


@pytest.mark.parametrize("batched", [False, True])
@pytest.mark.parametrize(("transform", "said"), BAD)
def test_a_transform_that_gives_no_sample_is_named(
    transform: Callable[[DataItem], DataItem], said: str, batched: bool
) -> None:
    dataset = MapDataset(ArrayDataset(np.zeros(8), np.zeros(8)), transform, batched)
    with pytest.raises(DatasetError, match=f"transform of a MapDataset gave{said}"):
        list(DataLoader(dataset, 4))
    with pytest.raises(DatasetError, match=f"transform of a MapDataset gave{said}"):
        dataset[0]


def test_a_negative_index_is_the_same_sample_with_random_numbers_too() -> None:
    def noisy(item: DataItem, rng: np.random.Generator) -> DataItem:
        return DataItem(item.input + float(rng.random()), item.target)

    dataset = MapDataset(ArrayDataset(np.zeros(8), np.zeros(8)), noisy)
    assert dataset[-1].input.item() == dataset[7].input.item() != 0
    with pytest.raises(IndexError):
        dataset[8]


ARGUMENTS: list[tuple[Callable[[Dataset], object], str]] = [
    (lambda d: random_split(d, [4, 4], seed=-1), "seed"),
    (lambda d: random_split(d, [4, 4], seed=0.5), "seed"),  # type: ignore[arg-type]
    (lambda d: random_split(d, [float("nan"), 4]), "lengths"),
    (lambda d: random_split(d, ["4", "4"]), "lengths"),  # type: ignore[list-item]
    (lambda d: random_split(d, [3.5, 5]), "lengths"),
    (lambda d: Subset(d, np.arange(8) > 3), "flatnonzero"),  # type: ignore[arg-type]
    (lambda d: Subset(d, [0.5, 1.5]), "integers"),  # type: ignore[list-item]
    (lambda d: d.__getitems__([0.5]), "integers"),  # type: ignore[attr-defined]
    (lambda d: list(DataLoader(d, 2, sampler=[1.5, 2.5])), "1.5"),  # type: ignore[list-item]
    (lambda d: list(DataLoader(d, 2, sampler=["3"])), "'3'"),  # type: ignore[list-item]
    (lambda d: list(DataLoader(d, 2, sampler=[1 << 80])), "large"),
    (lambda d: DataLoader(d, True), "batch_size"),
    (lambda d: DataLoader(d, 2, collate=3), "collate"),  # type: ignore[call-overload]
]


@pytest.mark.parametrize(("make", "said"), ARGUMENTS)
def test_arguments_outside_their_range_are_named(
    make: Callable[[Dataset], object], said: str
) -> None:
    with pytest.raises(ArgumentError, match=said):
        make(ArrayDataset(np.zeros(8), np.zeros(8)))


def test_an_error_of_the_sampler_comes_out_as_itself() -> None:
    class Sampler:
        def __len__(self) -> int:
            return 3

        def __iter__(self) -> Iterator[int]:
            raise ValueError("the sampler's own")

    with pytest.raises(ValueError, match="the sampler's own") as caught:
        list(DataLoader(ArrayDataset(np.zeros(8), np.zeros(8)), 2, sampler=Sampler()))
    assert type(caught.value) is ValueError


def test_numbers_of_numpy_are_numbers() -> None:
    dataset = ArrayDataset(np.zeros(8), np.arange(8))
    loader = DataLoader(dataset, np.int64(4), seed=np.uint8(3))  # type: ignore[call-overload]
    assert len(list(loader)) == 2
    json.dumps(loader.state_dict())
