"""What data sets, samplers and arguments promise, and what comes of those that do not keep it."""

import itertools
from collections.abc import Callable, Iterator
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
    DatasetError,
    MapDataset,
    RecordDataset,
    RecordFormatError,
    RecordWriter,
    Subset,
    random_split,
)
from rumus.tensor import ArgumentError


def plain(length: int = 10) -> ArrayDataset:
    return ArrayDataset(np.arange(length), np.arange(length))


class Sampler:
    def __init__(self, length: int, numbers: Callable[[], Iterator[int]]) -> None:
        self.length, self.numbers = length, numbers

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[int]:
        return self.numbers()


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize(
    ("numbers", "given"),
    [
        (lambda: iter(range(5)), "gives 5"),
        (lambda: iter(range(7)), "gives more"),
        (lambda: itertools.cycle(range(3)), "gives more"),
        (lambda: iter(()), "gives 0"),
    ],
)
def test_a_sampler_gives_as_many_numbers_as_its_length_says(
    numbers: Callable[[], Iterator[int]], given: str, workers: int
) -> None:
    loader = DataLoader(plain(), 2, sampler=Sampler(6, numbers), num_workers=workers)
    with pytest.raises(ArgumentError, match=f"length is 6, and it {given}"):
        iter(loader)
    assert (loader.epoch, loader.state_dict()["batch"]) == (0, 0)


@pytest.mark.parametrize(
    "sampler",
    [[True, False], np.array([True, False]), [np.bool_(True)], np.array([2**64 - 1], np.uint64)],
)
def test_a_sampler_gives_no_booleans_and_nothing_that_wraps_around(sampler: Any) -> None:
    with pytest.raises(ArgumentError, match="sampler"):
        iter(DataLoader(plain(), 2, sampler=sampler))


def test_unsigned_numbers_are_numbers() -> None:
    sampler = np.array([3, 9, 0], np.uint64)
    (batch,) = DataLoader(plain(), 3, sampler=sampler)
    assert batch.target.tolist() == [3, 9, 0]
    assert Subset(plain(), sampler)[1].target.item() == 9
    assert plain().__getitems__(sampler).target.tolist() == [3, 9, 0]
    assert plain()[np.uint64(4)].target.item() == 4  # type: ignore[index]


BAD_INDICES: list[Any] = [
    [True, False],
    [1, True],
    np.ones(10, bool),
    [np.True_],
    [0.5],
    [[1, 2]],
    np.array(3),
    ["1"],
    [1 << 70],
    [[1], [2, 3]],
]


@pytest.mark.parametrize("indices", BAD_INDICES)
def test_indices_are_a_row_of_integers(indices: Any) -> None:
    for ask in (plain().__getitems__, lambda given: Subset(plain(), given)):
        with pytest.raises((ArgumentError, IndexError)):
            ask(indices)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint64, np.int64])
def test_indices_outside_are_named_whatever_their_dtype(dtype: npt.DTypeLike) -> None:
    with pytest.raises(IndexError, match="index 10 is outside"):
        Subset(plain(), np.array([3, 10], dtype))
    huge = np.array([2**64 - 1, 2**63], np.uint64)
    with pytest.raises(IndexError, match=str(2**64 - 1)):
        plain().__getitems__(huge)


@pytest.mark.parametrize("index", [True, np.False_, 0.0, "1", None])
def test_one_sample_has_an_integer_for_its_number(index: Any) -> None:
    for dataset in (plain(), Subset(plain(), [1]), ConcatDataset([plain()])):
        with pytest.raises(ArgumentError, match="numbered by integers"):
            dataset[index]


def test_a_subset_keeps_its_own_numbers() -> None:
    numbers = np.arange(5)
    subset = Subset(plain(), numbers)
    numbers[:] = 9
    assert [subset[k].target.item() for k in range(5)] == [0, 1, 2, 3, 4]


