"""Going on exactly where a loop was."""

import json
from collections.abc import Callable
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from rumus.data import ArrayDataset, DataItem, DataLoader, LoaderStateError, MapDataset
from rumus.tensor import ArgumentError

SAMPLES, BATCH = 50, 8


def noisy(item: DataItem, rng: np.random.Generator) -> DataItem:
    return DataItem(item.input.numpy() + rng.normal(size=3), item.target)


def loader(workers: int = 0, **options: Any) -> DataLoader:
    plain = ArrayDataset(np.zeros((SAMPLES, 3)), np.arange(SAMPLES))
    settings = {"batch_size": BATCH, "shuffle": True, "seed": 5, "num_workers": workers, **options}
    return DataLoader(MapDataset(plain, noisy), **settings)


def bytes_of(batch: DataItem) -> bytes:
    return batch.input.numpy().tobytes() + batch.target.numpy().tobytes()


def epoch(it: DataLoader) -> list[bytes]:
    return [bytes_of(batch) for batch in it]


def through_json(state: dict[str, Any]) -> dict[str, Any]:
    text = json.dumps(state)
    assert len(text) < 300
    loaded: dict[str, Any] = json.loads(text)
    return loaded


@pytest.mark.parametrize("workers", [0, 1, 3])
@pytest.mark.parametrize("resumed_workers", [0, 2])
def test_a_loop_goes_on_after_any_batch(workers: int, resumed_workers: int) -> None:
    whole = loader()
    epochs = [epoch(whole) for _ in range(4)]
    count = len(epochs[0])
    for taken in range(count + 1):
        first = loader(workers)
        epoch(first)
        running = iter(first)
        assert [bytes_of(batch) for batch in islice(running, taken)] == epochs[1][:taken]

        second = loader(resumed_workers)
        second.load_state_dict(through_json(first.state_dict()))
        assert len(second) == count
        running = iter(second)
        more = min(2, count - taken)
        assert [bytes_of(b) for b in islice(running, more)] == epochs[1][taken : taken + more]

        third = loader(workers)
        third.load_state_dict(through_json(second.state_dict()))
        if taken + more < count:
            assert epoch(third) == epochs[1][taken + more :]
        assert epoch(third) == epochs[2]
        assert epoch(third) == epochs[3]


def test_the_end_of_an_epoch_is_the_beginning_of_the_next_one() -> None:
    it = loader(2)
    epochs = [epoch(loader())]
    for number, _ in enumerate(it):
        state, stays = it.state_dict(), it.state_dict(at_end="stay")
        assert (stays["epoch"], stays["batch"]) == (0, number + 1)
        if number + 1 < len(it):
            assert state == stays
    assert (state["epoch"], state["batch"], state["skipped"]) == (1, 0, 0)
    assert it.state_dict() == state
    assert it.state_dict(at_end="stay") == stays
    epochs.append(epoch(it))

    second = loader()
    second.load_state_dict(state)
    assert second.epoch == 1
    assert epoch(second) == epochs[1]
    assert second.epoch == 2
    second.load_state_dict(stays)
    assert second.epoch == 0
    assert second.state_dict() == stays
    assert epoch(second) == []
    assert second.epoch == 1
    assert epoch(second) == epochs[1]
    with pytest.raises(ArgumentError, match='"next" or "stay"'):
        it.state_dict(at_end="end")  # type: ignore[arg-type]


def test_an_epoch_without_batches_has_ended() -> None:
    it = DataLoader(ArrayDataset(np.zeros(3), np.zeros(3)), 8, drop_last=True)
    assert (list(it), it.state_dict()["epoch"], it.epoch) == ([], 1, 1)


@pytest.mark.parametrize("stop_at", [0, 3, 6])
def test_a_range_from_the_loader_s_epoch_runs_every_epoch_once(stop_at: int) -> None:
    whole = loader()
    expected = [epoch(whole) for _ in range(3)]
    first = loader(2)
    seen = [bytes_of(batch) for batch in first]
    for number, batch in enumerate(first):
        seen.append(bytes_of(batch))
        if number == stop_at:
            break
    assert len(first) == 7
    second = loader()
    second.load_state_dict(first.state_dict())
    for _ in range(second.epoch, 3):
        seen += epoch(second)
    assert seen == [batch for batches in expected for batch in batches]


