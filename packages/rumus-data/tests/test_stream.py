"""Data sets that are read one sample after the other."""

import itertools
import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from rumus.data import (
    DataItem,
    DataLoader,
    DatasetError,
    LoaderStateError,
    pad_collate,
    sample_generator,
)
from rumus.tensor import ArgumentError


class Counting:
    """The numbers of a part, from a generator: it cannot say where it is."""

    def __init__(self, length: int = 23) -> None:
        self.length = length
        self.epoch = 0
        self.opened: list[tuple[int, int, Any]] = []

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def iterate(self, part: int, parts: int, position: Any = None) -> Iterator[dict[str, Any]]:
        self.opened.append((part, parts, position))
        epoch = self.epoch
        for n in range(part, self.length, parts):
            yield {"n": n, "x": np.full(2, n + 100 * epoch, np.float32), "id": f"{n}"}


class Places(Counting):
    """The same from an iterator that says where it is."""

    def iterate(self, part: int, parts: int, position: Any = None) -> Iterator[dict[str, Any]]:
        self.opened.append((part, parts, position))
        return Reader(self, part, parts, position or 0)


class Reader:
    def __init__(self, stream: Counting, part: int, parts: int, line: int) -> None:
        self.stream, self.part, self.parts, self.line = stream, part, parts, line

    def position(self) -> int:
        return self.line

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return self

    def __next__(self) -> dict[str, Any]:
        n = self.part + self.parts * self.line
        if n >= self.stream.length:
            raise StopIteration
        self.line += 1
        epoch = self.stream.epoch
        return {"n": n, "x": np.full(2, n + 100 * epoch, np.float32), "id": f"{n}"}


def taken(loader: Any) -> list[list[int]]:
    return [batch["n"].tolist() for batch in loader]


@pytest.mark.parametrize("workers", [0, 1, 3])
@pytest.mark.parametrize("parts", [1, 2, 3])
@pytest.mark.parametrize("kind", [Counting, Places])
def test_the_batches_of_a_stream_do_not_depend_on_workers(
    kind: type[Counting], parts: int, workers: int
) -> None:
    loader = DataLoader(kind(), 4, parts=parts, num_workers=workers)
    lanes = [list(range(p, 23, parts)) for p in range(parts)]
    cut = [[lane[k : k + 4] for k in range(0, len(lane), 4)] for lane in lanes]
    rounds = max(map(len, cut))
    expected = [lane[k] for k in range(rounds) for lane in cut if k < len(lane)]
    assert taken(loader) == expected
    second = list(loader)
    assert [b["n"].tolist() for b in second] == expected
    assert all((b["x"].numpy()[:, 0] == b["n"].numpy() + 100).all() for b in second)
    assert second[0]["id"] == [str(n) for n in expected[0]]


def test_a_stream_has_no_length_and_no_numbers() -> None:
    loader = DataLoader(Counting(), 4)
    with pytest.raises(TypeError, match="Counting has no length"):
        len(loader)
    for wrong in ({"shuffle": True}, {"sampler": [1]}, {"on_error": "skip"}):
        with pytest.raises(ArgumentError, match="an order of its own"):
            DataLoader(Counting(), 4, **wrong)
    with pytest.raises(ArgumentError, match="an order of its own"):
        DataLoader(Counting(), batch_sampler=[[1]])
    with pytest.raises(ArgumentError, match="batch_size"):
        DataLoader(Counting())


@pytest.mark.parametrize("parts", [1, 2])
def test_drop_last_leaves_out_what_is_no_full_batch(parts: int) -> None:
    assert {len(b) for b in taken(DataLoader(Counting(), 4, drop_last=True, parts=parts))} == {4}
    assert taken(DataLoader(Counting(3), 4, drop_last=True)) == []
    assert taken(DataLoader(Counting(0), 4)) == []


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("parts", [1, 2, 3])
@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("kind", [Counting, Places])
def test_a_loop_goes_on_at_any_batch(
    kind: type[Counting], drop_last: bool, parts: int, workers: int
) -> None:
    def new(number: int) -> DataLoader[Any, Any]:
        return DataLoader(kind(), 4, parts=parts, num_workers=number, drop_last=drop_last)

    whole = taken(new(0))
    for stop in range(len(whole) + 1):
        first = new(workers)
        loop = iter(first)
        assert [next(loop)["n"].tolist() for _ in range(stop)] == whole[:stop]
        state = json.loads(json.dumps(first.state_dict()))
        loop.close()
        for number in (0, 2):
            again = new(number)
            again.load_state_dict(state)
            at_end = stop == len(whole)
            assert again.epoch == int(at_end)
            assert again.peek()["n"].tolist() == (whole + whole)[stop]
            assert taken(again) == (whole if at_end else whole[stop:])
            assert taken(again) == whole


def test_a_stream_that_says_where_it_is_is_not_read_again() -> None:
    first = DataLoader(Places(), 4)
    loop = iter(first)
    for _ in range(3):
        next(loop)
    stream = Places()
    again = DataLoader(stream, 4)
    again.load_state_dict(first.state_dict())
    assert taken(again)[0] == [12, 13, 14, 15]
    assert stream.opened == [(0, 1, 12)]


def test_a_stream_that_is_shorter_than_before_is_named() -> None:
    first = DataLoader(Counting(), 4)
    loop = iter(first)
    for _ in range(3):
        next(loop)
    again = DataLoader(Counting(10), 4)
    again.load_state_dict(first.state_dict())
    with pytest.raises(DatasetError, match="part 0 of the stream has 10 samples, and 12 were"):
        list(again)


