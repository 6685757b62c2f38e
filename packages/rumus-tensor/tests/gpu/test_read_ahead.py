"""What is read while the GPU works on: the values of the place where it was asked for."""

import threading
import time

import numpy as np
import pytest

from rumus import gpu
from rumus.gpu import CaptureError, ReadAhead
from rumus.gpu._device import get_device
from rumus.nn import Parameter, cross_entropy_loss
from rumus.tensor import (
    ArgumentError,
    Tensor,
    arange,
    manual_seed,
    no_grad,
    ones,
    randn,
    tensor,
    zeros,
)

pytestmark = pytest.mark.gpu


@pytest.fixture(params=["mapped", "by the device's thread"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with wgpu, and as where the driver cannot map without waiting."""
    if request.param != "mapped":
        monkeypatch.setattr(type(get_device(0).driver), "map", lambda *_: None)


def kept(length: int) -> Tensor:
    """A tensor that captured steps may write to."""
    made = zeros(length, device="gpu")
    gpu.persist(made.array)
    return made


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int32])
def test_the_values_are_those_of_where_it_was_asked_for(dtype) -> None:
    values = (np.arange(3000) % 1000).astype(dtype)
    t = tensor(values, device="gpu")
    reader, out = ReadAhead(values.nbytes), np.empty_like(values)
    with no_grad():
        for round in range(3):
            reader.begin(t.array)
            t += 1
            np.testing.assert_array_equal(reader.wait(out), values + dtype(round))


def test_several_are_under_way_and_are_taken_in_any_order() -> None:
    t = arange(0.0, 1 << 16, device="gpu")
    readers = [ReadAhead(4 << 16) for _ in range(20)]
    for k, reader in enumerate(readers):
        reader.begin((t + float(k)).array)
    for k in reversed(range(20)):
        out = readers[k].wait(np.empty(1 << 16, np.float32))
        np.testing.assert_array_equal(out, np.arange(1 << 16, dtype=np.float32) + np.float32(k))


def test_a_part_of_an_array_is_read() -> None:
    reader = ReadAhead(16)
    reader.begin(arange(0.0, 10.0, device="gpu")[3:7].array)
    assert reader.wait(np.empty((2, 2), np.float32)).tolist() == [[3, 4], [5, 6]]


def test_what_cannot_be_read_is_refused() -> None:
    for nbytes in (0, 6, -4, 4.0):
        with pytest.raises(ArgumentError, match="multiple of 4"):
            ReadAhead(nbytes)
    reader, out = ReadAhead(8), np.empty(2, np.float32)
    with pytest.raises(ArgumentError, match="follows begin"):
        reader.wait(out)
    for wrong in (zeros(3, device="gpu"), zeros(4, device="gpu")[::2]):
        with pytest.raises(ArgumentError, match="contiguous array of as many"):
            reader.begin(wrong.array)
    reader.begin(zeros(2, device="gpu").array)
    with pytest.raises(ArgumentError, match="asked for before"):
        reader.begin(zeros(2, device="gpu").array)
    with pytest.raises(ArgumentError, match="of 8 bytes, not of 12"):
        reader.wait(np.empty(3, np.float32))
    assert reader.wait(out).tolist() == [0, 0]
    with pytest.raises(CaptureError, match="reads a tensor back"):
        gpu.capture(lambda x: reader.begin(x.array))(zeros(2, device="gpu"))


def test_a_fault_of_a_kernel_is_raised_once_by_who_waits() -> None:
    loss = cross_entropy_loss(zeros(2, 3, device="gpu"), tensor([0, 7], device="gpu"))
    readers, out = [ReadAhead(4) for _ in range(3)], np.empty(1, np.float32)
    for reader in readers:
        reader.begin(loss.array)
    with pytest.raises(ArgumentError, match="7"):
        readers[0].wait(out)
    readers[1].wait(out)
    assert ones(2, device="gpu").tolist() == [1.0, 1.0]
    readers[2].wait(out)


def test_a_replay_does_in_its_middle_what_was_asked_for_there() -> None:
    manual_seed(2)
    place, weight = kept(3), Parameter(randn(4, 3, device="gpu"))
    reader, number = ReadAhead(12), 0
    said = []

    def middle() -> None:
        said.append(number)
        reader.begin((place * float(number)).array)

    def step(x: Tensor) -> Tensor:
        with no_grad():
            first = (x @ weight).relu()  # read on both sides of what is in between
            place.copy_(first.sum(axis=0))
            gpu.in_between(middle)
            place.copy_(first.amax(axis=0) + 1.0)
            return (first * 2.0 + place).exp()

    captured = gpu.capture(step)
    batches = [randn(5, 4, device="gpu") for _ in range(5)]
    for number, x in enumerate(batches):
        result = captured(x).numpy()
        found = reader.wait(np.empty(3, np.float32))
        expected = step(x).numpy()
        np.testing.assert_array_equal(result, expected)
        np.testing.assert_array_equal(found, reader.wait(np.empty(3, np.float32)))
        with no_grad():
            sums = (x @ weight).relu().sum(axis=0) * float(number)
        np.testing.assert_array_equal(found, sums.numpy())
    assert said == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert len(captured.dispatches) == 1


def test_replays_with_something_in_between_have_their_own_host_values_and_results() -> None:
    count = iter(range(100))
    seen = []

    def step(x: Tensor) -> Tensor:
        value = Tensor.from_array(gpu.host_value(lambda: np.float32(next(count)), ()))
        y = x * value
        gpu.in_between(lambda: seen.append(1))
        return y + value

    captured = gpu.capture(step)
    results = [captured(tensor([float(k)], device="gpu")) for k in range(30)]
    assert [r.item() for r in results] == [k * k + k for k in range(30)]
    assert len(seen) == 30


def test_host_values_are_those_of_a_replay_on_both_sides_of_a_submission(monkeypatch) -> None:
    monkeypatch.setattr("rumus.gpu._device.REPLAY_SECONDS", 100.0)  # many replays in a submission
    count, place, reader = iter(range(100)), kept(1), ReadAhead(4)
    results: list[Tensor] = []

    def middle() -> None:
        if len(results) == 1:
            reader.begin(place.array)

    def step(x: Tensor) -> Tensor:
        value = Tensor.from_array(gpu.host_value(lambda: np.float32(next(count)), ()))
        y = x * 1.0
        gpu.in_between(middle)
        return y + value

    captured, x = gpu.capture(step), zeros(1, device="gpu")
    for _ in range(20):
        results.append(captured(x))
    assert [r.item() for r in results] == list(range(20))


def test_replays_in_several_threads_do_not_get_between_each_others_parts() -> None:
    def step(x: Tensor) -> Tensor:
        y = x.exp()
        gpu.in_between(lambda: time.sleep(1e-3))
        return y.log()

    captured, found = gpu.capture(step), {}
    inputs = [zeros(4, device="gpu") + float(k) for k in range(3)]

    def call(k: int) -> None:
        found[k] = [captured(inputs[k]).mean().item() for _ in range(10)]

    call(0)
    threads = [threading.Thread(target=call, args=(k,)) for k in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for k in range(3):
        np.testing.assert_allclose(found[k], [k] * 10, atol=1e-5)
