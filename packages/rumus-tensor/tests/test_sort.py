"""Sorting against numpy's stable sort."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rumus._backends.gpu import sort as gpu_sort
from rumus._backends.gpu.sort_source import SHORT, TILE
from rumus._backends.registry import backend_of
from rumus._core.devices import Device
from rumus.nn import Parameter
from rumus.tensor import (
    ArgumentError,
    IndexRangeError,
    argsort,
    kthvalue,
    median,
    sort,
    tensor,
    topk,
    zeros,
)

DTYPES = ["float32", "float16", "int32", "uint8", "bool"]
SHAPES = [
    (1, 1),
    (0, 5),
    (5, 0),
    (70, 33),
    (3, SHORT),
    (2, SHORT + 1),
    (3, TILE),
    (1, 2 * TILE + 1),
]


def numbers(dtype, shape, seed=0):
    """Numbers with many equal ones, infinities, zeros of both signs, and NaN of both signs."""
    rng = np.random.default_rng(seed)
    if dtype == "bool":
        return rng.random(shape) < 0.3
    if dtype in ("int32", "uint8"):
        info = np.iinfo(dtype)
        a = rng.integers(info.min, info.max, size=shape, dtype=dtype, endpoint=True)
        a.reshape(-1)[::3] //= 64 if dtype == "uint8" else 2**28
        return a
    a = rng.normal(size=shape).astype(dtype)
    flat = a.reshape(-1)
    flat[::3] = np.round(flat[::3])
    flat[::31], flat[1::31] = np.nan, -np.float32(np.nan)
    flat[2::97], flat[3::97] = np.inf, -np.inf
    flat[5::17], flat[6::17] = 0.0, -0.0
    return a


def ordered(a, descending):
    """The columns of each row in order: numpy's stable sort, NaN as the largest."""
    if not descending:
        return np.argsort(a, axis=1, kind="stable")
    ranks = np.empty(a.shape, np.int64)
    for row, line in zip(ranks, a, strict=True):
        row[:] = np.unique(line, return_inverse=True, equal_nan=True)[1]
    return np.argsort(-ranks, axis=1, kind="stable")


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_rows_are_sorted_stably_with_nan_as_the_largest(dtype, shape, device):
    be = backend_of(Device(device))
    a = numbers(dtype, shape)
    for descending in (False, True):
        values, columns = map(be.to_host, be.sort(be.from_host(a), descending))
        wanted = ordered(a, descending)
        np.testing.assert_array_equal(columns, wanted)
        np.testing.assert_array_equal(values, np.take_along_axis(a, wanted, 1))
        assert values.dtype == a.dtype and columns.dtype == np.int32


@pytest.mark.parametrize("first", [0, 10, gpu_sort.FEW, gpu_sort.FEW + 1])
@pytest.mark.parametrize("length", [700, 5 * SHORT + 3])
@pytest.mark.parametrize("dtype", ["float32", "float16", "uint8"])
def test_the_first_of_a_row_are_those_of_the_whole_order(dtype, length, first, device):
    be = backend_of(Device(device))
    a = numbers(dtype, (3, length))
    for descending in (False, True):
        values, columns = map(be.to_host, be.sort(be.from_host(a), descending, first=first))
        wanted = ordered(a, descending)[:, :first]
        np.testing.assert_array_equal(columns, wanted)
        np.testing.assert_array_equal(values, np.take_along_axis(a, wanted, 1))


@pytest.mark.parametrize("bits", [1, 4, 5, 13, 17, 31])
def test_small_whole_numbers_are_sorted_by_their_bits(bits, device):
    be = backend_of(Device(device))
    for length in (SHORT, TILE + 1):
        a = np.random.default_rng(bits).integers(0, 2**bits, (1, length)).astype(np.int32)
        values, columns = map(be.to_host, be.sort(be.from_host(a), bits=bits))
        wanted = np.argsort(a, axis=1, kind="stable")
        np.testing.assert_array_equal(columns, wanted)
        np.testing.assert_array_equal(values, np.take_along_axis(a, wanted, 1))


@pytest.mark.parametrize("blocks", [1, 3])
def test_a_block_may_have_several_tiles(blocks, device, monkeypatch):
    monkeypatch.setattr(gpu_sort, "ENOUGH_BLOCKS", 2 * blocks)
    be = backend_of(Device(device))
    a = numbers("float32", (2, 5 * TILE + 77))
    columns = be.to_host(be.sort(be.from_host(a))[1])
    np.testing.assert_array_equal(columns, np.argsort(a, axis=1, kind="stable"))


AXES = [(0, (7, 5)), (1, (4, 1, 6)), (1, (3, 9)), (-1, (2, 3, 5)), (None, (3, 4)), (0, (0, 3))]


