"""Softmax, cross-entropy and random numbers on the GPU against numpy in float64."""

import numpy as np
import pytest

from rumus import gpu
from rumus._backends.cpu import CpuBackend
from rumus._backends.generator import Generator
from rumus._backends.gpu import get_gpu_backend
from rumus.tensor import ArgumentError

pytestmark = pytest.mark.gpu

SHAPES = [(1, 1), (3, 10), (128, 10), (5, 4), (7, 1000), (4, 6288), (3, 20_001), (2, 40_000)]
TALL = [(70_000, 3), (65_535 * 16 + 5, 4)]


@pytest.fixture(scope="module")
def be():
    return get_gpu_backend(0)


def numbers(shape, seed=0):
    return 3 * np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def log_softmax(x):
    x = x.astype(np.float64)
    x = x - x.max(1, keepdims=True)
    return x - np.log(np.exp(x).sum(1, keepdims=True))


@pytest.mark.parametrize("shape", SHAPES + TALL, ids=str)
def test_softmax_and_its_logarithm(be, shape):
    x = numbers(shape)
    exact = log_softmax(x)
    assert np.allclose(be.to_host(be.softmax(be.from_host(x), False)), np.exp(exact), atol=1e-6)
    assert np.allclose(be.to_host(be.softmax(be.from_host(x), True)), exact, rtol=1e-6, atol=3e-6)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_gradients_of_softmax(be, shape):
    x, g = numbers(shape), numbers(shape, 1)
    log_y = log_softmax(x)
    y, wide = np.exp(log_y), g.astype(np.float64)
    size = np.abs(wide).sum(1, keepdims=True)
    for log, out, exact in (
        (False, y, y * (wide - (wide * y).sum(1, keepdims=True))),
        (True, log_y, wide - y * wide.sum(1, keepdims=True)),
    ):
        given = be.from_host(out.astype(np.float32))
        got = be.to_host(be.softmax_backward(given, be.from_host(g), log))
        assert (np.abs(got - exact) <= 1e-6 * size + 1e-6).all()


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_cross_entropy_and_its_gradient(be, shape, smoothing):
    rows, classes = shape
    x, g = numbers(shape), numbers((rows,), 1)
    target = np.random.default_rng(0).integers(0, classes, rows).astype(np.int32)
    target[rows // 2] = -100 if rows > 1 else target[0]
    kept = target != -100
    q = np.full(shape, smoothing / classes)
    q[np.arange(rows), np.where(kept, target, 0)] += 1 - smoothing
    logs = log_softmax(x)
    exact = np.where(kept, -(q * logs).sum(1), 0)
    slope = np.where(kept, g, 0)[:, None] * (np.exp(logs) - q)
    given = be.from_host(x), be.from_host(target)
    got = be.to_host(be.cross_entropy(*given, -100, smoothing))
    assert np.allclose(got, exact, rtol=2e-6, atol=5e-6)
    got = be.to_host(be.cross_entropy_backward(*given, be.from_host(g), -100, smoothing))
    assert np.allclose(got, slope, atol=5e-6)


def test_one_gradient_may_be_broadcast_over_the_rows(be):
    x, target = numbers((6, 5)), np.arange(6, dtype=np.int32) % 5
    one = be.expand(be.from_host(np.array([0.5], np.float32)), (6,))
    given = be.from_host(x), be.from_host(target)
    same = be.from_host(np.full(6, 0.5, np.float32))
    got, wanted = (be.to_host(be.cross_entropy_backward(*given, g, -1, 0.0)) for g in (one, same))
    assert np.array_equal(got, wanted)


@pytest.mark.parametrize("wrong", [7, -1])
def test_a_class_out_of_range_is_named_when_the_gpu_is_waited_for(be, wrong):
    target = np.array([0, 1, wrong, 2], np.int32)
    be.cross_entropy(be.from_host(numbers((4, 7))), be.from_host(target), -100, 0.0)
    with pytest.raises(ArgumentError, match=rf"target\[2\] is {wrong}"):
        gpu.synchronize()
    gpu.synchronize()


def test_rows_of_infinities_and_half_precision(be):
    x = np.array([[-np.inf, 0, -np.inf], [1, 2, np.nan]], np.float32)
    got = be.to_host(be.softmax(be.from_host(x), False))
    assert np.array_equal(got[0], [0, 1, 0])
    assert np.isnan(got[1]).all()
    half = numbers((5, 12)).astype(np.float16)
    got = be.softmax(be.from_host(half), True)
    assert got.dtype == np.float16
    assert np.allclose(be.to_host(got), log_softmax(half), atol=5e-3)


def test_strided_rows(be):
    x = numbers((10, 6))
    turned = be.permute(be.from_host(x), (1, 0))
    assert np.allclose(be.to_host(be.softmax(turned, True)), log_softmax(x.T), atol=3e-6)


@pytest.mark.parametrize("size", [0, 1, 2, 7, 1001, 100_000])
def test_random_numbers_are_the_cpus(be, size):
    for kind, room in (("uniform", 0), ("normal", 1e-5)):
        here = Generator(0x123456789ABCDEF, 0xFFFFFFFF)
        there = Generator(0x123456789ABCDEF, 0xFFFFFFFF)
        for _ in range(2):
            wanted = CpuBackend().random(kind, (size,), here)
            got = be.to_host(be.random(kind, (size,), there))
            assert np.allclose(got, wanted, rtol=0, atol=room)
        assert here.state() == there.state()
