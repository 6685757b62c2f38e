"""Submission on another thread: in order, bounded, and errors come back."""

import threading

import numpy as np
import pytest

from rumus import gpu
from rumus.gpu._submitter import MOST_WAITING, Submitter
from rumus.tensor import tensor


def test_batches_are_submitted_in_order() -> None:
    seen: list[int] = []
    submitter = Submitter(seen.append)
    for number in range(500):
        submitter.put(number)
    submitter.drain()
    assert seen == list(range(500))


def test_no_more_than_the_bound_wait() -> None:
    go = threading.Event()
    submitter: Submitter[int] = Submitter(lambda batch: go.wait())
    for number in range(MOST_WAITING):
        submitter.put(number)
    late = threading.Thread(target=submitter.put, args=(99,))
    late.start()
    late.join(0.05)
    assert late.is_alive()
    go.set()
    late.join()
    submitter.drain()


def test_an_error_is_raised_once_by_the_next_call() -> None:
    def fail(batch: int) -> None:
        raise ValueError(f"batch {batch}")

    submitter = Submitter(fail)
    submitter.put(3)
    with pytest.raises(ValueError, match="batch 3"):
        submitter.drain()
    submitter.drain()


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