@pytest.mark.parametrize(("axis", "shape"), AXES, ids=str)
def test_any_axis_is_sorted(axis, shape, device):
    a = numbers("float32", shape)
    t = tensor(a, device=device)
    np.testing.assert_array_equal(t.sort(axis).numpy(), np.sort(a, axis, kind="stable"))
    np.testing.assert_array_equal(t.argsort(axis).numpy(), np.argsort(a, axis, kind="stable"))
    view = tensor(np.ascontiguousarray(a.T), device=device).T
    np.testing.assert_array_equal(sort(view, axis).numpy(), t.sort(axis).numpy())
    assert argsort(t, axis).dtype == np.int32
    np.testing.assert_array_equal(t.argsort(dim=axis or 0).numpy(), argsort(t, axis or 0).numpy())


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_gradients_go_back_to_where_elements_were(dtype, device):
    a = np.random.default_rng(3).permutation(24).reshape(4, 6).astype(dtype)
    weights = np.random.default_rng(4).normal(size=a.shape).astype(dtype)
    x = Parameter(tensor(a, device=device))
    grad = (x.sort(0, descending=True) * tensor(weights, device=device)).sum().backward().get(x.id)
    wanted = np.empty_like(weights)
    np.put_along_axis(wanted, np.argsort(-a, 0), weights, 0)
    np.testing.assert_array_equal(grad.numpy(), wanted)


def test_topk_gives_the_first_of_equal_ones_in_order_with_positions(device):
    a = np.array([[3, 1, 3, 2], [0, 5, 5, 5]], np.float32)
    x = Parameter(tensor(a, device=device))
    values, indices = x.topk(2)
    assert values.tolist() == [[3, 3], [5, 5]] and indices.tolist() == [[0, 2], [1, 2]]
    assert topk(x, 1, largest=False).indices.tolist() == [[1], [0]]
    assert topk(x, 2, dim=0).values.tolist() == [[3, 5, 5, 5], [0, 1, 3, 2]]
    assert topk(x, 0).values.shape == (2, 0)
    assert values.sum().backward().get(x.id).tolist() == [[1, 0, 1, 0], [0, 1, 1, 0]]


def test_kthvalue_and_median_are_places_in_the_order(device):
    a = np.random.default_rng(5).normal(size=(5, 4, 3)).astype(np.float32)
    t = tensor(a, device=device)
    for axis in (0, 1, 2, (0, 2), None):
        for keepdims in (False, True):
            wanted = np.median(a, axis, keepdims=keepdims)
            np.testing.assert_allclose(t.median(axis, keepdims).numpy(), wanted, rtol=1e-6)
    found = t.kthvalue(2, dim=1, keepdim=True)
    np.testing.assert_array_equal(found.values.numpy(), np.sort(a, 1)[:, 1:2])
    np.testing.assert_array_equal(found.indices.numpy(), np.argsort(a, 1)[:, 1:2])
    assert kthvalue(t, 5, 0).values.shape == (4, 3)
    assert median(tensor([1, 2, 3, 4], device=device)).item() == 2.5
    assert np.isnan(median(tensor([1.0, np.nan, 0.0], device=device)).item())


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda t: t.sort(2), IndexRangeError, "sort: axis 2 of a tensor with 2 axes"),
        (lambda t: t.sort(dim=0), ArgumentError, r"argsort\(axis=\)"),
        (lambda t: t.median(dim=0), ArgumentError, r"argsort\(axis=\)"),
        (lambda t: t.topk(4), ArgumentError, r"k = 4, and axis 1 of shape \(2, 3\) has 3"),
        (lambda t: t.topk(-1), ArgumentError, "k = -1"),
        (lambda t: t.topk(1.5), ArgumentError, "1.5 is no whole number"),
        (lambda t: t.kthvalue(0), ArgumentError, "elements 1 to 3"),
        (lambda t: t[:, :0].median(), ArgumentError, "no elements"),
    ],
)
def test_mistakes_are_named(call, error, message, device):
    with pytest.raises(error, match=message):
        call(zeros((2, 3), device=device))


@pytest.mark.slow
def test_rows_of_more_than_2_to_the_24_elements_are_sorted(device):
    be = backend_of(Device(device))
    a = np.random.default_rng(0).integers(0, 2**16, (1, 2**24 + 5)).astype(np.int32)
    values, columns = map(be.to_host, be.sort(be.from_host(a), bits=16))
    wanted = np.argsort(a.astype(np.uint16), axis=1, kind="stable")
    np.testing.assert_array_equal(columns, wanted)
    np.testing.assert_array_equal(values, np.take_along_axis(a, wanted, 1))


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_random_programs_of_orders_and_scans_equal_numpys(data, device):
    shape = tuple(data.draw(st.lists(st.integers(1, 9), min_size=1, max_size=3)))
    a = np.random.default_rng(data.draw(st.integers(0, 99))).integers(-4, 5, shape)
    a = a.astype(data.draw(st.sampled_from(["float32", "int32", "float16"])))
    t = tensor(a, device=device)
    for _ in range(data.draw(st.integers(1, 4))):
        axis = data.draw(st.integers(-a.ndim, a.ndim - 1))
        step = data.draw(
            st.sampled_from(["sort", "descend", "argsort", "cumsum", "cummax", "flip"])
        )
        if step == "sort":
            a, t = np.sort(a, axis), t.sort(axis)
        elif step == "descend":
            a, t = np.flip(np.sort(a, axis), axis), t.sort(axis, descending=True)
        elif step == "argsort":
            a, t = np.argsort(a, axis, kind="stable").astype(np.int32), t.argsort(axis)
        elif step == "cumsum":
            dtype = a.dtype if a.dtype.kind == "f" else np.int32
            a, t = np.cumsum(a, axis).astype(dtype), t.cumsum(axis)
        elif step == "cummax":
            a, t = np.maximum.accumulate(a, axis), t.cummax(axis).values
        else:
            a, t = a[::-1], t[::-1]
    np.testing.assert_array_equal(t.numpy(), a)
    assert t.dtype == a.dtype
