"""Reductions on the GPU against numpy in float64."""

import itertools

import numpy as np
import pytest

from rumus._backends.gpu import get_gpu_backend

pytestmark = pytest.mark.gpu

DTYPES = ("float32", "float16", "int32", "uint8", "bool")
SHAPES = [
    (),
    (1,),
    (5,),
    (4097,),
    (37, 12),
    (8, 4096),
    (4096, 8),
    (3, 700, 5),
    (2, 3, 4, 5),
    (7, 1, 9),
]
LONG = [(300_000,), (200_000, 3), (3, 200_000), (2, 90_000, 4), (70_000, 2)]


@pytest.fixture(scope="module")
def be():
    return get_gpu_backend(0)


def numbers(shape, dtype):
    rng = np.random.default_rng(2)
    if dtype.startswith("float"):
        return rng.standard_normal(shape).astype(dtype)
    return rng.integers(0, 2 if dtype == "bool" else 250, shape).astype(dtype)


def check(be, op, array, host, axes):
    exact = host.astype(np.float64)
    wanted = getattr(np, op)(exact, axis=axes, keepdims=True) if axes else exact
    size = np.abs(exact).sum(axis=axes, keepdims=True) if axes else np.abs(exact)
    got = be.reduce(op, array, axes, True)
    integers = host.dtype.kind != "f"
    assert got.dtype == ("int32" if op == "sum" and integers else host.dtype)
    assert got.shape == wanted.shape
    if op == "mean":
        size = size / max(1, np.prod([host.shape[k] for k in axes]))
    room = 2e-3 * np.abs(wanted) + 1e-3 if host.dtype == np.float16 else 1e-6 * size
    room = 0 if integers or op in ("max", "min") else room
    assert (np.abs(be.to_host(got).astype(np.float64) - wanted) <= room).all(), (op, axes)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_set_of_axes(be, shape, dtype):
    host = numbers(shape, dtype)
    array = be.from_host(host)
    for count in range(len(shape) + 1):
        for axes in itertools.combinations(range(len(shape)), count):
            for op in (
                ("sum", "max", "min", "mean") if dtype.startswith("float") else ("sum", "max")
            ):
                check(be, op, array, host, axes)


@pytest.mark.parametrize("shape", LONG, ids=str)
def test_long_axes_are_reduced_in_two_stages(be, shape):
    host = numbers(shape, "float32")
    array = be.from_host(host)
    for axes in [(k,) for k in range(len(shape))] + [tuple(range(len(shape)))]:
        check(be, "sum", array, host, axes)
        check(be, "max", array, host, axes)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_views_are_reduced_where_they_lie(be, dtype):
    host = numbers((12, 20, 8), dtype)
    base = be.from_host(host)
    for axes in itertools.permutations(range(3)):
        array, twin = be.permute(base, axes), host.transpose(axes)
        index = (slice(1, twin.shape[0], 1), slice(0, twin.shape[1], 2), slice(3, twin.shape[2], 1))
        for view, reference in ((array, twin), (be.slice(array, index), twin[index])):
            for kept in [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2)]:
                check(be, "sum", view, reference, kept)
    wide = be.expand(be.from_host(host[:1]), host.shape)
    check(be, "sum", wide, np.broadcast_to(host[:1], host.shape), (0,))


def test_nan_wins_and_infinity_stays(be):
    host = np.array([[1, np.nan, 3, 2], [-np.inf, -np.inf, -np.inf, -np.inf]], np.float32)
    array = be.from_host(host)
    assert np.array_equal(be.to_host(be.reduce("max", array, (1,), False)), [np.nan, -np.inf], True)
    assert np.array_equal(be.to_host(be.reduce("min", array, (0,), False)), host.min(0), True)


def test_empty_sums_are_zero_and_empty_means_nan(be):
    array = be.from_host(np.zeros((0, 3), np.float32))
    assert np.array_equal(be.to_host(be.reduce("sum", array, (0,), False)), np.zeros(3))
    assert np.isnan(be.to_host(be.reduce("mean", array, (0,), False))).all()
    assert be.reduce("sum", array, (1,), False).shape == (0,)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("shape", [(6, 40), (9, 5), (3000, 8), (0, 8)])
def test_the_result_is_written_where_it_is_wanted(be, shape, dtype):
    host = numbers(shape, dtype)
    for axis in (0, 1):
        size = shape[1 - axis]
        arena = be.full((size + 12,), 7.0, np.dtype(dtype))
        out = be.slice(arena, [slice(5, 5 + size, 1)])
        assert be.reduce("sum", be.from_host(host), (axis,), False, out) is out
        exact = host.astype(np.float64).sum(axis)
        assert np.allclose(be.to_host(out), exact, rtol=2e-3, atol=1e-4)
        around = be.to_host(arena)
        assert (around[:5] == 7).all() and (around[5 + size :] == 7).all()


def test_more_rows_than_a_grid_has_in_one_dimension(be):
    host = numbers((65535 * 64 + 3, 3), "uint8")
    got = be.to_host(be.reduce("sum", be.from_host(host), (1,), False))
    assert np.array_equal(got, host.sum(1))


def test_a_sum_has_the_same_bits_every_time(be):
    array = be.from_host(numbers((1_000_003,), "float32"))
    found = {be.to_host(be.reduce("sum", array, (0,), False)).tobytes() for _ in range(5)}
    assert len(found) == 1


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("op", ["argmax", "argmin"])
@pytest.mark.parametrize(
    "shape", [(7,), (3, 10), (5, 300, 4), (1, 1), (2, 5000), (400_000,), (70_000, 3)]
)
def test_the_first_extreme_wins(be, shape, op, dtype):
    host = np.round(numbers(shape, dtype).astype(np.float64)).astype(dtype)
    for axis in range(len(shape)):
        got = be.arg_reduce(op, be.from_host(host), axis)
        assert got.dtype == np.int32
        assert np.array_equal(be.to_host(got), getattr(np, op)(host, axis=axis))


def test_nan_is_the_extreme_and_zeros_are_equal(be):
    host = np.array([[0.0, -0.0, -1.0], [5, np.nan, np.nan], [-np.inf, np.inf, 0]], np.float32)
    for op in ("argmax", "argmin"):
        got = be.to_host(be.arg_reduce(op, be.from_host(host), 1))
        assert np.array_equal(got, getattr(np, op)(host, axis=1))
    signed = np.array([-0.0, 0.0], np.float32)
    assert int(be.to_host(be.arg_reduce("argmax", be.from_host(signed), 0))) == 0
