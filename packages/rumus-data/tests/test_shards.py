"""Loaders whose batches are cut into shards that processes share."""

from __future__ import annotations

from itertools import chain
from typing import Any

import numpy as np
import pytest

from rumus.data import ArrayDataset, DataItem, DataLoader, MapDataset
from rumus.tensor import ArgumentError

SAMPLES = 47


def loader(**options: Any) -> DataLoader:
    data = ArrayDataset(np.arange(SAMPLES * 3, dtype=np.float32).reshape(SAMPLES, 3), np.arange(47))
    return DataLoader(data, **{"batch_size": 10, "shuffle": True, "seed": 3, **options})


def targets(part: DataItem | None) -> list[int]:
    return [] if part is None else part.target.tolist()


def joined(parts: Any) -> list[Any]:
    return list(chain.from_iterable(parts))


def epoch_of(given: Any) -> list[list[list[int]]]:
    return [[targets(part) for part in item] for item in given]


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("shards", [1, 3, 4, 7, 13])
def test_the_shards_of_all_ranks_are_the_order_of_one_process(
    shards: int, drop_last: bool, workers: int
) -> None:
    options = {"drop_last": drop_last, "num_workers": workers}
    whole = [batch.target.tolist() for batch in loader(drop_last=drop_last)]
    alone = epoch_of(loader(**options).sharded(shards))
    assert [joined(parts) for parts in alone] == whole
    for parts in alone:
        sizes = [len(part) for part in parts]
        assert max(sizes) - min(sizes) <= 1
    for world in {2, 3, shards} & set(range(1, shards + 1)):
        ranks = [loader(**options).sharded(shards, rank, world) for rank in range(world)]
        assert [shard for rank in ranks for shard in rank.shards] == list(range(shards))
        lists = [epoch_of(rank) for rank in ranks]
        assert [joined(items) for items in zip(*lists, strict=True)] == alone
        assert {len(rank) for rank in ranks} == {len(whole)}


def test_the_loader_of_a_rank_is_cut_by_its_global_batch() -> None:
    one = epoch_of(loader(batch_size=12).sharded(4))
    assert epoch_of(loader(batch_size=3, rank=2, world_size=4).sharded(4)) == one


@pytest.mark.parametrize("workers", [0, 2])
def test_a_state_goes_on_with_any_number_of_processes_and_shards(workers: int) -> None:
    whole = epoch_of(loader().sharded(6))
    first = loader(num_workers=workers).sharded(6, 1, 3)
    loop = iter(first)
    next(loop), next(loop)
    state = first.state_dict()
    assert state == {**loader().state_dict(), "batch": 2}
    parts = []
    for rank in range(2):
        other = loader(num_workers=workers).sharded(6, rank, 2)
        other.load_state_dict(state)
        parts.append(epoch_of(other))
    assert [joined(items) for items in zip(*parts, strict=True)] == whole[2:]
    unsharded = loader()
    unsharded.load_state_dict(state)
    assert [b.target.tolist() for b in unsharded] == [joined(p) for p in whole[2:]]
    loop.close()


def test_the_end_of_an_epoch_is_the_beginning_of_the_next_one() -> None:
    given = loader().sharded(2)
    assert (len(epoch_of(given)), given.epoch) == (5, 1)
    assert (given.state_dict()["epoch"], given.state_dict()["batch"]) == (1, 0)
    assert given.state_dict("stay")["batch"] == 5
    second = epoch_of(given)
    other = loader()
    other.set_epoch(1)
    assert [joined(parts) for parts in second] == [b.target.tolist() for b in other]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_sample_has_the_same_random_numbers_in_whatever_shard(workers: int) -> None:
    def noisy(item: DataItem, *, rng: np.random.Generator) -> DataItem:
        return DataItem(item.input, rng.standard_normal(2).astype(np.float32))

    data = MapDataset(ArrayDataset(np.arange(20, dtype=np.float32)[:, None], np.arange(20)), noisy)
    plain = DataLoader(data, 8, shuffle=True)
    one = np.concatenate([batch.target.numpy() for batch in plain])
    cut = DataLoader(data, 8, shuffle=True, num_workers=workers).sharded(3)
    parts = [part.target.numpy() for item in cut for part in item if part is not None]
    np.testing.assert_array_equal(np.concatenate(parts), one)


def test_a_part_without_a_readable_sample_is_none_and_keeps_its_place() -> None:
    class Broken:
        def __len__(self) -> int:
            return 6

        def __getitem__(self, index: int) -> DataItem:
            if index in (2, 3):
                raise OSError("unreadable")
            return DataItem(np.zeros(1, np.float32), index)

    failed: list[int] = []
    given = DataLoader(Broken(), 4, on_error=lambda i, _: failed.append(i)).sharded(2)
    assert epoch_of(given) == [[[0, 1], []], [[4], [5]]]
    assert failed == [2, 3]
    assert given.state_dict("stay")["skipped"] == 2


def test_a_look_gives_the_first_parts_and_moves_nothing() -> None:
    given = loader().sharded(3, 1, 2)
    looked = [targets(part) for part in given.peek()]
    assert given.state_dict() == loader().state_dict()
    assert epoch_of(given)[0] == looked


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((0,), "shards"),
        ((2, 2, 2), "rank must be below"),
        ((2, 0, 3), "cannot share 2 shards"),
        ((2, -1, 2), "rank"),
        ((2, 0, 0), "world"),
    ],
)
def test_wrong_cuts_are_refused(arguments: tuple[int, ...], said: str) -> None:
    with pytest.raises(ArgumentError, match=said):
        loader().sharded(*arguments)
