"""Scans against numpy in float64."""

import numpy as np
import pytest

from rumus._backends.gpu import scan as gpu_scan
from rumus._backends.registry import backend_of
from rumus._core.devices import Device
from rumus.nn import Parameter
from rumus.tensor import (
    ArgumentError,
    IndexRangeError,
    cummax,
    cummin,
    cumprod,
    cumsum,
    logcumsumexp,
    ones,
    tensor,
)

SCANS = {
    "sum": lambda a, axis: np.cumsum(a, axis, np.float64),
    "prod": lambda a, axis: np.cumprod(a, axis, np.float64),
    "max": np.maximum.accumulate,
    "min": np.minimum.accumulate,
    "logaddexp": lambda a, axis: np.logaddexp.accumulate(a.astype(np.float64), axis),
}
LAYOUTS = [
    ((7,), 0),
    ((0, 5), 1),
    ((5, 0), 1),
    ((3, 1), 1),
    ((70, 33), 1),
    ((70, 33), 0),
    ((5, 1024), 1),
    ((1, 3 * 4096), 1),
    ((2, 3 * 4096 + 5), 1),
    ((3001, 3), 0),
    ((2, 300, 8), 1),
]


def numbers(op, shape, dtype="float32", seed=0):
    rng = np.random.default_rng(seed)
    if op == "prod":
        return np.exp(rng.normal(size=shape) * 0.01).astype(dtype)
    return rng.normal(size=shape).astype(dtype)


@pytest.mark.parametrize(("shape", "axis"), LAYOUTS, ids=str)
@pytest.mark.parametrize(("op", "reverse"), [*((op, False) for op in SCANS), ("sum", True)])
def test_each_element_meets_all_before_it(op, shape, axis, reverse, device, monkeypatch):
    monkeypatch.setattr(gpu_scan, "FULL", 4)
    be = backend_of(Device(device))
    a = numbers(op, shape)
    got = be.to_host(be.scan(op, be.from_host(a), axis, reverse))
    turned = np.flip(a, axis) if reverse else a
    wanted = SCANS[op](turned, axis)
    wanted = np.flip(wanted, axis) if reverse else wanted
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=2e-4)
    assert got.dtype == np.float32


@pytest.mark.parametrize("shape", [(3, 20), (2, 9001), (9001, 4)], ids=str)
@pytest.mark.parametrize("dtype", ["float16", "int32", "uint8", "bool"])
def test_every_dtype_has_its_own_sums(dtype, shape, device):
    a = (np.random.default_rng(1).integers(0, 2 if dtype == "bool" else 7, shape)).astype(dtype)
    if dtype == "float16":
        a = (a - np.float16(3)) / np.float16(8)
    t, axis = tensor(a, device=device), int(np.argmax(shape))
    wanted = np.cumsum(a.astype(np.float64), axis)
    assert t.cumsum(axis).dtype == (np.float16 if dtype == "float16" else np.int32)
    np.testing.assert_array_equal(t.cumsum(axis).numpy(), wanted.astype(t.cumsum(axis).dtype))
    assert t.cummax(axis).values.dtype == a.dtype
    np.testing.assert_array_equal(t.cummax(axis).values.numpy(), np.maximum.accumulate(a, axis))


def test_integers_wrap_around(device):
    t = tensor([2**31 - 1, 1, 1], device=device)
    assert cumsum(t).tolist() == [2**31 - 1, -(2**31), -(2**31) + 1]
    assert cumprod(tensor([2**16, 2**15, 2], device=device)).tolist() == [2**16, -(2**31), 0]


