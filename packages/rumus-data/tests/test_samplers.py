"""Weighted and balanced samples, batches by length, batch samplers, and padding."""

import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from rumus.data import (
    ArrayDataset,
    BalancedSampler,
    DataItem,
    DataLoader,
    LengthBatches,
    LoaderStateError,
    MapDataset,
    WeightedSampler,
    pad_collate,
)
from rumus.tensor import ArgumentError, ShapeError, Tensor, float32, int32


def numbers(length: int) -> ArrayDataset[Any]:
    return ArrayDataset({"n": np.arange(length)})


NO_LENGTH: Any = iter([[0]])


def drawn(loader: DataLoader[Any, Any]) -> list[list[int]]:
    return [batch["n"].tolist() for batch in loader]


def test_weights_say_how_often_a_sample_comes() -> None:
    weights = np.array([0.0, 1.0, 3.0, 0.0, 4.0])
    loader = DataLoader(numbers(5), 1000, sampler=WeightedSampler(weights, 80_000))
    counts = Counter(n for batch in drawn(loader) for n in batch)
    assert set(counts) == {1, 2, 4}
    for number, share in ((1, 1 / 8), (2, 3 / 8), (4, 4 / 8)):
        deviation = (80_000 * share * (1 - share)) ** 0.5
        assert abs(counts[number] - 80_000 * share) < 4 * deviation


def test_without_replacement_the_first_draw_has_the_weights_and_no_sample_comes_twice() -> None:
    sampler = WeightedSampler([1, 0, 2, 5], 3, replacement=False)
    firsts: Counter[tuple[int, int]] = Counter()
    for seed in range(4000):
        order = sampler.draw(np.random.default_rng(seed)).tolist()
        assert sorted(order) == [0, 2, 3]
        firsts[order[0], order[1]] += 1
    # successive draws: P(3, 2) = 5/8 · 2/3, and so on
    for pair, share in {(3, 2): 5 / 12, (3, 0): 5 / 24, (2, 3): 5 / 24, (0, 2): 2 / 56}.items():
        deviation = (4000 * share * (1 - share)) ** 0.5
        assert abs(firsts[pair] - 4000 * share) < 4 * deviation


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: WeightedSampler([1, -1]), "finite numbers from 0"),
        (lambda: WeightedSampler([0.0, 0.0]), "one at least is not 0"),
        (lambda: WeightedSampler([1, float("nan")]), "finite"),
        (lambda: WeightedSampler([[1.0]]), "row of one value a sample"),  # type: ignore[list-item]
        (lambda: WeightedSampler([1, 0, 1], replacement=False), "3 samples cannot be drawn"),
        (lambda: BalancedSampler([]), "integers or text"),
        (lambda: BalancedSampler([0.5]), "integers or text"),
        (lambda: LengthBatches([1, 2], 0), "batch_size"),
        (lambda: LengthBatches([1, 2], 1, pool=0), "pool"),
        (lambda: pad_collate(multiple_of=0), "multiple_of"),
        (lambda: DataLoader(numbers(4)), "batch_size"),
        (lambda: DataLoader(numbers(4), 2, batch_sampler=[[0]]), "goes without batch_size"),
        (lambda: DataLoader(numbers(4), shuffle=True, batch_sampler=[[0]]), "without shuffle"),
        (lambda: DataLoader(numbers(4), batch_sampler=NO_LENGTH), "must have a length"),
        (lambda: DataLoader(numbers(4), 2, sampler=WeightedSampler([1, 2])), "2 .* has 4 samples"),
        (lambda: DataLoader(numbers(4), 2, sampler=BalancedSampler([0] * 5)), "given 5 numbers"),
        (lambda: DataLoader(numbers(4), batch_sampler=LengthBatches([1], 1)), "has 4 samples"),
    ],
)
def test_arguments_that_cannot_be_are_named(make: Callable[[], Any], said: str) -> None:
    with pytest.raises(ArgumentError, match=said):
        make()


@pytest.mark.parametrize(
    "labels", [[0] * 90 + [1] * 7 + [5] * 3, ["a"] * 90 + ["b"] * 7 + ["c"] * 3]
)
def test_every_class_comes_equally_often(labels: list[Any]) -> None:
    loader = DataLoader(numbers(100), 100, sampler=BalancedSampler(labels))
    (first,), (second,) = drawn(loader), drawn(loader)
    assert first != second
    for order in (first, second):
        classes = Counter(labels[n] for n in order)
        assert max(classes.values()) - min(classes.values()) <= 1
        times = Counter(order)
        for small in (range(90, 97), range(97, 100)):  # all of them before one comes again
            counts = [times[n] for n in small]
            assert max(counts) - min(counts) <= 1