def test_a_state_from_before_the_first_batch_is_the_beginning() -> None:
    second = loader()
    second.load_state_dict(loader().state_dict())
    assert epoch(second) == epoch(loader())


def test_a_running_loader_can_go_back() -> None:
    it = loader(2)
    running = iter(it)
    next(running)
    state = it.state_dict()
    rest = [bytes_of(batch) for batch in running]
    it.load_state_dict(state)
    assert epoch(it) == rest


def test_set_epoch_of_the_same_epoch_keeps_the_place() -> None:
    first = loader()
    epochs = [epoch(first), epoch(first)]
    running = iter(loader_at := loader())
    del running
    loader_at.set_epoch(1)
    running = iter(loader_at)
    next(running)
    second = loader()
    second.load_state_dict(loader_at.state_dict())
    second.set_epoch(1)
    assert epoch(second) == epochs[1][1:]
    second.set_epoch(0)
    assert epoch(second) == epochs[0]


@pytest.mark.parametrize(
    ("other", "name"),
    [
        (lambda: loader(seed=6), "seed"),
        (lambda: loader(batch_size=9), "batch_size"),
        (lambda: loader(shuffle=False), "shuffle"),
        (lambda: loader(drop_last=True), "drop_last"),
        (lambda: loader(world_size=2), "batch_size"),
        (lambda: DataLoader(ArrayDataset(np.zeros(9), np.zeros(9)), 8, True, seed=5), "length"),
        (lambda: loader(shuffle=False, sampler=range(100)), "sampler"),
    ],
)
def test_a_state_of_another_loader_is_refused(other: Callable[[], DataLoader], name: str) -> None:
    with pytest.raises(LoaderStateError, match=f"was saved with {name}="):
        other().load_state_dict(loader().state_dict())


@pytest.mark.parametrize(
    "change",
    [
        {"batch": 99},
        {"batch": -1},
        {"epoch": 1.5},
        {"version": 9},
        {"version": 1},
        {"epoch": None},
        {"streams": 3},
        {"streams": 0},
    ],
)
def test_a_broken_state_is_refused(change: dict[str, object]) -> None:
    state = {**loader().state_dict(), **change}
    with pytest.raises(LoaderStateError):
        loader().load_state_dict(state)
    with pytest.raises(LoaderStateError, match="lacks batch"):
        loader().load_state_dict({k: v for k, v in loader().state_dict().items() if k != "batch"})


def test_a_rank_goes_on_from_the_state_of_another() -> None:
    ranks = [loader(rank=rank, world_size=2) for rank in range(2)]
    whole = [epoch(it) for it in ranks]
    running = iter(saved := loader(rank=0, world_size=2))
    next(running)
    for rank in range(2):
        it = loader(rank=rank, world_size=2)
        it.load_state_dict(saved.state_dict())
        assert epoch(it) == whole[rank][1:]


def test_a_rank_goes_on_from_the_end_of_one_with_more_batches() -> None:
    dataset = ArrayDataset(np.arange(5), np.arange(5))
    first, second = (DataLoader(dataset, 1, rank=rank, world_size=2) for rank in range(2))
    assert (len(list(first)), len(second)) == (3, 2)
    second.load_state_dict(first.state_dict())
    assert second.epoch == 1
    assert len(list(second)) == 2
    second.load_state_dict(first.state_dict(at_end="stay"))
    assert list(second) == []
    assert len(list(second)) == 2


def test_the_rank_with_fewer_batches_has_ended_when_its_loop_has() -> None:
    dataset = ArrayDataset(np.arange(5), np.arange(5))
    first, second = (DataLoader(dataset, 1, rank=rank, world_size=2) for rank in range(2))
    for number, _ in enumerate(second):
        first.load_state_dict(second.state_dict())
        assert [int(batch.target.item()) for batch in first] == [0, 2, 4][number + 1 :]
    assert (second.state_dict()["epoch"], second.state_dict()["batch"]) == (1, 0)


