"""Layer normalisation and its gradients on both devices against numpy in float64."""

import itertools

import numpy as np
import pytest

from rumus._backends.cpu import CpuBackend
from rumus.gpu import GpuArray

EPS = 1e-5
SHAPES = [(1, 1), (3, 10), (128, 10), (5, 4), (300, 33), (7, 1000), (1000, 384), (4, 6288)]
LONG = [(3, 20_001), (2, 40_000)]
TALL = [(70_000, 3), (65_535 * 16 + 5, 4)]


@pytest.fixture
def be(device):
    if device == "cpu":
        return CpuBackend()
    from rumus._backends.gpu import get_gpu_backend

    return get_gpu_backend(0)


def numbers(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def exactly(x, weight, bias, grad, eps):
    """The result, the moments, and the three gradients, in float64."""
    x, weight, bias, grad = (a.astype(np.float64) for a in (x, weight, bias, grad))
    mean = x.mean(1, keepdims=True)
    scale = 1 / np.sqrt(((x - mean) ** 2).mean(1, keepdims=True) + eps)
    n, w = (x - mean) * scale, grad * weight
    into_x = scale * (w - w.mean(1, keepdims=True) - n * (w * n).mean(1, keepdims=True))
    moments = np.concatenate([mean, scale], 1)
    return n * weight + bias, moments, into_x, (grad * n).sum(0), grad.sum(0)


def check(be, x, weight, bias, grad, eps=EPS, precision=1e-6, sums_precision=None):
    """Errors are within some roundings, as often as a row's centring and scaling multiply them.

    ``sums_precision`` is what the bias's gradient is right to, relative to itself.
    """
    y, moments, into_x, into_weight, into_bias = exactly(x, weight, bias, grad, eps)
    scale = moments[:, 1:]
    room = precision * (1 + scale * np.abs(x.astype(np.float64)).max(1, keepdims=True))
    given, w, b, g = (be.from_host(a) for a in (x, weight, bias, grad))
    got, m = be.layer_norm(given, w, b, eps)
    assert got.dtype == np.result_type(x, weight, bias)
    size = np.abs(y) + np.abs(weight) + np.abs(bias)
    assert (np.abs(be.to_host(got) - y) <= room * size).all()
    assert (np.abs(be.to_host(m) - moments) <= room * (1 + np.abs(moments))).all()
    got = be.to_host(be.layer_norm_backward(given, m, w, g, eps))
    size = scale * np.abs(grad * weight).max(1, keepdims=True)
    assert (np.abs(got - into_x) <= 4 * room * size).all()
    sums = be.layer_norm_sums(given, m, g, EPS)
    assert (np.abs(be.to_host(sums[0]) - into_weight) <= (room * np.abs(grad)).sum(0) * 2).all()
    if sums_precision is None:
        assert (np.abs(be.to_host(sums[1]) - into_bias) <= precision * np.abs(grad).sum(0)).all()
    else:
        np.testing.assert_allclose(be.to_host(sums[1]), into_bias, rtol=sums_precision)


@pytest.mark.parametrize("shape", SHAPES + LONG + TALL, ids=str)
def test_result_and_gradients_equal_their_formulas(be, shape):
    columns = shape[1]
    weight = numbers(columns, 1) + 2.5 * np.sign(numbers(columns, 2))
    check(be, 3 * numbers(shape), weight, numbers(columns, 3), numbers(shape, 4))


def test_a_large_mean_costs_no_more_precision_than_x_has(be):
    x = numbers((20, 256)) + 1000
    one, zero = np.ones(256, np.float32), np.zeros(256, np.float32)
    check(be, x, one, zero, numbers((20, 256), 1))


@pytest.mark.parametrize("half", list(itertools.product((False, True), repeat=4)), ids=str)
def test_half_precision_is_computed_in_single(be, half):
    x, weight, bias, grad = (
        array.astype(np.float16) if is_half else array
        for array, is_half in zip(
            (numbers((30, 48)), numbers(48, 1) + 3, numbers(48, 2), numbers((30, 48), 3)),
            half,
            strict=True,
        )
    )
    check(be, x, weight, bias, grad, precision=1e-3 if all(half[:3]) else 1e-6)


def test_sums_of_gradients_of_one_sign_keep_their_digits(be):
    shape = 300_001, 4
    x, grad = numbers(shape), (0.1 + 0.01 * numbers(shape, 1)).astype(np.float32)
    check(be, x, np.ones(4, np.float32), np.zeros(4, np.float32), grad, sums_precision=5e-6)


def test_other_rows_do_not_see_what_is_not_finite(be):
    x = numbers((5, 12))
    x[1, 3], x[3, 0] = np.nan, np.inf
    one, zero = np.ones(12, np.float32), np.zeros(12, np.float32)
    given, weight, bias, grad = map(be.from_host, (x, one, zero, numbers((5, 12), 1)))
    y, m = be.layer_norm(given, weight, bias, EPS)
    for result in (y, be.layer_norm_backward(given, m, weight, grad, EPS)):
        rows = be.to_host(result)
        assert np.isnan(rows[[1, 3]]).all() and np.isfinite(rows[[0, 2, 4]]).all()


def test_equal_numbers_become_the_bias(be):
    one, bias = np.ones(7, np.float32), numbers(7)
    y, _ = be.layer_norm(*map(be.from_host, (np.full((3, 7), 5, np.float32), one, bias)), EPS)
    assert np.array_equal(be.to_host(y), np.tile(bias, (3, 1)))


def test_strided_rows(be):
    x, g = numbers((6, 10)), numbers((6, 10), 1)
    one, zero = be.from_host(np.ones(6, np.float32)), be.from_host(np.zeros(6, np.float32))
    for layout in (lambda a: be.permute(be.from_host(a), (1, 0)), lambda a: be.from_host(a.T)):
        a, grad = layout(x), layout(g)
        y, m = be.layer_norm(a, one, zero, EPS)
        results = (
            y,
            be.layer_norm_backward(a, m, one, grad, EPS),
            *be.layer_norm_sums(a, m, grad, EPS),
        )
        wanted = exactly(x.T, np.ones(6), np.zeros(6), g.T, EPS)
        for got, exact in zip(results, (wanted[0], *wanted[2:]), strict=True):
            np.testing.assert_allclose(be.to_host(got), exact, rtol=1e-5, atol=1e-5)


def test_no_rows(be):
    empty, columns = be.from_host(np.zeros((0, 5), np.float32)), be.from_host(numbers(5))
    y, m = be.layer_norm(empty, columns, columns, EPS)
    assert y.shape == (0, 5) and m.shape == (0, 2)
    assert be.layer_norm_backward(empty, m, columns, empty, EPS).shape == (0, 5)
    for got in be.layer_norm_sums(empty, m, empty, EPS):
        assert np.array_equal(be.to_host(got), np.zeros(5))


@pytest.mark.gpu
@pytest.mark.parametrize("rows", [40, 1000])
def test_sums_are_written_where_they_are_wanted(rows):
    from rumus._backends.gpu import get_gpu_backend

    be = get_gpu_backend(0)
    x, grad, one = numbers((rows, 8)), numbers((rows, 8), 1), np.ones(8, np.float32)
    given, g = be.from_host(x), be.from_host(grad)
    _, m = be.layer_norm(given, *map(be.from_host, (one, one)), EPS)
    place = be.from_host(np.full(40, 7, np.float32))
    out, bias_out = (GpuArray(place.storage, (8,), (1,), at, place.dtype) for at in (4, 20))
    assert be.layer_norm_sums(given, m, g, EPS, True, out, bias_out) == (out, bias_out)
    fresh = [be.to_host(a) for a in be.layer_norm_sums(given, m, g, EPS)]
    wanted = np.full(40, 7, np.float32)
    wanted[4:12], wanted[20:28] = fresh
    assert np.array_equal(be.to_host(place), wanted)