class Short:
    """A data set whose batches are not what was asked for."""

    def __init__(self, make: Callable[[npt.NDArray[np.intp]], Any]) -> None:
        self.make = make

    def __len__(self) -> int:
        return 10

    def __getitem__(self, index: int) -> DataItem:
        return DataItem(index, index)

    def __getitems__(self, indices: npt.NDArray[np.intp]) -> Any:
        return self.make(np.asarray(indices))


SHORT: list[tuple[Callable[[npt.NDArray[np.intp]], Any], str]] = [
    (lambda n: DataItem(n[:-1], n[:-1]), r"inputs of shape \(3,\)"),
    (lambda n: DataItem(n, n[:-1]), r"targets of shape \(3,\)"),
    (lambda n: DataItem(np.append(n, 0), np.append(n, 0)), r"inputs of shape \(5,\)"),
    (lambda n: DataItem(n, 0), r"targets of shape \(\)"),
    (lambda n: (n, n[1:]), r"\[1\] of shape \(3,\)"),
    (lambda n: {"x": [n], "y": 3}, r"y of shape \(\)"),
    (lambda n: n[1:], r"is of shape \(3,\)"),
    (lambda n: None, "is a NoneType"),
]


@pytest.mark.parametrize("on_error", ["raise", "skip"])
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize(("make", "said"), SHORT)
def test_a_batch_has_as_many_samples_as_were_asked_for(
    make: Callable[[npt.NDArray[np.intp]], Any], said: str, workers: int, on_error: Any
) -> None:
    short = Short(make)
    same: list[Callable[[Dataset], Dataset]] = [
        lambda d: d,
        lambda d: MapDataset(d, lambda item: item, batched=True),
    ]
    for wrap in same:
        loader = DataLoader(wrap(short), 4, num_workers=workers)
        with pytest.raises(DatasetError, match=said):
            list(loader)
    for wrapped in (MapDataset(short, lambda item: item), ConcatDataset([short, short])):
        with pytest.raises(DatasetError, match=r"is a NoneType|were asked for"):
            list(DataLoader(wrapped, 4, num_workers=workers))


@pytest.mark.parametrize("workers", [0, 2])
def test_a_torn_first_record_of_version_1_is_the_business_of_its_batch(
    tmp_path: Path, workers: int
) -> None:
    path = tmp_path / "a.rrec"
    with RecordWriter(path, version=1) as writer:
        for number in range(20):
            writer.append(np.full(3, number, np.float32), np.float32(number))
    torn = bytearray(path.read_bytes())
    torn[64:68] = b"\xff" * 4  # the number of axes of the first record
    path.write_bytes(torn)
    dataset = RecordDataset(path)
    skipping = DataLoader(dataset, 5, num_workers=workers, on_error="skip")
    assert [n for b in skipping for n in b.target.tolist()] == list(range(1, 20))
    with pytest.raises(RecordFormatError, match="record 0"):
        list(DataLoader(dataset, 5, num_workers=workers))
    rest = DataLoader(Subset(dataset, range(1, 20)), 5, num_workers=workers)
    assert [n for b in rest for n in b.target.tolist()] == list(range(1, 20))


def test_notes_of_the_loader_do_not_pile_up() -> None:
    torn = OSError("torn")
    torn.add_note("the user's own")

    class Cached:
        def __len__(self) -> int:
            return 3

        def __getitem__(self, index: int) -> DataItem:
            raise torn

    loader = DataLoader(Cached(), 2)
    for _ in range(5):
        with pytest.raises(OSError, match="torn"):
            list(loader)
    assert torn.__notes__ == [
        "the user's own",
        "while the loader made sample 0, batch 0 of epoch 4",
    ]


