"""The thread that submits: in order, its results and errors, and who waits for it."""

import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rumus import gpu
from rumus.gpu import _device, _queue
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
        # Which one is done says it of all before.
        assert number - max(done, default=-1) <= MOST
    assert done == sorted(done)


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


def eager() -> None:
    gpu.full((64,), 1.0)
    get_device(0).flush()


captured = gpu.capture(lambda: gpu.full((64,), 1.0) and None)


def upload() -> None:
    gpu.from_host(np.zeros(1 << 20, np.float32))


def small_upload() -> None:
    gpu.from_host(np.zeros(1 << 18, np.float32))


SUBMISSIONS = MOST + _device.MOST_WAITING + 2


@pytest.mark.gpu
@pytest.mark.parametrize(
    ("step", "most"),
    [
        (eager, SUBMISSIONS),
        (captured, 10 * SUBMISSIONS),  # several replays in one, if they come fast
        (upload, (MOST_BYTES + 2 * _queue.PIECE) >> 22),
        (small_upload, (MOST_BYTES + 2 * _queue.PIECE + 2 * _device.MOST_COPIED) >> 20),
    ],
)
def test_a_program_runs_a_few_submissions_ahead_of_the_gpu(
    monkeypatch: pytest.MonkeyPatch, step: Callable[[], None], most: int
) -> None:
    """With a GPU that completes nothing, whoever goes on has to wait."""
    monkeypatch.setattr(_device, "REPLAY_SECONDS", -1.0)  # each replay is a submission
    step()
    gpu.synchronize()
    flight = get_device(0).queue.flight
    go, wait = threading.Event(), flight._wait

    def held(mark: object) -> None:
        go.wait(20)
        wait(mark)

    monkeypatch.setattr(flight, "_wait", held)
    done: list[None] = []
    thread = threading.Thread(target=lambda: done.extend(step() for _ in range(150)))
    thread.start()
    before = -1
    while before < len(done) <= most:
        before = len(done)
        thread.join(0.3)
    go.set()
    assert before <= most
    thread.join(20)
    assert len(done) == 150
    gpu.synchronize()


@pytest.mark.gpu
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("nbytes", [_device.COPIED // 2, _device.COPIED * 2])
def test_uploads_that_nothing_computes_on_do_not_pile_up(nbytes: int) -> None:
    x = np.zeros(nbytes, np.uint8)

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def upload(total: int) -> None:
        for _ in range(total // nbytes):
            gpu.from_host(x)

    upload(128 << 20)
    before = resident()
    upload(1 << 30)
    assert resident() - before < 128 << 20


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