def test_scans_take_views_and_names_of_pytorch(device):
    a = np.arange(24.0, dtype=np.float32).reshape(4, 6)
    t = tensor(a, device=device)
    np.testing.assert_array_equal(cumsum(t.T, 0).numpy(), np.cumsum(a.T, 0))
    np.testing.assert_array_equal(cumsum(t[::-1, 1::2], dim=1).numpy(), a[::-1, 1::2].cumsum(1))
    np.testing.assert_array_equal(cumsum(t).numpy(), np.cumsum(a))
    np.testing.assert_array_equal(cumsum(t[0].expand(3, 6), 0).numpy()[2], 3 * a[0])


def test_cummax_gives_the_last_position_and_nan_wins(device):
    a = np.array([1, 3, 2, 3, np.nan, 5, np.nan, -np.inf], np.float32)
    values, indices = cummax(tensor(a, device=device))
    np.testing.assert_array_equal(values.numpy(), np.maximum.accumulate(a))
    assert indices.tolist() == [0, 1, 1, 3, 4, 4, 6, 6] and indices.dtype == np.int32
    assert cummin(tensor([[2, 1], [2, 3]], device=device), axis=0).indices.tolist() == [
        [0, 0],
        [1, 0],
    ]


def test_logcumsumexp_neither_overflows_nor_loses_infinities(device):
    t = tensor([-np.inf, -np.inf, 1000.0, 1000.0, np.inf, 0.0], device=device)
    wanted = [-np.inf, -np.inf, 1000.0, 1000.0 + np.log(2), np.inf, np.inf]
    np.testing.assert_allclose(logcumsumexp(t).numpy(), wanted, rtol=1e-7)
    assert np.isnan(logcumsumexp(tensor([0.0, np.nan, 1.0], device=device)).numpy()[1:]).all()


FUNCTIONS = {
    "cumsum": (cumsum, lambda a, axis: np.cumsum(a, axis)),
    "cumprod": (cumprod, lambda a, axis: np.cumprod(a, axis)),
    "cummax": (lambda t, axis: cummax(t, axis).values, np.maximum.accumulate),
    "cummin": (lambda t, axis: cummin(t, axis).values, np.minimum.accumulate),
    "logcumsumexp": (logcumsumexp, np.logaddexp.accumulate),
}


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize(
    ("name", "zeros"), [*((name, 0) for name in FUNCTIONS), ("cumprod", 1), ("cumprod", 2)]
)
def test_gradients_equal_differences_also_where_factors_are_zero(name, axis, zeros, device):
    ours, theirs = FUNCTIONS[name]
    rng = np.random.default_rng(axis)
    a, weights = rng.normal(size=(5, 6)), rng.normal(size=(5, 6))
    for k in range(zeros):
        a[k + 1, :] = a[:, 2 * k + 1] = 0
    x = Parameter(tensor(a, "float32", device))
    grad = (ours(x, axis) * tensor(weights, "float32", device)).sum().backward().get(x.id).numpy()
    wanted = np.empty_like(a)
    for at in np.ndindex(a.shape):
        step = np.zeros_like(a)
        step[at] = 1e-6
        ends = [(theirs(a + s * step, axis) * weights).sum() for s in (1, -1)]
        wanted[at] = (ends[0] - ends[1]) / 2e-6
    np.testing.assert_allclose(grad, wanted, rtol=2e-4, atol=2e-4)


def test_mistakes_are_named(device):
    t = ones((2, 3), device=device)
    with pytest.raises(IndexRangeError, match="cumsum: axis 2 of a tensor with 2 axes"):
        t.cumsum(2)
    with pytest.raises(ArgumentError, match="axis and dim are one argument"):
        t.cumsum(1, dim=0)
    with pytest.raises(ArgumentError, match="with axes"):
        cummax(tensor(1.0, device=device))


@pytest.mark.slow
def test_sums_of_more_than_2_to_the_24_ones_go_on(device):
    n = 2**24 + 2**20
    result = cumsum(ones((n,), device=device)).numpy()
    wanted = np.arange(1, n + 1, dtype=np.float64).astype(np.float32)
    np.testing.assert_allclose(result, wanted, rtol=1.2e-7)
