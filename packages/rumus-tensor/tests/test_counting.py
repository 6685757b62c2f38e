"""Unique elements, positions and counts against numpy."""

import numpy as np
import pytest

from rumus import gpu
from rumus._backends.registry import backend_of
from rumus._core.devices import Device
from rumus.tensor import (
    ArgumentError,
    DeviceError,
    DTypeError,
    ShapeError,
    bincount,
    bucketize,
    histogram,
    nonzero,
    searchsorted,
    tensor,
    unique,
    unique_all,
    unique_counts,
    unique_inverse,
    unique_values,
    zeros,
)


def numbers(dtype, shape, seed=0):
    a = np.random.default_rng(seed).integers(0, 9, shape)
    return (a % 2 == 0) if dtype == "bool" else a.astype(dtype)


@pytest.mark.parametrize("shape", [(), (0,), (1,), (7, 11), (3, 1500)], ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float16", "int32", "uint8", "bool"])
def test_unique_equals_numpys(dtype, shape, device):
    a = numbers(dtype, shape)
    got = unique(tensor(a, device=device), True, True, True)
    wanted = np.unique(a, True, True, True)
    for ours, theirs in zip(got, wanted, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.reshape(ours.shape))
    assert got[2].shape == a.shape
    np.testing.assert_array_equal(tensor(a, device=device).unique().numpy(), wanted[0])


def test_nan_is_one_element_or_several(device):
    t = tensor([np.nan, 1.0, np.nan, -0.0, 0.0], device=device)
    values, counts = t.unique(return_counts=True)
    np.testing.assert_array_equal(values.numpy(), [0.0, 1.0, np.nan])
    assert counts.tolist() == [2, 1, 2]
    np.testing.assert_array_equal(unique_values(t).numpy(), [0.0, 1.0, np.nan, np.nan])
    assert unique_counts(t).counts.tolist() == [2, 1, 1, 1]
    assert unique_inverse(t).inverse_indices.tolist() == [2, 1, 3, 0, 0]
    assert unique_all(t).indices.tolist() == [3, 1, 0, 2]


@pytest.mark.parametrize("shape", [(5,), (4, 6), (2, 3, 700), (3, 0)], ids=str)
@pytest.mark.parametrize("dtype", ["float32", "uint8", "bool"])
def test_nonzero_gives_positions_axis_by_axis(dtype, shape, device):
    a = numbers(dtype, shape) * (numbers("int32", shape, 1) > 4)
    got = nonzero(tensor(a.astype(dtype), device=device))
    assert len(got) == len(shape)
    for ours, theirs in zip(got, np.nonzero(a), strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs)
        assert ours.dtype == np.int32


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("dtype", ["float32", "float16", "int32", "uint8"])
def test_searchsorted_equals_numpys(dtype, side, device):
    edges, values = np.sort(numbers(dtype, 40)), numbers(dtype, (5, 7), 1)
    if dtype.startswith("float"):
        edges[-3:] = np.inf, np.nan, np.nan
        values[0, :4] = np.nan, np.inf, -np.inf, -0.0
    got = searchsorted(tensor(edges, device=device), tensor(values, device=device), side)
    np.testing.assert_array_equal(got.numpy(), np.searchsorted(edges, values, side))
    assert got.dtype == np.int32


def test_every_row_may_have_its_own_edges(device):
    edges = np.sort(numbers("float32", (2, 3, 10)), -1)
    edges[0, 0, -1] = np.nan
    values = numbers("float32", (2, 3, 6), 1)
    for side in ("left", "right"):
        got = searchsorted(tensor(edges, device=device), tensor(values, device=device), side)
        for at in np.ndindex(2, 3):
            wanted = np.searchsorted(edges[at], values[at], side)
            np.testing.assert_array_equal(got.numpy()[at], wanted)


def test_values_and_edges_meet_in_one_dtype(device):
    edges = tensor([1, 2, 3], device=device)
    assert searchsorted(edges, 2.5).item() == 2
    assert searchsorted(edges, 2, right=True).item() == 2
    assert bucketize(tensor([0.5, 3.0], device=device), edges).tolist() == [0, 2]
    assert searchsorted(edges[:0], tensor([1, 2], device=device)).tolist() == [0, 0]
    assert searchsorted(edges[::2], edges).tolist() == [0, 1, 1]


@pytest.mark.parametrize("minlength", [0, 3, 20])
def test_bincount_equals_numpys(minlength, device):
    a = numbers("int32", 50)
    weights = np.random.default_rng(2).normal(size=50).astype(np.float32)
    t, w = tensor(a, device=device), tensor(weights, device=device)
    np.testing.assert_array_equal(
        bincount(t, minlength=minlength).numpy(), np.bincount(a, minlength=minlength)
    )
    got = bincount(t, w, minlength).numpy()
    np.testing.assert_allclose(got, np.bincount(a, weights, minlength), rtol=1e-5, atol=1e-6)
    assert bincount(t[:0], minlength=minlength).tolist() == [0] * minlength
    assert bincount(tensor([True, False, True], device=device)).tolist() == [1, 2]


@pytest.mark.parametrize("options", [{}, {"bins": 7}, {"range": (-1.0, 1.5)}, {"bins": 1}], ids=str)
def test_histogram_equals_numpys(options, device):
    a = np.random.default_rng(3).normal(size=(40, 30)).astype(np.float32)
    weights = np.random.default_rng(4).integers(0, 5, a.shape).astype(np.float32)
    t, w = tensor(a, device=device), tensor(weights, device=device)
    wanted, wanted_edges = np.histogram(a, **options)
    counts, edges = histogram(t, **options)
    np.testing.assert_array_equal(counts.numpy(), wanted)
    np.testing.assert_allclose(edges.numpy(), wanted_edges, rtol=1e-5, atol=1e-6)
    sums, _ = histogram(t, **options, weights=w)
    np.testing.assert_array_equal(sums.numpy(), np.histogram(a, **options, weights=weights)[0])


def test_histogram_takes_edges_and_leaves_out_nan(device):
    t = tensor([0, 1, 1, 2, 3, 4, np.nan, np.inf], device=device)
    edges = tensor([0, 1, 3], device=device)
    counts, same = histogram(t, edges)
    assert counts.tolist() == [1, 4] and same.tolist() == [0, 1, 3]
    assert histogram(t[:0], 2)[0].tolist() == [0, 0]
    assert histogram(t[1:3], 2)[1].tolist() == [0.5, 1.0, 1.5]
    assert histogram(tensor([True, False, True], device=device), 2)[0].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda t: bincount(t - 1), ArgumentError, "-1 is negative"),
        (lambda t: bincount(t, minlength=-1), ArgumentError, "minlength"),
        (lambda t: bincount(t.to("float32")), DTypeError, "not float32"),
        (lambda t: bincount(t.reshape(1, 3)), ShapeError, r"not \(1, 3\)"),
        (lambda t: bincount(t, t[:2]), ShapeError, r"weights of shape \(2,\)"),
        (lambda t: searchsorted(t, t, "middle"), ArgumentError, "'middle'"),
        (lambda t: searchsorted(t.reshape(3, 1), t), ShapeError, "all axes but the last"),
        (lambda t: bucketize(t, t.reshape(3, 1)), ShapeError, "one axis"),
        (lambda t: histogram(t, 0), ArgumentError, "0 intervals"),
        (lambda t: histogram(t, 3, (2.0, 1.0)), ArgumentError, "ascending order, not 2.0"),
        (lambda t: histogram(t, t[:1]), ShapeError, "at least 2"),
        (lambda t: nonzero(t[0]), ArgumentError, "with axes"),
    ],
)
def test_mistakes_are_named(call, error, message, device):
    with pytest.raises(error, match=message):
        call(zeros(3, dtype="int32", device=device))


@pytest.mark.gpu
@pytest.mark.parametrize(
    ("call", "instead"),
    [(nonzero, "where"), (unique, "sort"), (bincount, "index_add")],
)
def test_a_captured_step_refuses_shapes_that_depend_on_data(call, instead):
    step = gpu.capture(lambda t: call(t))
    t = tensor([1, 2], device="gpu")
    with pytest.raises(gpu.CaptureError, match=rf"depends on the data.*{instead}"):
        for _ in range(3):
            step(t)


@pytest.mark.parametrize("n", [65_536 * 3 + 5])
def test_positions_of_a_long_mask_are_found(n, device):
    be = backend_of(Device(device))
    a = (np.arange(n) % 7 == 3).astype(np.float32)
    got = be.to_host(be.flat_nonzero(be.from_host(a)))
    np.testing.assert_array_equal(got, np.flatnonzero(a))


@pytest.mark.gpu
def test_tensors_of_two_devices_are_refused():
    here, there = (zeros(3, dtype="int32", device=place) for place in ("cpu", "gpu"))
    for call in (searchsorted, bincount, histogram, lambda a, b: histogram(a, 2, weights=b)):
        with pytest.raises(DeviceError, match="move one"):
            call(here, there)