ARGUMENTS: list[tuple[Callable[[Dataset], object], str]] = [
    (lambda d: DataLoader(d, 2, shuffle="yes"), "shuffle must be True or False, not 'yes'"),  # type: ignore[call-overload]
    (lambda d: DataLoader(d, 2, 1), "shuffle"),  # type: ignore[call-overload]
    (lambda d: DataLoader(d, 2, drop_last="no"), "drop_last"),  # type: ignore[call-overload]
    (lambda d: DataLoader(d, 2, drop_last=None), "drop_last"),  # type: ignore[call-overload]
    (lambda d: DataLoader(d, 2, seed=2**64), "seed"),
    (lambda d: DataLoader(d, 2, seed=True), "seed"),
    (lambda d: DataLoader(d, 2, num_workers=True), "num_workers"),
    (lambda d: DataLoader(d, 2, num_workers=1.0), "num_workers"),  # type: ignore[call-overload]
    (lambda d: DataLoader(d, "2"), "batch_size"),  # type: ignore[call-overload]
    (lambda d: DataLoader(d, 2, rank=-1), "rank"),
    (lambda d: DataLoader(d, 2, sampler=5), "sampler"),  # type: ignore[call-overload]
    (lambda d: DataLoader(d, 2, on_error=None), "on_error"),  # type: ignore[call-overload]
    (lambda d: DataLoader(5, 2), "dataset must have __len__"),  # type: ignore[call-overload]
    (lambda d: DataLoader(None, 2), "dataset must have __len__"),  # type: ignore[call-overload]
    (lambda d: DataLoader(d, 2).set_epoch(True), "epoch"),
    (lambda d: DataLoader(d, 2).state_dict("end"), "at_end"),  # type: ignore[arg-type]
    (lambda d: Subset(3, [0]), "dataset"),  # type: ignore[arg-type]
    (lambda d: MapDataset(3, lambda item: item), "dataset"),  # type: ignore[arg-type]
    (lambda d: MapDataset(d, lambda item: item, batched="no"), "batched"),  # type: ignore[arg-type]
    (lambda d: ConcatDataset(d), "list of at least one"),  # type: ignore[arg-type]
    (lambda d: ConcatDataset([d, 3]), "each of datasets"),  # type: ignore[list-item]
    (lambda d: random_split(d, [5, 5], seed=True), "seed"),
    (lambda d: random_split(d, [5, 5], seed=2**64), "seed"),
    (lambda d: random_split(d, [True, 9]), "lengths"),
    (lambda d: random_split(d, [float("inf"), 0.0]), "lengths"),
    (lambda d: random_split(3, [1.0]), "dataset"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("make", "said"), ARGUMENTS)
def test_arguments_are_right_or_refused(make: Callable[[Dataset], object], said: str) -> None:
    with pytest.raises(ArgumentError, match=said):
        make(plain())


@pytest.mark.parametrize(
    ("samples", "shares", "expected"),
    [
        (100, [0.7, 0.29, 0.01], [70, 29, 1]),
        (10, [0.5, 0.0, 0.5], [5, 0, 5]),
        (11, [0.0, 0.5, 0.5], [0, 6, 5]),
        (3, [0.0, 1.0], [0, 3]),
        (7, [0, 1], [0, 7]),
        (10, [1 / 3, 1 / 3, 1 / 3], [4, 3, 3]),
        (1, [0.1, 0.2, 0.7], [0, 0, 1]),
        (0, [0.5, 0.5], [0, 0]),
        (1000, [0.8, 0.1, 0.1], [800, 100, 100]),
        (10, [0.15, 0.85], [2, 8]),
        (50, np.array([0.7, 0.29, 0.01], np.float32), [35, 15, 0]),
    ],
)
def test_shares_are_rounded_by_the_largest_remainders(
    samples: int, shares: Any, expected: list[int]
) -> None:
    parts = random_split(plain(samples), shares)
    assert [len(part) for part in parts] == expected
    seen = [int(part[k].target.item()) for part in parts for k in range(len(part))]
    assert sorted(seen) == list(range(samples))
