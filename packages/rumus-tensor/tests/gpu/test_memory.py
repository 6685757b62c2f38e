"""The buffer pool: size classes, the bound on what is kept, and what arrays that died leave."""

import gc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rumus import gpu
from rumus.gpu import GpuOutOfMemoryError
from rumus.gpu._device import get_device
from rumus.gpu._memory import RESERVE_FACTOR, Buffer, Pool, size_class


def _pool(largest: int = 1 << 40) -> tuple[Pool, list[Buffer]]:
    discarded: list[Buffer] = []
    return Pool(lambda nbytes: object(), discarded.append, largest), discarded


@given(st.integers(1, 1 << 40))
def test_a_size_class_wastes_at_most_an_eighth(nbytes: int) -> None:
    given_size = size_class(nbytes)
    assert given_size >= nbytes
    assert given_size % 16 == 0
    assert given_size <= max(256, nbytes * 1.125 + 256)


@given(st.lists(st.tuples(st.integers(1, 1 << 20), st.booleans()), max_size=200))
def test_reserved_bytes_stay_within_the_bound_on_peak_live_bytes(
    steps: list[tuple[int, bool]],
) -> None:
    pool, _ = _pool()
    held: list[Buffer] = []
    for nbytes, release in steps:
        held.append(pool.take(nbytes, batch=0))
        if release:
            gone = held.pop(0)
            gone.home.append(gone)
            del gone
        assert pool.live <= pool.reserved
        assert pool.reserved <= RESERVE_FACTOR * pool.peak
    assert pool.live == sum(buffer.nbytes for buffer in held)


def test_buffers_that_are_used_again_count_for_the_peak() -> None:
    pool, _ = _pool()
    first = pool.take(100_000, batch=0)
    first.home.append(first)
    small = pool.take(20_000, batch=0)
    assert pool.take(100_000, batch=0) is first
    assert pool.peak == first.nbytes
    pool.look()
    assert pool.peak == first.nbytes + small.nbytes


def test_a_buffer_that_nothing_refers_to_is_found() -> None:
    pool, _ = _pool()
    kept = pool.take(1000, batch=0)
    pool.take(5000, batch=0)  # and an interrupt came before it was stored
    pool.collect()
    assert pool.live == kept.nbytes
    assert pool.take(5000, batch=0) is not kept
    pool.collect()
    assert pool.live == kept.nbytes


def test_a_returned_buffer_is_handed_out_again() -> None:
    pool, _ = _pool()
    first = pool.take(1000, batch=0)
    first.home.append(first)
    assert pool.take(900, batch=0) is first


def test_an_upload_never_gets_a_buffer_that_the_open_batch_uses() -> None:
    pool, _ = _pool()
    pool.take(100_000, batch=0)  # so that the bound leaves room for two small ones
    used = pool.take(1000, batch=0)
    used.last_use = 5
    used.home.append(used)
    assert pool.take(1000, batch=5, for_upload=True) is not used
    assert pool.take(1000, batch=6, for_upload=True) is used


def test_no_size_class_passes_the_largest_buffer_of_the_adapter() -> None:
    pool, _ = _pool(largest=1000)
    assert pool.take(990, batch=0).nbytes == 992


@pytest.mark.gpu
def test_an_array_that_dies_in_a_garbage_cycle_returns_a_buffer_that_works() -> None:
    x = np.arange(3000, dtype=np.float32)
    for _ in range(3):
        cycle: list[object] = [gpu.from_host(x)]
        cycle.append(cycle)
        del cycle
        gc.collect()
        assert (gpu.to_host(gpu.full((3000,), 2.0)) == 2.0).all()


@pytest.mark.gpu
def test_room_that_garbage_cycles_hold_is_found_before_memory_runs_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    device = get_device(0)
    gc.collect()
    gpu.memory_stats()
    real, most = device.gpu, device.pool.live + 5_000_000

    class Full:
        """The device, with room for one of the two arrays."""

        @staticmethod
        def create_buffer(size: int, usage: int) -> object:
            if device.pool.live + size > most:
                raise GpuOutOfMemoryError("full")
            return real.create_buffer(size=size, usage=usage)

    monkeypatch.setattr(device, "gpu", Full)
    gc.disable()
    try:
        cycle: list[object] = [gpu.empty((1_000_000,), np.float32)]
        cycle.append(cycle)
        del cycle
        other = gpu.empty((1_100_000,), np.float32)
    finally:
        gc.enable()
    assert other.size == 1_100_000


@pytest.mark.gpu
def test_ten_thousand_steps_leave_memory_where_a_hundred_left_it() -> None:
    x = np.arange(1000, dtype=np.float32)

    def step() -> None:
        batch = gpu.from_host(x)
        gpu.full(batch.shape, 1.0)

    for _ in range(100):
        step()
    gpu.synchronize()
    before = gpu.memory_stats()
    for _ in range(10_000):
        step()
    gpu.synchronize()
    gc.collect()
    after = gpu.memory_stats()
    assert after["live"] == before["live"]
    assert after["reserved"] == before["reserved"]
    assert after["reserved"] <= RESERVE_FACTOR * after["peak"]
