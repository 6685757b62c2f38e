"""What is overwritten while the GPU works on: values that another thread has filled in before."""

import gc
import threading

import numpy as np
import pytest

from rumus import gpu
from rumus.gpu import CaptureError, ReadAhead, WriteAhead
from rumus.gpu._device import get_device
from rumus.tensor import ArgumentError, Tensor, ones, tensor, zeros

pytestmark = pytest.mark.gpu


@pytest.fixture(params=["mapped", "by the device's thread"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with wgpu, and as where the driver cannot map without waiting."""
    if request.param != "mapped":
        monkeypatch.setattr(type(get_device(0).driver), "map", lambda *_: None)


DTYPES = [np.float32, np.float16, np.int32]


@pytest.mark.parametrize("dtype", DTYPES)
def test_an_array_is_overwritten_where_put_stands_among_the_work(dtype) -> None:
    t = tensor(np.zeros(3000, dtype), device="gpu")
    writer, found = WriteAhead(t.array.nbytes), []
    for round in range(4):
        values = (np.arange(3000) % 500 + round).astype(dtype)
        writer.fill(values)
        values[:] = 0  # it has them
        before = t * 1
        writer.put(t.array)
        found.append((before, t * 1))
    for round, (before, after) in enumerate(found):
        values = (np.arange(3000) % 500).astype(dtype)
        np.testing.assert_array_equal(after.numpy(), values + dtype(round))
        np.testing.assert_array_equal(before.numpy(), values + dtype(round - 1) if round else 0)


def test_another_thread_fills_while_the_gpu_works() -> None:
    places = [zeros(1 << 16, device="gpu") for _ in range(12)]
    writers = [WriteAhead(4 << 16) for _ in places]
    for round in range(3):
        filled = [threading.Event() for _ in places]

        def fill(round: int = round, filled: list[threading.Event] = filled) -> None:
            for k, writer in enumerate(writers):
                writer.fill(np.full(1 << 16, 100 * round + k, np.float32))
                filled[k].set()

        thread = threading.Thread(target=fill)
        thread.start()
        sums = []
        for k, (writer, place) in enumerate(zip(writers, places, strict=True)):
            assert filled[k].wait(60)
            writer.put(place.array)
            sums.append(place.sum())
        thread.join()
        assert [s.item() for s in sums] == [(100.0 * round + k) * (1 << 16) for k in range(12)]


def test_a_part_of_an_array_is_overwritten() -> None:
    t, writer = zeros(10, device="gpu"), WriteAhead(16)
    writer.fill(np.arange(4, dtype=np.float32).reshape(2, 2))
    writer.put(t[3:7].array)
    assert t.tolist() == [0, 0, 0, 0, 1, 2, 3, 0, 0, 0]


def test_a_captured_step_sees_what_was_put_before_it() -> None:
    place, writer = zeros(4, device="gpu"), WriteAhead(16)
    gpu.persist(place.array)
    captured = gpu.capture(lambda x: x + place)
    results = []
    for k in range(6):
        writer.fill(np.full(4, k, np.float32))
        writer.put(place.array)
        results.append(captured(ones(4, device="gpu")))
    assert [r.tolist() for r in results] == [[k + 1.0] * 4 for k in range(6)]


def test_a_guard_brings_what_is_on_its_way_before() -> None:
    said = []

    class Guard:
        is_waiting = True

        def parts(self, start: int, stop: int) -> tuple[int, int]:
            return start, stop

        def bring(self, parts: object = None) -> None:
            said.append(parts)

    t, writer = zeros(8, device="gpu"), WriteAhead(8)
    gpu.guard(t.array, Guard())
    writer.fill(np.ones(2, np.float32))
    writer.put(t[2:4].array)
    gpu.guard(t.array, None)
    assert said[0] == (8, 16)
    assert t.tolist() == [0, 0, 1, 1, 0, 0, 0, 0]


def test_what_cannot_be_written_is_refused() -> None:
    for nbytes in (0, 6, -4, 4.0):
        with pytest.raises(ArgumentError, match="multiple of 4"):
            WriteAhead(nbytes)
    writer = WriteAhead(8)
    with pytest.raises(ArgumentError, match=r"follows fill"):
        writer.put(zeros(2, device="gpu").array)
    with pytest.raises(ArgumentError, match="of 8 bytes, not of 12"):
        writer.fill(np.zeros(3, np.float32))
    with pytest.raises(ArgumentError, match="contiguous"):
        writer.fill(np.zeros(4, np.float32)[::2])
    writer.fill(np.array([5, 6], np.float32))
    with pytest.raises(ArgumentError, match="are put"):
        writer.fill(np.zeros(2, np.float32))
    for wrong in (zeros(3, device="gpu"), zeros(4, device="gpu")[::2]):
        with pytest.raises(ArgumentError, match="contiguous array of as many"):
            writer.put(wrong.array)
    with pytest.raises(CaptureError, match="uploads"):
        gpu.capture(lambda x: writer.put(x.array))(zeros(2, device="gpu"))
    t = zeros(2, device="gpu")
    writer.put(t.array)
    assert t.tolist() == [5, 6]


def test_memory_may_go_while_the_gpu_has_to_do_with_it() -> None:
    t = zeros(1 << 18, device="gpu")
    for k in range(20):
        writer, reader = WriteAhead(4 << 18), ReadAhead(4 << 18)
        writer.fill(np.full(1 << 18, k, np.float32))
        writer.put(t.array)
        reader.begin(t.array)
        del writer, reader
        gc.collect()
    assert t.sum().item() == 19.0 * (1 << 18)
    readers = [ReadAhead(4) for _ in range(3)]
    for reader in readers:
        reader.begin(t[:1].array)
    assert [reader.wait(np.zeros(1, np.float32)).item() for reader in readers] == [19.0] * 3


def test_submit_begins_what_is_recorded() -> None:
    t: Tensor = ones(4, device="gpu") * 2.0
    gpu.submit()
    assert t.tolist() == [2.0] * 4
