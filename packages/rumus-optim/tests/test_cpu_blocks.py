"""Blocks and threads of the CPU's steps: they change no bit, and stay within 2 MiB of scratch."""

import tracemalloc

import numpy as np
import pytest

from rumus.autograd import GradientStore
from rumus.nn import Parameter
from rumus.optim import LAMB, Adafactor, Adam, AdamW, Lion, WeightAverage, clip_grad_norm_
from rumus.optim._cpu import blocks as cpu
from rumus.tensor import from_numpy, set_num_threads

SIZE = 500_001
MAKERS = {
    "AdamW": lambda p: AdamW(p, lr=0.1),
    "Adam": lambda p: Adam(p, lr=0.1, weight_decay=0.1, maximize=True),
    "Lion": lambda p: Lion(p, lr=0.1),
    "LAMB": lambda p: LAMB(p, lr=0.1),
    "Adafactor": lambda p: Adafactor(p, lr=0.1),
}


@pytest.fixture(autouse=True)
def usual_threads():
    yield
    set_num_threads(None)


def trained(make, half=False, steps=3):
    rng = np.random.default_rng(0)
    kind = np.float16 if half else np.float32
    p = Parameter(rng.normal(size=SIZE).astype(kind))
    optimizer = make([p])
    for _ in range(steps):
        grads = GradientStore()
        grads.replace(p.id, from_numpy(rng.normal(size=SIZE).astype(kind)))
        optimizer.step(grads)
    return p.numpy().tobytes()


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("name", MAKERS)
def test_the_number_of_threads_changes_no_bit(name, half):
    results = []
    for count in (1, 2, 5, 64):
        set_num_threads(count)
        results.append(trained(MAKERS[name], half))
    assert results == [results[0]] * 4


@pytest.mark.parametrize("count", [1, 2, 3, 7, 64])
@pytest.mark.parametrize("scratch", ["f", "ff", "ffd"])
def test_the_scratch_of_all_threads_stays_within_its_bound(scratch, count):
    set_num_threads(count)
    buffers = []
    work = cpu.wide_spans([4 * SIZE, 7, 0], scratch)
    cpu.for_spans(work, scratch, lambda span, given: buffers.append([b.base for b in given]))
    assert len(buffers) == len(work)
    distinct = {id(b): b.nbytes for given in buffers for b in given}
    assert sum(distinct.values()) <= 2 * 1024 * 1024


def test_a_step_needs_two_mebibytes_at_most():
    p = Parameter(np.ones(4 * SIZE, np.float32))
    optimizer = AdamW([p], lr=0.1)
    grad = from_numpy(np.ones(4 * SIZE, np.float32))

    def step():
        grads = GradientStore()
        grads.replace(p.id, grad)
        optimizer.step(grads)

    step()  # makes the moments
    tracemalloc.start()
    step()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak <= 2 * 1024 * 1024


@pytest.mark.parametrize("order", [1.0, 2.0, 3.0, float("inf")])
def test_a_norm_and_an_average_are_the_same_on_any_number_of_threads(order):
    results = []
    for count in (1, 2, 5):
        set_num_threads(count)
        rng = np.random.default_rng(0)
        p = Parameter(rng.normal(size=SIZE).astype(np.float32))
        grads = GradientStore()
        grads.replace(p.id, from_numpy(rng.normal(size=SIZE).astype(np.float32)))
        norm = clip_grad_norm_(grads, [p], 1.0, order)
        average = WeightAverage([p], 0.9)
        AdamW([p], lr=0.1).step(grads)
        average.update()
        results.append((float(norm), average.state_dict()["averages"]["0"].tobytes()))
    assert results == [results[0]] * 3


def test_a_step_takes_no_more_threads_than_were_asked_for_nor_than_gain_anything():
    import threading

    for count, most in ((1, 1), (2, 2), (64, 4)):
        set_num_threads(count)
        seen = set()
        work = cpu.spans([64 * cpu.BLOCK])
        cpu.for_spans(work, "f", lambda span, given, seen=seen: seen.add(threading.get_ident()))
        assert len(seen) <= most
