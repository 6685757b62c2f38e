"""Samples and batches of any structure."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

from rumus.data import (
    ArrayDataset,
    ConcatDataset,
    DataItem,
    DataLoader,
    DatasetError,
    MapDataset,
    Subset,
    random_split,
    to_device,
)
from rumus.tensor import ArgumentError, DTypeError, ShapeError, Tensor, float32, int32, tree, uint8


class Point(NamedTuple):
    x: Any
    y: Any


class Samples:
    """Samples from a function."""

    def __init__(self, make: Callable[[int], Any], length: int = 7) -> None:
        self.make, self.length = make, length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Any:
        return self.make(index)


def nested(i: int) -> dict[str, Any]:
    return {
        "image": np.full((2, 3), i, np.uint8),
        "pair": (float(i), [np.float64(i), Point(i, np.array([i, i + 1]))]),
        "id": f"sample {i}",
    }


def plain(value: Any) -> Any:
    """A tree with lists in the place of tensors and arrays."""
    return tree.map(lambda x: x.tolist() if isinstance(x, Tensor | np.ndarray) else x, value)


def expected(numbers: list[int]) -> dict[str, Any]:
    return {
        "image": [[[n] * 3] * 2 for n in numbers],
        "pair": (
            [float(n) for n in numbers],
            [[float(n) for n in numbers], Point(numbers, [[n, n + 1] for n in numbers])],
        ),
        "id": [f"sample {n}" for n in numbers],
    }


@pytest.mark.parametrize("workers", [0, 2])
def test_a_batch_has_the_structure_of_its_samples(workers: int) -> None:
    batches: list[Any] = list(DataLoader(Samples(nested), 3, num_workers=workers))
    assert [plain(batch) for batch in batches] == [
        expected([0, 1, 2]),
        expected([3, 4, 5]),
        expected([6]),
    ]
    pair = batches[0]["pair"]
    assert batches[0]["image"].dtype == uint8
    assert pair[0].dtype == float32
    assert isinstance(pair[1][1], Point)
    assert pair[1][1].x.dtype == int32


@pytest.mark.parametrize(
    ("make", "given"),
    [
        (lambda i: (i, 2 * i), ([0, 1], [0, 2])),
        (lambda i: [i, 2 * i], [[0, 1], [0, 2]]),
        (lambda i: Point(i, 2.5), Point([0, 1], [2.5, 2.5])),
        (lambda i: i, [0, 1]),
        (lambda i: f"{i}", ["0", "1"]),
        (lambda i: b"%d" % i, [b"0", b"1"]),
        (lambda i: Tensor.from_array(np.array([i], np.int32)), [[0], [1]]),
        (lambda i: {"a": DataItem(i, i + 1), "b": i > 0}, None),
    ],
)
def test_samples_may_be_anything_that_is_made_of_arrays_numbers_and_text(
    make: Callable[[int], Any], given: Any
) -> None:
    batch: Any
    (batch,) = DataLoader(Samples(make, 2), 2)
    if given is None:
        assert isinstance(batch["a"], DataItem)
        assert batch["a"].target.tolist() == [1, 2]
        assert batch["b"].tolist() == [False, True]
    else:
        assert type(batch) is type(given) or isinstance(batch, Tensor)
        assert plain(batch) == given


def differing(first: Any, other: Any) -> Samples:
    return Samples(lambda i: other if i == 5 else first)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize(
    ("dataset", "kind", "said"),
    [
        (
            differing({"a": [np.zeros(3)]}, {"a": [np.zeros((3, 2))]}),
            ShapeError,
            r"the values of a\[0\] of a batch differ in shape: sample 0 has \(3,\), sample 5 has "
            r"\(3, 2\); .*pad_collate",
        ),
        (
            differing({"a": 1, "b": 2}, {"a": 1}),
            DatasetError,
            "of samples 0 and 5, one has the keys 'a', 'b', the other 'a'",
        ),
        (
            differing((1, (2, 3)), (1, (2,))),
            DatasetError,
            r"of samples 0 and 5, \[1\] has 2 parts, the other 1",
        ),
        (
            differing({"p": Point(1, 2)}, {"p": Point(1, (2,))}),
            DatasetError,
            "p.y is a leaf, the other a tuple",
        ),
        (differing({"t": 1}, {"t": "one"}), DTypeError, "values of t .* text and something else"),
        (
            differing({"t": np.float32(1)}, {"t": np.datetime64(1, "s")}),
            DTypeError,
            "values of t of a batch have dtypes without a common one",
        ),
        (
            differing({"t": 1}, {"t": 1 << 31}),
            ArgumentError,
            "the t of batch 0 of epoch 0: 2147483648 .* does not fit int32",
        ),
    ],
)
def test_what_does_not_fit_together_is_named_by_its_path(
    dataset: Samples, kind: type[Exception], said: str, workers: int
) -> None:
    with pytest.raises(kind, match=said):
        list(DataLoader(dataset, 7, num_workers=workers))


def people(count: int = 7) -> dict[str, Any]:
    numbers = np.arange(count)
    return {
        "age": numbers,
        "box": (numbers * 2.0, np.stack([numbers] * 2, 1)),
        "name": names(count),
    }


def names(count: int) -> np.ndarray[Any, Any]:
    return np.array([f"name {k}" for k in range(count)])


def of_people(numbers: list[int]) -> dict[str, Any]:
    return {
        "age": numbers,
        "box": ([n * 2.0 for n in numbers], [[n, n] for n in numbers]),
        "name": [f"name {n}" for n in numbers],
    }


@pytest.mark.parametrize("workers", [0, 2])
def test_arrays_in_memory_may_be_a_tree(workers: int) -> None:
    dataset = ArrayDataset(people())
    assert (len(dataset), dataset[2]["name"], dataset[-1]["box"][1].tolist()) == (
        7,
        "name 2",
        [6, 6],
    )
    (batch,) = DataLoader(dataset, 7, num_workers=workers)
    assert plain(batch) == of_people(list(range(7)))
    (single,) = DataLoader(ArrayDataset(np.arange(3)), 3)
    assert single.tolist() == [0, 1, 2]
    with pytest.raises(ShapeError, match=r"b\[0\] of shape \(3,\) differ in the number"):
        ArrayDataset({"a": np.zeros(2), "b": [np.zeros(3)]})
    with pytest.raises(ShapeError, match="b needs a first axis"):
        ArrayDataset({"a": np.zeros(2), "b": 3})


@pytest.mark.parametrize("workers", [0, 2])
def test_parts_of_data_sets_keep_the_structure(workers: int) -> None:
    dataset = ArrayDataset(people(6))
    whole: list[Any] = [
        Subset(dataset, [4, 1, 0]),
        ConcatDataset([Subset(dataset, [4, 1]), dataset]),
        ConcatDataset([Samples(lambda i: dataset[4 - 3 * i], 2), dataset]),
        ConcatDataset([MapDataset(Subset(dataset, [4, 1]), lambda sample: sample), dataset]),
    ]
    for parts in whole:
        batch = next(iter(DataLoader(parts, 3, num_workers=workers)))
        assert plain(batch) == of_people([4, 1, 0])
    first, second = random_split(dataset, [4, 2])
    both = [next(iter(DataLoader(part, 4)))["age"].tolist() for part in (first, second)]
    assert sorted(both[0] + both[1]) == list(range(6))


@pytest.mark.parametrize("batched", [False, True])
@pytest.mark.parametrize("workers", [0, 2])
def test_transforms_take_and_give_trees(batched: bool, workers: int) -> None:
    def change(sample: dict[str, Any]) -> tuple[Any, Any]:
        return sample["name"], {"double": sample["age"] * 2, "box": sample["box"]}

    for dataset in (ArrayDataset(people()), Samples(lambda i: ArrayDataset(people())[i])):
        changed = MapDataset(dataset, change, batched)
        (batch,) = DataLoader(changed, 7, num_workers=workers)
        assert list(batch[0]) == [f"name {n}" for n in range(7)]
        assert batch[1]["double"].tolist() == list(range(0, 14, 2))
        assert changed[3][1]["double"] == 6
        assert changed[3][0] == "name 3"


def test_random_transforms_of_trees_are_the_same_for_any_number_of_workers() -> None:
    def noisy(sample: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        return {**sample, "noise": rng.random()}

    dataset: MapDataset[dict[str, Any]] = MapDataset(ArrayDataset(people(20)), noisy)
    runs = [
        [b["noise"].tolist() for b in DataLoader(dataset, 3, shuffle=True, num_workers=w)]
        for w in (0, 1, 3)
    ]
    assert runs[0] == runs[1] == runs[2]
    assert len({n for batch in runs[0] for n in batch}) == 20


def test_batches_of_several_gathers_are_those_gathered_alone() -> None:
    arrays = {
        "x": np.arange(4000.0).reshape(1000, 4),
        "y": (np.arange(1000) % 256).astype(np.uint8),
    }
    together = [plain(b) for b in DataLoader(ArrayDataset(arrays), 16, shuffle=True)]
    alone = DataLoader(Samples(lambda i: tree.map(lambda a: a[i], arrays), 1000), 16, shuffle=True)
    assert together == [plain(b) for b in alone]


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_go_to_the_gpu_leaf_by_leaf(workers: int) -> None:
    for dataset in (Samples(nested), ArrayDataset(people())):
        batch = next(iter(DataLoader(dataset, 3, num_workers=workers, device="gpu")))
        tensors = [x for x in tree.flatten(batch)[0] if isinstance(x, Tensor)]
        assert tensors and all(x.device.kind == "gpu" for x in tensors)
        assert {type(x) for x in tree.flatten(batch)[0]} == {Tensor, str}


def test_any_tree_goes_to_a_device() -> None:
    moved = to_device({"x": np.ones(2), "n": (3, "text"), "t": np.array(["a"])}, "gpu")
    assert moved["x"].device.kind == moved["n"][0].device.kind == "gpu"
    assert (moved["n"][1], moved["t"]) == ("text", ["a"])
    back = to_device(moved)
    assert plain(back) == {"x": [1.0, 1.0], "n": (3, "text"), "t": ["a"]}
    item = to_device(DataItem(np.ones(2), 3), "gpu")
    assert isinstance(item, DataItem)
    assert item.target.device.kind == "gpu"
    with pytest.raises(DTypeError, match="the x of the tree: dtype complex128 fits no tensor"):
        to_device({"x": 1j * np.ones(2)})


@pytest.mark.parametrize("workers", [0, 2])
def test_a_collate_of_the_user_makes_any_batch_of_any_samples(workers: int) -> None:
    def joined(samples: list[str]) -> dict[str, Any]:
        return {"text": samples, "lengths": np.array([len(s) for s in samples])}

    dataset = Samples(lambda i: "x" * i)
    batches = list(DataLoader(dataset, 4, collate=joined, num_workers=workers))
    assert [b["lengths"].tolist() for b in batches] == [[0, 1, 2, 3], [4, 5, 6]]
    assert isinstance(batches[0]["lengths"], Tensor)
    assert batches[1]["text"] == ["xxxx", "xxxxx", "xxxxxx"]


def test_a_loop_over_trees_goes_on_exactly() -> None:
    loader = DataLoader(Samples(nested, 20), 3, shuffle=True, num_workers=2)
    whole = [plain(batch) for batch in loader]
    other = DataLoader(Samples(nested, 20), 3, shuffle=True)
    loop = iter(other)
    for _ in range(3):
        next(loop)
    rest = DataLoader(Samples(nested, 20), 3, shuffle=True)
    rest.load_state_dict(other.state_dict())
    assert [plain(batch) for batch in rest] == whole[3:]


def test_shards_of_trees_are_cut_like_others() -> None:
    loader = DataLoader(ArrayDataset(people()), 4).sharded(2)
    parts = [[plain(part)["age"] for part in batch] for batch in loader]
    assert parts == [[[0, 1], [2, 3]], [[4], [5, 6]]]


def test_a_bad_sample_of_a_tree_is_left_out() -> None:
    def broken(i: int) -> dict[str, Any]:
        if i == 2:
            raise ValueError("bad")
        return nested(i)

    (batch,) = DataLoader(Samples(broken), 7, on_error="skip")
    assert plain(batch) == expected([0, 1, 3, 4, 5, 6])
