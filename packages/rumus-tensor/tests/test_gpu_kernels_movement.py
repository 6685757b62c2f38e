"""Copies, transposes, joins and padding on the GPU against numpy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rumus._backends.gpu import get_gpu_backend, movement

pytestmark = pytest.mark.gpu

DTYPES = ("float32", "float16", "int32", "uint8", "bool")


@pytest.fixture(scope="module")
def be():
    return get_gpu_backend(0)


def numbers(shape, dtype):
    return np.random.default_rng(1).integers(0, 2 if dtype == "bool" else 200, shape).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "shape", [(64, 96), (33, 17), (3, 70, 50), (2, 2, 40, 40), (1, 100), (5, 1)]
)
def test_transposes_are_copied(be, dtype, shape):
    host = numbers(shape, dtype)
    axes = (*range(len(shape) - 2), len(shape) - 1, len(shape) - 2)
    got = be.copy(be.permute(be.from_host(host), axes))
    assert got.is_contiguous
    assert np.array_equal(be.to_host(got), host.transpose(axes))


def test_large_transposes_go_through_workgroup_memory():
    assert movement._plan_transpose((96, 64), (1, 96), 0) is not None
    assert movement._plan_transpose((3, 96, 64), (96 * 64, 1, 96), 0) is not None
    assert movement._plan_transpose((96, 64), (64, 1), 0) is None
    assert movement._plan_transpose((96, 4), (1, 96), 0) is None


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_view_of_any_view_is_copied(data):
    be = get_gpu_backend(0)
    shape = data.draw(st.lists(st.integers(1, 9), min_size=1, max_size=5).map(tuple))
    dtype = data.draw(st.sampled_from(DTYPES))
    host = numbers(shape, dtype)
    array = be.from_host(host)
    axes = tuple(data.draw(st.permutations(range(len(shape)))))
    host, array = host.transpose(axes), be.permute(array, axes)
    index = []
    for length in host.shape:
        start, stop = sorted(data.draw(st.tuples(*[st.integers(0, length)] * 2)))
        step = data.draw(st.sampled_from([1, 2, -1]))
        cut = slice(start, stop, step) if step > 0 else slice(stop, start, step)
        index.append(slice(*cut.indices(length)))
    array = be.slice(array, index)
    host = host[tuple(
        slice(s.start, None, s.step) if s.step < 0 and s.stop < 0 else s for s in index
    )]  # fmt: skip
    assert array.shape == host.shape
    assert np.array_equal(be.to_host(be.contiguous(array)), host)
    flat = be.reshape(array, (host.size,))
    assert np.array_equal(be.to_host(flat), host.reshape(-1))
    wide = (2, *host.shape)
    assert np.array_equal(be.to_host(be.expand(array, wide)), np.broadcast_to(host, wide))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_arrays_are_joined_along_any_axis(be, dtype, axis):
    parts = []
    for length in (1, 4, 0, 3):
        shape = [4, 8, 3]
        shape[axis] = length
        parts.append(numbers(tuple(shape), dtype))
    got = be.cat([be.from_host(p) for p in parts], axis)
    assert np.array_equal(be.to_host(got), np.concatenate(parts, axis))


@pytest.mark.parametrize("dtype", DTYPES)
def test_padding_is_zero_around_the_values(be, dtype):
    host = numbers((2, 3), dtype)
    for index in ((slice(1, 3, 1), slice(0, 9, 3)), (slice(3, 1, -1), slice(4, 7, 1))):
        wanted = np.zeros((4, 9), dtype)
        wanted[index] = host
        assert np.array_equal(be.to_host(be.pad(be.from_host(host), (4, 9), index)), wanted)


def test_a_reshape_of_a_contiguous_array_moves_nothing(be):
    array = be.from_host(numbers((4, 6), "float32"))
    assert be.shares(be.reshape(array, (2, 12)), array)
    assert be.contiguous(array) is array
    assert not be.shares(be.reshape(be.permute(array, (1, 0)), (24,)), array)
