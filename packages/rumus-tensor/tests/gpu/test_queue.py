"""Order: uploads, dispatches and read-backs see each other as the program wrote them."""

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rumus import gpu
from rumus.gpu import _device, _queue, _readback
from rumus.gpu._device import get_device
from rumus.tensor import ArgumentError, Tensor, ones, tensor, zeros

pytestmark = pytest.mark.gpu

ADD_ONE = gpu.Kernel(
    """
    struct Params { n: u32, amount: f32 }
    @group(0) @binding(0) var<storage, read> x: array<f32>;
    @group(0) @binding(1) var<storage, read_write> y: array<f32>;
    @group(0) @binding(2) var<uniform> params: Params;
    @compute @workgroup_size(64)
    fn main(@builtin(global_invocation_id) id: vec3<u32>) {
        if (id.x < params.n) { y[id.x] = x[id.x] + params.amount; }
    }
    """,
    name="add_amount",
)


def add(x: gpu.GpuArray, amount: float) -> gpu.GpuArray:
    y = gpu.empty(x.shape)
    ADD_ONE.variant().dispatch([x, y], (x.size, amount), -(-x.size // 64))
    return y


def test_an_upload_does_not_overtake_a_recorded_read_of_the_buffer_it_reuses() -> None:
    gpu.synchronize()
    first = gpu.from_host(np.full(5000, 1.0, np.float32))
    gpu.synchronize()
    result = add(first, 10.0)  # recorded, not submitted
    del first
    second = gpu.from_host(np.full(5000, 2.0, np.float32))
    assert (gpu.to_host(result) == 11.0).all()
    assert (gpu.to_host(second) == 2.0).all()


@pytest.mark.parametrize("size", [1, 5, 1023, 1024, 1025, 2048, 5000, 4096 + 3])
def test_a_large_upload_is_written_in_pieces(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_queue, "PIECE", 1024)
    queue = get_device(0).queue
    sent: list[int] = []
    send = queue._send

    def counted(batch: Sequence[Any]) -> None:
        sent.append(len(batch))
        send(batch)

    monkeypatch.setattr(queue, "_send", counted)
    x = np.random.default_rng(size).integers(0, 256, size, dtype=np.uint8)
    gpu.synchronize()
    before = gpu.from_host(np.full(2000, 1.0, np.float32))
    gpu.synchronize()
    recorded = add(before, 10.0)
    del before
    sent.clear()
    back = gpu.to_host(gpu.from_host(x))
    assert back.tobytes() == x.tobytes()
    assert sent.count(0) == -(-size // 1024) - 1
    assert (gpu.to_host(recorded) == 11.0).all()


@given(
    st.sampled_from([np.float32, np.float16, np.int32, np.uint8, np.bool_]).flatmap(
        lambda dtype: arrays(dtype, st.integers(0, 70))
    )
)
@settings(max_examples=60, deadline=None)
def test_what_is_uploaded_is_read_back(x: np.ndarray) -> None:
    back = gpu.to_host(gpu.from_host(x))
    assert back.dtype == x.dtype
    assert back.tobytes() == x.tobytes()


@pytest.mark.parametrize("offset", [0, 1, 2, 3, 5])
def test_a_view_of_bytes_at_any_offset_is_read_back(offset: int) -> None:
    x = np.arange(40, dtype=np.uint8)
    whole = gpu.from_host(x)
    view = gpu.GpuArray(whole.storage, (21,), (1,), offset, whole.dtype)
    assert (gpu.to_host(view) == x[offset : offset + 21]).all()


def test_a_read_back_of_many_pieces_is_exact() -> None:
    x = np.random.default_rng(0).random(9 << 20, dtype=np.float32)
    assert (gpu.to_host(gpu.from_host(x)) == x).all()


@pytest.mark.parametrize("size", [5, 5 << 20])
def test_a_read_back_fills_the_memory_that_it_is_given(size: int) -> None:
    x = np.random.default_rng(size).random(size, dtype=np.float32)
    memory = np.full(size + 2, 7.0, np.float32)
    out = memory[1:-1]
    assert gpu.to_host(gpu.from_host(x), out) is out
    assert (out == x).all()
    assert memory[0] == memory[-1] == 7.0
    for other in (memory, memory[1:-1].astype(np.int32), np.zeros(2 * size, np.float32)[::2]):
        with pytest.raises(ArgumentError, match="out is a contiguous array"):
            gpu.to_host(gpu.from_host(x), other)


def test_an_array_is_overwritten_behind_the_replays_that_read_it() -> None:
    place = zeros(4, device="gpu")
    gpu.persist(place.array)
    captured, x = gpu.capture(lambda x: x + place), ones(4, device="gpu")
    results = []
    for k in range(8):
        gpu.from_host(np.full(4, k, np.float32), out=place.array)
        results.append(captured(x))
    assert [r.tolist() for r in results] == [[k + 1.0] * 4 for k in range(8)]


@pytest.mark.parametrize("size", [8, 5 << 20])
def test_an_upload_overwrites_an_array_after_what_was_recorded_of_it(size: int) -> None:
    x, y = (np.random.default_rng(k).random(size, dtype=np.float32) for k in range(2))
    target = gpu.from_host(np.zeros(size + 8, np.float32))
    part = gpu.GpuArray(target.storage, (size,), (1,), 4, target.dtype)
    assert gpu.from_host(x, out=part) is part
    before = Tensor.from_array(part) + 1.0  # recorded, and reads what was there
    gpu.from_host(y, out=part)
    after = Tensor.from_array(part) + 1.0
    assert (before.numpy() == x + np.float32(1)).all()
    assert (after.numpy() == y + np.float32(1)).all()
    whole = gpu.to_host(target)
    assert not whole[:4].any()
    assert not whole[-4:].any()


def test_an_upload_is_not_written_where_it_does_not_fit() -> None:
    target = gpu.from_host(np.zeros(9, np.float16))
    for shape, offset in (((3,), 0), ((4,), 1)):
        part = gpu.GpuArray(target.storage, shape, (1,), offset, target.dtype)
        with pytest.raises(ArgumentError, match="multiples of 4"):
            gpu.from_host(np.ones(shape, np.float16), out=part)
    for other in (np.ones(9, np.float32), np.ones(8, np.float16)):
        with pytest.raises(ArgumentError, match="out is a contiguous array"):
            gpu.from_host(other, out=target)
    assert not gpu.to_host(target).any()


def test_more_dispatches_than_a_batch_run_in_order() -> None:
    x = gpu.from_host(np.zeros(10, np.float32))
    for _ in range(1500):
        x = add(x, 1.0)
    assert (gpu.to_host(x) == 1500.0).all()


def test_threads_do_not_disturb_each_other() -> None:
    wrong: list[object] = []

    def work(seed: int) -> None:
        rng = np.random.default_rng(seed)
        try:
            for _ in range(60):
                x = rng.random(rng.integers(1, 3000), dtype=np.float32)
                y = gpu.from_host(x)
                for _ in range(5):
                    y = add(y, 1.0)
                if not np.allclose(gpu.to_host(y), x + 5):
                    wrong.append(seed)
        except Exception as error:
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize("start", [0, 1, 6])
def test_a_large_array_is_read_back_through_few_staging_buffers(
    start: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_readback, "PIECE", 4096)
    values = np.random.default_rng(0).integers(0, 256, 100_003, dtype=np.uint8)
    x = tensor(values, device="gpu")
    assert (x[start:].numpy() == values[start:]).all()
    idle = get_device(0)._readback._idle
    assert len(idle) <= _readback.STAGING
    assert (x[start:].numpy() == values[start:]).all()


def test_long_work_is_submitted_at_once_where_the_gpu_may_be_idle(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    device = get_device(0)
    x = gpu.from_host(np.zeros(64, np.float32))
    gpu.synchronize()
    for seconds, submitted in ((-1.0, True), (1e9, False)):
        monkeypatch.setattr(_device, "LONG_SECONDS", seconds)
        add(x, 1.0)
        assert len(device.log) == 1
        ADD_ONE.variant().dispatch([x, gpu.empty((64,))], (64, 1.0), _device.LONG_WORKGROUPS)
        assert (len(device.log) == 0) is submitted
        gpu.synchronize()