def test_batches_by_length_hold_each_sample_once_and_pad_little() -> None:
    lengths = np.random.default_rng(0).integers(1, 500, 2050)
    batches = LengthBatches(lengths, 20, pool=25)
    loader = DataLoader(numbers(2050), batch_sampler=batches)
    first, second = drawn(loader), drawn(loader)
    assert len(loader) == len(first) == 103
    assert first != second
    for epoch in (first, second):
        assert sorted(itertools.chain(*epoch)) == list(range(2050))
        padded = sum(len(batch) * max(lengths[batch]) for batch in epoch)
        assert padded < 1.1 * lengths.sum()
    ends = [max(lengths[batch]) for batch in first]
    assert ends != sorted(ends)
    full = LengthBatches(lengths, 20, drop_last=True)
    assert {len(batch) for batch in full.draw(np.random.default_rng(1))} == {20}
    assert len(full) == 102


def loaders() -> dict[str, Callable[..., DataLoader[Any, Any]]]:
    def add_noise(sample: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        return {**sample, "r": rng.random()}

    noisy: MapDataset[dict[str, Any]] = MapDataset(numbers(60), add_noise)
    labels = np.arange(60) // 50
    lengths = np.arange(60) * 7 % 31
    return {
        "weighted": lambda **k: DataLoader(
            noisy, 8, sampler=WeightedSampler(np.arange(60), 50), **k
        ),
        "balanced": lambda **k: DataLoader(noisy, 8, sampler=BalancedSampler(labels), **k),
        "lengths": lambda **k: DataLoader(noisy, batch_sampler=LengthBatches(lengths, 8, 3), **k),
        "by hand": lambda **k: DataLoader(noisy, batch_sampler=[[3, 3, 1], [2], [59, 0]], **k),
    }


def content(batch: Any) -> tuple[list[int], list[float]]:
    return batch["n"].tolist(), batch["r"].tolist()


@pytest.mark.parametrize("name", ["weighted", "balanced", "lengths", "by hand"])
def test_an_epoch_depends_on_seed_and_epoch_alone_and_goes_on_exactly(name: str) -> None:
    make = loaders()[name]
    loader = make(num_workers=2)
    whole = [[content(b) for b in loader] for _ in range(3)]
    if name != "by hand":
        assert whole[0] != whole[1]
        assert [content(b) for b in make(seed=1)] != whole[0]
    for epoch, taken in ((0, 1), (1, 2), (2, len(whole[2]))):
        other = make()
        other.set_epoch(epoch)
        loop = iter(other)
        assert [content(next(loop)) for _ in range(taken)] == whole[epoch][:taken]
        state = json.loads(json.dumps(other.state_dict()))
        for workers in (0, 3):
            again = make(num_workers=workers)
            again.load_state_dict(state)
            rest = whole[epoch][taken:]
            if rest:
                assert content(again.peek()) == rest[0]
                assert [content(b) for b in again] == rest
            assert again.epoch == epoch + 1


@pytest.mark.parametrize("world", [2, 3])
def test_ranks_and_shards_share_the_batches_of_a_batch_sampler(world: int) -> None:
    batches = [[0, 1, 2, 3, 4], [5, 6, 7], [9, 8, 7, 6]]
    whole = DataLoader(numbers(10), batch_sampler=batches)
    ranks = [
        drawn(DataLoader(numbers(10), batch_sampler=batches, rank=r, world_size=world))
        for r in range(world)
    ]
    for k, batch in enumerate(batches):
        assert [ranks[i % world][k][i // world] for i in range(len(batch))] == batch
    for shards in (1, 2, 4):
        loader = whole.sharded(shards)
        parts = [[n for p in b if p is not None for n in p["n"].tolist()] for b in loader]
        assert parts == batches
    with pytest.raises(ArgumentError, match="a batch of 3 samples, and each of the 4 ranks"):
        iter(DataLoader(numbers(10), batch_sampler=batches, world_size=4))


class Batches:
    """A batch sampler from a function, of a length that may not be true."""

    def __init__(self, length: int, make: Callable[[], Iterator[Any]]) -> None:
        self.length, self.make = length, make

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[Any]:
        return self.make()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: iter([[0]]), "length is 2, and it gives 1"),
        (lambda: itertools.repeat([0]), "length is 2, and it gives more"),
        (lambda: iter([[0], [1, 10]]), "batch 1 of the batch_sampler gives index 10 at position 1"),
        (lambda: iter([[0], [True]]), "not True"),
        (lambda: iter([[0], 1]), "lists of samples' numbers, not 1"),
        (lambda: iter([[0], []]), "a batch of 0 samples"),
    ],
)
def test_a_batch_sampler_keeps_what_it_promises(make: Callable[[], Any], said: str) -> None:
    with pytest.raises(ArgumentError, match=said):
        iter(DataLoader(numbers(10), batch_sampler=Batches(2, make)))


