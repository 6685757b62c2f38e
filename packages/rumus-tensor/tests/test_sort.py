"""Sorting against numpy's stable sort."""

import numpy as np
import pytest

from rumus._backends.gpu import sort as gpu_sort
from rumus._backends.gpu.sort_source import SHORT, TILE
from rumus._backends.registry import backend_of
from rumus._core.devices import Device

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