@pytest.mark.parametrize("state", [None, [], 3, "state"])
def test_what_is_no_state_is_refused(state: object) -> None:
    with pytest.raises(LoaderStateError, match="a dict that state_dict"):
        loader().load_state_dict(state)  # type: ignore[arg-type]


class Faulty:
    """Every seventh sample cannot be read."""

    def __len__(self) -> int:
        return SAMPLES

    def __getitem__(self, index: int) -> DataItem:
        if index % 7 == 3:
            raise OSError(f"no picture {index}")
        return DataItem(np.float32(index), index)


def targets(it: DataLoader) -> list[list[int]]:
    return [batch.target.numpy().tolist() for batch in it]


@pytest.mark.parametrize("workers", [0, 3])
def test_samples_that_cannot_be_read_are_skipped_and_counted(workers: int) -> None:
    it = DataLoader(Faulty(), BATCH, on_error="skip", num_workers=workers)
    expected = [
        [k for k in range(start, min(start + BATCH, SAMPLES)) if k % 7 != 3]
        for start in range(0, SAMPLES, BATCH)
    ]

    assert targets(it) == expected
    assert it.stats().skipped == it.state_dict(at_end="stay")["skipped"] == 7
    assert it.state_dict()["skipped"] == 0
    running = iter(it)
    next(running)
    assert it.state_dict()["skipped"] == 1
    resumed = DataLoader(Faulty(), BATCH, on_error="skip", num_workers=workers)
    resumed.load_state_dict(it.state_dict())
    assert targets(resumed) == expected[1:]
    assert resumed.state_dict(at_end="stay")["skipped"] == 7


@pytest.mark.parametrize("workers", [0, 3])
def test_a_batch_path_that_fails_falls_back_to_single_samples(workers: int) -> None:
    class FaultyBatches(Faulty):
        def __getitems__(self, indices: npt.NDArray[np.intp]) -> DataItem:
            if (indices % 7 == 3).any():
                raise OSError("no pictures")
            return DataItem(indices.astype(np.float32), indices)

    skipping = DataLoader(FaultyBatches(), BATCH, on_error="skip", num_workers=workers)
    assert targets(skipping) == targets(DataLoader(Faulty(), BATCH, on_error="skip"))
    with pytest.raises(OSError, match="no pictures") as caught:
        targets(DataLoader(FaultyBatches(), BATCH, num_workers=workers))
    assert caught.value.__notes__ == ["while the loader made sample 3, batch 0 of epoch 0"]


@pytest.mark.parametrize("workers", [0, 3])
def test_a_function_hears_of_each_failure_in_order(workers: int) -> None:
    heard: list[tuple[int, str]] = []

    def listen(index: int, error: Exception) -> None:
        heard.append((index, str(error)))
        if len(heard) == 5:
            raise KeyboardInterrupt

    it = DataLoader(Faulty(), BATCH, on_error=listen, num_workers=workers)
    seen = []
    with pytest.raises(KeyboardInterrupt):
        for batch in it:
            seen.append(batch.target.numpy().tolist())
    assert heard == [(k, f"no picture {k}") for k in (3, 10, 17, 24, 31)]
    assert len(seen) == 3


@pytest.mark.parametrize("workers", [0, 2])
def test_a_batch_of_which_nothing_can_be_read_is_left_out(workers: int) -> None:
    class Half(Faulty):
        def __getitem__(self, index: int) -> DataItem:
            if 8 <= index < 24:
                raise ValueError(index)
            return DataItem(0.0, index)

    it = DataLoader(Half(), BATCH, on_error="skip", num_workers=workers)
    assert [batch[0] for batch in targets(it)] == [0, 24, 32, 40, 48]
    assert it.state_dict(at_end="stay")["batch"] == 7
    assert it.state_dict(at_end="stay")["skipped"] == 16
