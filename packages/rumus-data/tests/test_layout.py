"""Rows of a file at any place and of any length."""

import tracemalloc

import numpy as np
import pytest

from rumus.data._buffers import BufferPool
from rumus.data._rrec._layout import take_rows


@pytest.mark.parametrize("stride", [4096, 4100, 4097])
@pytest.mark.parametrize("start", [0, 1, 4])
def test_rows_are_taken_from_any_place_without_a_copy_of_the_others(
    start: int, stride: int
) -> None:
    memory = np.random.default_rng(0).integers(256, size=1000 * stride + 8, dtype=np.uint8)
    rows = memory[start : start + 1000 * stride].reshape(1000, stride)
    numbers = np.array([999, 3, 3, 0])
    tracemalloc.start()
    taken = take_rows(rows, numbers, BufferPool())
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_array_equal(taken, rows[numbers])
    assert most < 100 * stride
