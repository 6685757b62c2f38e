"""The thread that submits: in order, its results and errors, and who waits for it."""

import threading
import time

import numpy as np
import pytest

from rumus import gpu
from rumus.gpu import _device
from rumus.gpu._device import get_device
from rumus.gpu._flight import LONGEST, MOST, MOST_BYTES, Flight
from rumus.gpu._submitter import Submitter
from rumus.tensor import tensor


def test_jobs_run_in_order_on_one_thread() -> None:
    seen: list[object] = []
    submitter = Submitter("test")
    for number in range(500):
        submitter.post(seen.append, number)
    assert submitter.call(threading.get_ident) != threading.get_ident()
    assert seen == list(range(500))
    submitter.end()


def test_an_error_is_raised_where_it_is_waited_for() -> None:
    def fail(number: int) -> None:
        raise ValueError(f"job {number}")

    submitter = Submitter("test")
    lost = submitter.post(fail, 2)
    with pytest.raises(ValueError, match="job 3"):
        submitter.call(fail, 3)
    lost.wait()
    assert submitter.call(int, "7") == 7
    submitter.end()


def test_calls_from_its_own_thread_and_after_its_end_are_made_at_once() -> None:
    submitter = Submitter("test")
    assert submitter.call(submitter.call, int, "7") == 7
    submitter.end()
    assert submitter.call(int, "8") == 8


def test_several_threads_wait_for_one_job() -> None:
    go = threading.Event()
    submitter = Submitter("test")
    job = submitter.post(go.wait)
    waiting = [threading.Thread(target=job.wait) for _ in range(4)]
    for thread in waiting:
        thread.start()
    time.sleep(0.02)
    assert all(thread.is_alive() for thread in waiting)
    go.set()
    for thread in waiting:
        thread.join()
    submitter.end()


def test_few_submissions_are_in_flight() -> None:
    done: list[int] = []
    flight = Flight(done.append)
    for number in range(100):
        flight.make_room(0)
        flight.add(number, 0)
        assert number + 1 - len(done) <= MOST
    assert done == list(range(len(done)))
    assert len(done) >= 100 - MOST


def test_few_bytes_are_in_flight() -> None:
    done: list[int] = []
    flight = Flight(done.append)
    for number in range(20):
        flight.make_room(MOST_BYTES // 2)
        flight.add(number, MOST_BYTES // 2)
        assert number + 1 - len(done) <= 2
    flight.make_room(10 * MOST_BYTES)
    assert len(done) == 20


def test_two_long_submissions_are_in_flight() -> None:
    done: list[int] = []

    def wait(number: int) -> None:
        time.sleep(LONGEST * 0.6)
        done.append(number)

    flight = Flight(wait)
    for number in range(6):
        flight.make_room(0)
        flight.add(number, 0)
        assert number + 1 - len(done) <= 2


@pytest.mark.gpu
def test_the_program_does_not_run_ahead_of_the_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a GPU that completes nothing, whoever goes on submitting has to wait."""
    device = get_device(0)
    gpu.synchronize()
    go, waiting = threading.Event(), threading.Event()
    wait = device.queue.flight._wait

    def held(mark: object) -> None:
        waiting.set()
        go.wait(10)
        wait(mark)

    monkeypatch.setattr(device.queue.flight, "_wait", held)
    submitted: list[int] = []

    def work() -> None:
        for number in range(50):
            gpu.full((64,), 1.0)
            device.flush()
            submitted.append(number)

    thread = threading.Thread(target=work)
    thread.start()
    assert waiting.wait(10)
    thread.join(0.1)
    assert thread.is_alive()
    assert len(submitted) <= MOST + _device.MOST_WAITING + 1
    go.set()
    thread.join(10)
    assert not thread.is_alive()
    gpu.synchronize()


@pytest.mark.gpu
def test_replays_uploads_and_plain_work_keep_the_order_of_the_program() -> None:
    total = tensor(np.zeros(3000, np.float32), device="gpu")
    gpu.persist(total.array)

    def step(x: object) -> None:
        total.add_(x)  # type: ignore[arg-type]

    captured = gpu.capture(step)
    expected = 0
    for number in range(1, 200):
        captured(tensor(np.full(3000, number, np.float32), device="gpu"))
        expected += number
        if number % 7 == 0:
            total.mul_(2.0)
            expected *= 2
        if expected > 1 << 20:
            total.zero_()
            expected = 0
    assert (total.numpy() == expected).all()
