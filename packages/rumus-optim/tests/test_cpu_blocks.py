"""Blocks and threads of the CPU's steps: they change no bit, and stay within 2 MiB of scratch."""

import os
import tracemalloc

import numpy as np
import pytest

from rumus.autograd import GradientStore
from rumus.nn import Parameter
from rumus.optim import LAMB, Adam, AdamW, Lion
from rumus.optim._cpu import blocks as cpu
from rumus.tensor import from_numpy

SIZE = 500_001
MAKERS = {
    "AdamW": lambda p: AdamW(p, lr=0.1),
    "Adam": lambda p: Adam(p, lr=0.1, weight_decay=0.1, maximize=True),
    "Lion": lambda p: Lion(p, lr=0.1),
    "LAMB": lambda p: LAMB(p, lr=0.1),
}


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
def test_the_number_of_processors_changes_no_bit(name, half, monkeypatch):
    results = []
    for count in (1, 2, 5, 64):
        monkeypatch.setattr(os, "cpu_count", lambda count=count: count)
        results.append(trained(MAKERS[name], half))
    assert results == [results[0]] * 4


@pytest.mark.parametrize("count", [1, 2, 3, 7, 64])
@pytest.mark.parametrize("scratch", ["f", "ff", "ffd"])
def test_the_scratch_of_all_threads_stays_within_its_bound(scratch, count, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: count)
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
