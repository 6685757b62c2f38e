"""Numbers in a row, diagonals, and tensors in the shape of others, against numpy."""

import numpy as np
import pytest

from rumus import gpu
from rumus.tensor import (
    ArgumentError,
    ShapeError,
    arange,
    empty_like,
    eye,
    float16,
    full_like,
    linspace,
    logspace,
    ones_like,
    tensor,
    tri,
    uint8,
    zeros,
    zeros_like,
)


@pytest.mark.parametrize(
    "numbers", [(5,), (2, 9), (9, 2, -3), (3, 3), (0.0, 1, 0.1), (1, 2, 0.25), (2.5,), (-7, 8, 5)]
)
@pytest.mark.parametrize("dtype", [None, "float16", "int32"])
def test_arange_equals_numpys(numbers, dtype, device):
    got = arange(*numbers, dtype=dtype, device=device)
    wanted = np.arange(*numbers)
    chosen = dtype or ("int32" if wanted.dtype.kind == "i" else "float32")
    np.testing.assert_array_equal(got.numpy(), wanted.astype(chosen))
    assert got.dtype == chosen


@pytest.mark.parametrize("num", [0, 1, 2, 7, 1000])
@pytest.mark.parametrize("endpoint", [True, False])
def test_linspace_and_logspace_are_rounded_once(num, endpoint, device):
    for ours, theirs in ((linspace, np.linspace), (logspace, np.logspace)):
        got = ours(-1.5, 2, num, device=device, endpoint=endpoint)
        wanted = theirs(-1.5, 2, num, endpoint=endpoint).astype(np.float32)
        np.testing.assert_array_equal(got.numpy(), wanted)


@pytest.mark.parametrize("k", [-9, -1, 0, 2, 9])
@pytest.mark.parametrize(("rows", "columns"), [(3, None), (2, 5), (4, 0)])
@pytest.mark.parametrize("dtype", [None, "bool", "int32"])
def test_eye_and_tri_equal_numpys(rows, columns, k, dtype, device):
    for ours, theirs in ((eye, np.eye), (tri, np.tri)):
        got = ours(rows, columns, k, dtype, device)
        np.testing.assert_array_equal(got.numpy(), theirs(rows, columns, k))
        assert got.dtype == (dtype or "float32")


def test_likes_take_another_dtype_or_device(device):
    like = tensor([[1, 2]], device=device)
    assert full_like(like, 7).tolist() == [[7, 7]]
    assert ones_like(like, float16).dtype == np.float16
    assert zeros_like(like, device="cpu").device.kind == "cpu"
    assert empty_like(like, uint8).shape == (1, 2)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: arange(0, 1, 0), ArgumentError, "step that is not zero"),
        (lambda: arange(0, 2**31 + 1), ArgumentError, "does not fit int32"),
        (lambda: linspace(0, 1, -1), ArgumentError, "unlike -1"),
        (lambda: linspace(0, np.inf), ArgumentError, "finite"),
        (lambda: eye(-1), ShapeError, "negative"),
        (lambda: full_like(zeros(1, dtype="int32"), 2**31), ArgumentError, "does not fit int32"),
    ],
)
def test_mistakes_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.gpu
def test_a_captured_step_may_have_numbers_of_its_own():
    def step(t):
        return t + arange(4, device="gpu") + linspace(0, 1, 4, device="gpu") + eye(4, device="gpu")

    replay = gpu.capture(step)
    for k in range(3):
        got = replay(tensor(np.full((4, 4), k, np.float32), device="gpu")).numpy()
        wanted = k + np.arange(4) + np.linspace(0, 1, 4).astype(np.float32) + np.eye(4)
        np.testing.assert_allclose(got, wanted, rtol=1e-6)
