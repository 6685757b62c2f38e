"""Kernels satisfy Dawn too: conftest.py has its compiler read each one that a test compiles."""

import os
import re
from typing import Any

import numpy as np
import pytest

from rumus import gpu

pytestmark = pytest.mark.gpu

REFUSED = "mixing '/' and '\\^' requires parenthesis"
MIXED = """
@group(0) @binding(0) var<storage, read_write> x: array<u32>;
@compute @workgroup_size(1) fn main() { x[0] = x[0] / 4u ^ 3u; }
"""


@pytest.fixture
def reader(tint: Any) -> Any:
    """The compiler."""
    if tint is None:
        pytest.skip("the extra rumus-tensor[dawn] is not installed")
    return tint


@pytest.mark.skipif(
    os.environ.get("RUMUS_GPU_API") == "dawn",
    reason="RUMUS_GPU_API=dawn: the runtime has Tint compile, and refuses the kernel itself",
)
def test_it_reads_what_the_other_compiler_takes(reader: Any) -> None:
    kernel = gpu.Kernel(MIXED, name="mixed").variant()
    array = gpu.from_host(np.zeros(4, np.int32))
    with pytest.raises(AssertionError, match=REFUSED):
        kernel.dispatch([array])


def test_it_says_what_is_wrong_with_a_kernel(reader: Any) -> None:
    assert re.search(REFUSED, reader.complaint(MIXED))


def test_it_says_nothing_against_a_right_kernel(reader: Any) -> None:
    assert reader.complaint(MIXED.replace("/ 4u ^", "^")) == ""
