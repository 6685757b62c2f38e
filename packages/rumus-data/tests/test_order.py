"""The order of an epoch, and how ranks and batches share it."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rumus.data import ArrayDataset, DataLoader
from rumus.data._order import BUCKETED_FROM, BucketedOrder, shuffled_order
from rumus.data._random import PurposeStreams
from rumus.tensor import ArgumentError, Generator


def numbers(loader: DataLoader) -> list[list[int]]:
    return [batch.target.numpy().tolist() for batch in loader]


def loader_of(samples: int, batch_size: int, **options: Any) -> DataLoader:
    dataset = ArrayDataset(np.zeros((samples, 2), np.float32), np.arange(samples))
    return DataLoader(dataset, batch_size, **options)


def stream(seed: int, *path: str | int) -> np.random.Generator:
    key = Generator(seed).derive(*path).state()[0]
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(key)))


def test_a_shuffle_is_that_of_numpy_for_the_seed_and_the_epoch() -> None:
    loader = loader_of(1000, 1000, shuffle=True, seed=7)
    for epoch in range(3):
        expected = np.arange(1000)
        stream(7, "order", epoch).shuffle(expected)
        assert numbers(loader) == [expected.tolist()]


def test_the_default_seed_makes_every_run_the_same() -> None:
    assert numbers(loader_of(50, 8, shuffle=True)) == numbers(
        loader_of(50, 8, shuffle=True, seed=0, num_workers=3)
    )


def test_set_epoch_chooses_the_order() -> None:
    first, second = loader_of(64, 16, shuffle=True), loader_of(64, 16, shuffle=True)
    epochs = [numbers(first) for _ in range(4)]
    assert len({str(epoch) for epoch in epochs}) == 4

    second.set_epoch(3)
    assert numbers(second) == epochs[3]
    second.set_epoch(1)
    assert numbers(second) == epochs[1]
    assert numbers(second) == epochs[2]


def test_orders_are_all_about_equally_likely() -> None:
    counts: dict[tuple[int, ...], int] = {}
    for epoch in range(2400):
        order = tuple(shuffled_order(4, PurposeStreams(1), epoch).take(slice(0, 4)).tolist())
        counts[order] = counts.get(order, 0) + 1
    expected = 2400 / 24
    statistic = sum((count - expected) ** 2 / expected for count in counts.values())
    assert len(counts) == 24
    assert statistic < 49.7  # chi squared with 23 degrees of freedom, one in a thousand


def test_a_very_large_shuffle_is_a_permutation_and_depends_on_no_reading_order() -> None:
    length = 300_000
    streams = PurposeStreams(3)
    whole, pieces = BucketedOrder(length, streams, 5), BucketedOrder(length, streams, 5)
    expected = whole.take(slice(0, length))
    for start in reversed(range(0, length, 9973)):
        part = slice(start, start + 9973)
        np.testing.assert_array_equal(pieces.take(part), expected[part])
    np.testing.assert_array_equal(pieces.take(slice(1, length, 3)), expected[1::3])
    np.testing.assert_array_equal(np.sort(expected), np.arange(length))
    assert abs(np.corrcoef(expected, np.arange(length))[0, 1]) < 0.01
    assert not np.array_equal(BucketedOrder(length, streams, 6).take(slice(0, 99)), expected[:99])
    assert len(shuffled_order(BUCKETED_FROM + 1, streams, 0)) == BUCKETED_FROM + 1


def test_a_very_large_shuffle_shuffles_the_buckets_of_random_bytes() -> None:
    length = 600_000
    buckets = stream(3, "order", 5).integers(256, size=length, dtype=np.uint8)
    start = 0
    order = BucketedOrder(length, PurposeStreams(3), 5)
    for bucket in range(256):
        expected = np.flatnonzero(buckets == bucket).astype(np.int32)
        stream(3, "order", 5, bucket).shuffle(expected)
        part = slice(start, start + len(expected))
        np.testing.assert_array_equal(order.take(part), expected)
        start = part.stop
    assert start == length


@settings(max_examples=200, deadline=None)
@given(
    samples=st.integers(1, 200),
    batch_size=st.integers(1, 40),
    world_size=st.integers(1, 8),
    shuffle=st.booleans(),
    drop_last=st.booleans(),
)
def test_ranks_share_every_sample_exactly_once(
    samples: int, batch_size: int, world_size: int, shuffle: bool, drop_last: bool
) -> None:
    if world_size > samples:
        with pytest.raises(ArgumentError, match=f"larger than the {samples} samples"):
            loader_of(samples, batch_size, world_size=world_size)
        return
    (order,) = numbers(loader_of(samples, samples, shuffle=shuffle))
    ranks = []
    for rank in range(world_size):
        loader = loader_of(
            samples,
            batch_size,
            shuffle=shuffle,
            drop_last=drop_last,
            rank=rank,
            world_size=world_size,
        )
        batches = numbers(loader)
        ranks.append(batches)
        mine = order[rank::world_size]
        if drop_last:
            mine = mine[: samples // world_size // batch_size * batch_size]
        assert batches == [mine[k : k + batch_size] for k in range(0, len(mine), batch_size)]
        assert len(loader) == len(batches)
    if drop_last:
        assert len({len(batches) for batches in ranks}) == 1
    else:
        together = [n for batches in ranks for batch in batches for n in batch]
        assert sorted(together) == list(range(samples))


def test_a_sampler_gives_the_order_and_is_told_the_epoch() -> None:
    class Backwards:
        epoch = -1

        def __len__(self) -> int:
            return 6

        def __iter__(self):  # type: ignore[no-untyped-def]
            return iter([k + self.epoch for k in range(5, -1, -1)])

        def set_epoch(self, epoch: int) -> None:
            self.epoch = epoch

    loader = loader_of(10, 4, sampler=Backwards())
    assert len(loader) == 2
    assert numbers(loader) == [[5, 4, 3, 2], [1, 0]]
    assert numbers(loader) == [[6, 5, 4, 3], [2, 1]]


@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_sampler_that_leaves_the_data_set_is_an_error(num_workers: int) -> None:
    with pytest.raises(ArgumentError, match=r"index 10 at position 1, outside a data set of 10"):
        numbers(loader_of(10, 4, sampler=[9, 10, 3], num_workers=num_workers))
    with pytest.raises(ArgumentError, match="index -1 at position 0"):
        numbers(loader_of(10, 4, sampler=[-1], num_workers=num_workers))
    with pytest.raises(ArgumentError, match="must give integers"):
        numbers(loader_of(10, 4, sampler=["a"]))
    with pytest.raises(ArgumentError, match="a generator has none"):
        loader_of(10, 4, sampler=(k for k in range(3)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch_size must be an integer of at least 1, not 0"),
        ({"batch_size": 2.5}, "batch_size must be an integer"),
        ({"num_workers": -1}, "num_workers"),
        ({"prefetch_factor": 0}, "prefetch_factor"),
        ({"seed": -1}, "seed"),
        ({"rank": 2, "world_size": 2}, "rank must be below world_size=2, not 2"),
        ({"world_size": 0}, "world_size"),
        ({"world_size": 11}, "world_size=11 is larger than the 10 samples"),
        ({"shuffle": True, "sampler": [1]}, "take one of them"),
        ({"on_error": "ignore"}, "on_error"),
        ({"device": "tpu"}, "unknown device 'tpu'"),
    ],
)
def test_bad_arguments_are_named(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        loader_of(10, **{"batch_size": 2, **options})  # type: ignore[arg-type]