@pytest.mark.parametrize("parts", [1, 2])
def test_ranks_read_parts_of_their_own(parts: int) -> None:
    streams = [Counting(24) for _ in range(2)]
    ranks = [
        DataLoader(streams[r], 3, rank=r, world_size=2, parts=parts, num_workers=2)
        for r in range(2)
    ]
    read = [taken(loader) for loader in ranks]
    assert sorted(n for rank in read for batch in rank for n in batch) == list(range(24))
    assert {call[0] for call in streams[1].opened} == set(range(parts, 2 * parts))
    loop = iter(ranks[0])
    next(loop)
    state = ranks[0].state_dict()
    with pytest.raises(LoaderStateError, match=f"where part {parts} of the stream is"):
        ranks[1].load_state_dict(state)


def test_shards_of_a_stream_do_not_depend_on_the_number_of_ranks() -> None:
    def parts_of(world: int) -> list[list[Any]]:
        ranks = [DataLoader(Counting(), 7).sharded(4, rank, world) for rank in range(world)]
        rounds = [[[p and p["n"].tolist() for p in b] for b in loader] for loader in ranks]
        return [[*itertools.chain(*parts)] for parts in zip(*rounds, strict=False)]

    one = parts_of(1)
    assert [len(p) for p in one[0]] == [1, 2, 2, 2]
    assert one[: len(parts_of(2))] == parts_of(2)
    assert one[: len(parts_of(4))] == parts_of(4)[: len(one)]
    assert sorted(n for batch in one for p in batch if p for n in p) == list(range(23))
    loader = DataLoader(Counting(), 7).sharded(4)
    loop = iter(loader)
    next(loop)
    again = DataLoader(Counting(), 7).sharded(4)
    again.load_state_dict(json.loads(json.dumps(loader.state_dict())))
    assert [p and p["n"].tolist() for p in again.peek()] == one[1]
    with pytest.raises(ArgumentError, match="shards=8 of a stream"):
        DataLoader(Counting(), 7).sharded(8)


def test_a_state_of_one_loader_fits_no_other() -> None:
    stream = DataLoader(Counting(), 4)
    loop = iter(stream)
    next(loop)
    state = stream.state_dict()
    for other in (DataLoader(Counting(), 5), DataLoader(Counting(), 4, parts=2)):
        with pytest.raises(LoaderStateError, match="cannot go on exactly"):
            other.load_state_dict(state)
    for broken in (
        {**state, "parts": 3},
        {**state, "parts": {}},
        {**state, "parts": {"0": {"taken": -1, "position": None, "ended": False}}},
        {**state, "parts": {"0": {"taken": 4}}},
    ):
        with pytest.raises(LoaderStateError):
            DataLoader(Counting(), 4).load_state_dict(broken)


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_of_a_stream_comes_behind_the_batches_before_it(workers: int) -> None:
    class Broken(Counting):
        def iterate(self, part: int, parts: int, position: Any = None) -> Iterator[dict[str, Any]]:
            yield from super().iterate(part, parts)
            raise OSError("the disk is gone")

    loader = DataLoader(Broken(10), 4, num_workers=workers)
    seen = []
    with pytest.raises(OSError, match="the disk is gone") as raised:
        for batch in loader:
            seen.append(batch["n"].tolist())
    assert seen == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert any("batch 2 of epoch 0" in note for note in raised.value.__notes__)


def test_parts_are_read_at_the_same_time() -> None:
    class Slow(Counting):
        together = threading.Barrier(3, timeout=20)

        def iterate(self, part: int, parts: int, position: Any = None) -> Iterator[dict[str, Any]]:
            self.together.wait()  # fails if one part is read after the other
            yield from super().iterate(part, parts)

    assert len(taken(DataLoader(Slow(24), 4, parts=3, num_workers=3))) == 6


@pytest.mark.parametrize("workers", [0, 1, 4])
def test_leaving_an_endless_stream_ends_its_threads(workers: int) -> None:
    class Endless:
        def iterate(self, part: int, parts: int, position: Any = None) -> Iterator[DataItem]:
            while True:
                yield DataItem(part, 0)

    loader = DataLoader(Endless(), 4, num_workers=workers, parts=2)
    loop = iter(loader)
    assert [next(loop).input.tolist() for _ in range(4)] == [[0] * 4, [1] * 4, [0] * 4, [1] * 4]
    started = time.monotonic()
    loop.close()
    assert time.monotonic() - started < 2
    assert list(loop) == []


def test_a_stream_has_random_numbers_of_its_samples_and_any_collate() -> None:
    class Noisy:
        def iterate(self, part: int, parts: int, position: Any = None) -> Iterator[Any]:
            for n in range(part, 12, parts):
                yield np.full(n % 3 + 1, sample_generator(n).random())

    def run(workers: int, seed: int) -> list[Any]:
        loader = DataLoader(
            Noisy(), 4, seed=seed, parts=2, num_workers=workers, collate=pad_collate()
        )
        return [[b.batch.tolist(), b.lengths[""].tolist()] for _ in range(2) for b in loader]

    assert run(0, 5) == run(3, 5)
    assert run(0, 5) != run(0, 6)
    assert run(0, 5)[:4] != run(0, 5)[4:]