def test_a_state_of_other_batches_does_not_load() -> None:
    by_length = DataLoader(numbers(10), batch_sampler=[[0], [1]])
    plain = DataLoader(numbers(10), 2)
    with pytest.raises(LoaderStateError, match="lacks batches"):
        by_length.load_state_dict(plain.state_dict())
    with pytest.raises(LoaderStateError, match="lacks"):
        plain.load_state_dict(by_length.state_dict())


class Words:
    """Samples of different lengths."""

    def __len__(self) -> int:
        return 5

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {
            "tokens": np.arange(1, index + 2, dtype=np.int32),
            "frames": [np.ones((index % 2 + 1, 2), np.float16)],
            "label": index,
            "id": f"w{index}",
        }


@pytest.mark.parametrize("workers", [0, 2])
def test_padding_makes_samples_equal_and_says_how_long_they_were(workers: int) -> None:
    loader = DataLoader(Words(), 3, collate=pad_collate(value=-1), num_workers=workers)
    (batch, lengths), (last, _) = loader
    assert batch["tokens"].tolist() == [[1, -1, -1], [1, 2, -1], [1, 2, 3]]
    assert batch["frames"][0].tolist() == [[[1, 1], [-1, -1]], [[1, 1], [1, 1]], [[1, 1], [-1, -1]]]
    assert (batch["label"].tolist(), batch["id"]) == ([0, 1, 2], ["w0", "w1", "w2"])
    assert {name: t.tolist() for name, t in lengths.items()} == {
        "tokens": [1, 2, 3],
        "frames[0]": [1, 2, 1],
    }
    assert isinstance(lengths["tokens"], Tensor)
    assert lengths["tokens"].dtype == int32
    assert last["tokens"].shape == (2, 5)


def test_padded_lengths_may_be_multiples_along_any_axis_of_chosen_parts() -> None:
    def column(i: int) -> DataItem:
        return DataItem(np.ones((2, i + 1)), np.zeros(3))

    class Columns(Words):
        def __getitem__(self, index: int) -> Any:
            return column(index)

    collate = pad_collate(axis=-1, multiple_of=4, parts=["input"])
    batches = list(DataLoader(Columns(), 4, collate=collate))
    assert [b.batch.input.shape for b in batches] == [(4, 2, 4), (1, 2, 8)]
    assert [b.batch.target.shape for b in batches] == [(4, 3), (1, 3)]
    assert batches[0].batch.input.dtype == float32
    assert batches[0].lengths["input"].tolist() == [1, 2, 3, 4]
    for length, (row, count) in enumerate(
        zip(batches[0].batch.input.numpy(), [1, 2, 3, 4], strict=True)
    ):
        assert row.sum() == 2 * count, length
    with pytest.raises(ArgumentError, match=r"no part 'tokens'; they have input, target"):
        list(DataLoader(Columns(), 4, collate=pad_collate(parts=["tokens"])))
    with pytest.raises(ShapeError, match=r"the inputs of a batch differ in shape"):
        list(DataLoader(Columns(), 4, collate=pad_collate(axis=0)))
    with pytest.raises(ShapeError, match=r"label has shape \(\) in one sample"):
        list(DataLoader(Words(), 4, collate=pad_collate(parts=["label"])))


def test_a_collate_may_go_to_the_gpu_with_its_lengths() -> None:
    batch, lengths = next(iter(DataLoader(Words(), 3, collate=pad_collate(), device="gpu")))
    assert batch["tokens"].device.kind == lengths["tokens"].device.kind == "gpu"
    assert batch["tokens"].tolist() == [[1, 0, 0], [1, 2, 0], [1, 2, 3]]
