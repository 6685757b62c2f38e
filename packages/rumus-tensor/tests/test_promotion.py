"""The dtype of a result follows from dtypes alone; integers keep to mathematics or say why not."""

import itertools

import numpy as np
import pytest

from rumus.tensor import (
    ArgumentError,
    IndexRangeError,
    Tensor,
    bool_,
    float16,
    float32,
    int32,
    tensor,
    uint8,
    zeros,
)

DTYPES = [bool_, uint8, int32, float16, float32]
ORDER = {dtype: level for level, dtype in enumerate(DTYPES)}
COMPARISONS = {
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
}


@pytest.mark.parametrize(("a", "b"), list(itertools.product(DTYPES, DTYPES)), ids=str)
def test_two_tensors_meet_in_the_higher_category_then_the_wider_dtype(a, b, device):
    x, y = (tensor(np.ones(3), dtype, device) for dtype in (a, b))
    higher = max(a, b, key=ORDER.__getitem__)
    number = int32 if higher == bool_ else higher
    for result in (x + y, x - y, x * y, x**y):
        assert result.dtype == number
    assert (x / y).dtype == (higher if higher.kind == "f" else float32)
    for compare in COMPARISONS.values():
        assert compare(x, y).dtype == bool_


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_python_numbers_are_weak_whatever_their_value(dtype, device):
    x = tensor(np.ones(3), dtype, device)
    number = int32 if dtype == bool_ else dtype
    broken = dtype if dtype.kind == "f" else float32
    for exponent in (0, 1, 2, 3, 7):
        assert (x**exponent).dtype == number and (exponent**x).dtype == number
        assert (x + exponent).dtype == number and (exponent * x).dtype == number
        assert (x ** float(exponent)).dtype == broken and (float(exponent) - x).dtype == broken
    assert (x / 2).dtype == broken and (True + x).dtype == number


@pytest.mark.parametrize("dtype", ["int32", "uint8", "bool"])
def test_whole_powers_of_integers_wrap_around_as_numpys_do(dtype, device):
    a = np.arange(256).astype(dtype)
    b = np.arange(256)[::-1] % 37
    wide = a.astype("int32") if dtype == "bool" else a
    t = tensor(a, device=device)
    np.testing.assert_array_equal(
        (t ** tensor(b, int32, device)).numpy(), wide.astype("int32") ** b.astype("int32")
    )
    exponents = b.astype(wide.dtype)
    np.testing.assert_array_equal((t ** tensor(exponents, device=device)).numpy(), wide**exponents)
    for exponent in (0, 1, 2, 3, 31, 200):
        np.testing.assert_array_equal((t**exponent).numpy(), wide ** wide.dtype.type(exponent))
    np.testing.assert_array_equal(
        (3 ** tensor(b, int32, device)).numpy(), np.int32(3) ** b.astype("int32")
    )


@pytest.mark.parametrize("dtype", ["int32", "uint8", "bool"])
def test_integers_have_no_negative_powers(dtype, device):
    t = tensor(np.array([1, 0, 1]), dtype, device)
    for exponent in (-1, -3, np.int64(-2)):
        with pytest.raises(ArgumentError, match="no negative powers"):
            t**exponent
    assert (t**-1.0).dtype == float32
    with pytest.raises(ArgumentError, match="element 2 of the exponent is -5"):
        (t ** tensor([1, 2, -5], device=device)).numpy()
    with pytest.raises(ArgumentError, match="element 70001 of the exponent is -2"):
        exponents = np.ones((80_000, 2), np.int32)
        exponents[70_001, 0] = -2
        (2 ** tensor(exponents, device=device)[:, 0]).numpy()
    assert (t ** tensor([0.5, -1.0, 2.0], device=device)).dtype == float32
    assert (t ** tensor([0, 1, 2], device=device)).tolist() == [1, 0, 1]


NUMBERS = [
    0, 1, -1, 2, 254, 255, 256, 300, 2**31 - 1, 2**31, -(2**31), -(2**31) - 1, 2**24 + 1, 2**40,
    -(2**40), 10**400, -(10**400), 0.5, -0.5, 2.0, 254.5, 255.5, -1e-30, 16777216.5, 2147483647.0,
    2147483648.0, -2147483648.0, -2147483649.0, 1e10, -1e10, 1e300, float("inf"), -float("inf"),
    float("nan"), True, False, np.int64(2**40), np.float32(1e10), np.uint8(255),
]  # fmt: skip


@pytest.mark.parametrize("op", COMPARISONS)
@pytest.mark.parametrize("dtype", ["uint8", "int32", "bool"])
def test_integers_are_compared_with_any_number_as_in_mathematics(op, dtype, device):
    values = {
        "uint8": [0, 1, 2, 254, 255],
        "int32": [0, 1, 2, -1, 2**24, 2**24 + 1, 2**31 - 1, -(2**31)],
        "bool": [0, 1],
    }[dtype]
    t = tensor(np.array(values), dtype, device)
    compare = COMPARISONS[op]
    for number in NUMBERS:
        exact = number.item() if isinstance(number, np.generic) else number
        result = compare(t, number)
        assert result.dtype == bool_
        assert result.tolist() == [compare(value, exact) for value in values], number
        if not isinstance(number, np.generic):
            assert compare(number, t).tolist() == [compare(exact, value) for value in values]


@pytest.mark.parametrize("op", COMPARISONS)
def test_floats_are_compared_with_integers_of_any_size(op, device):
    t = tensor([0.0, 3e38, -np.inf, np.inf], device=device)
    for number, as_float in ((10**400, np.inf), (-(10**400), -np.inf), (2**40, 2.0**40)):
        wanted = COMPARISONS[op](t.numpy(), np.float32(as_float))
        finite = np.isfinite(t.numpy())
        np.testing.assert_array_equal(COMPARISONS[op](t, number).numpy()[finite], wanted[finite])


EXTREMES = [
    np.nan, np.inf, -np.inf, 1e10, -1e10, 3e38, 2147483648.0, -2147483648.0, 2147483520.0,
    -2147483904.0, 255.0, 255.9, 256.0, 300.0, -0.9, -1.0, -300.0, 1e-40, -0.0,
]  # fmt: skip


@pytest.mark.parametrize("source", ["float32", "float16"])
@pytest.mark.parametrize("target", ["int32", "uint8"])
def test_floats_outside_of_an_integers_range_become_its_nearest_and_nan_becomes_0(
    source, target, device
):
    with np.errstate(over="ignore"):
        a = np.array(EXTREMES * 3).astype(source)
    info = np.iinfo(target)
    exact = [
        0 if np.isnan(v) else int(max(info.min, min(info.max, np.trunc(v.astype(float)))))
        for v in a
    ]
    t = tensor(a, device=device)
    assert t.to(target).tolist() == exact
    assert t[::2].to(target).tolist() == exact[::2]
    assert [t[k].to(target).item() for k in range(3)] == exact[:3]
    into = zeros(len(a), dtype=target, device=device)
    assert into.copy_(t).tolist() == exact
    into[...] = 0
    into[::-1] = t
    assert into.tolist() == exact[::-1]
    truth = [bool(v != 0) for v in a]
    assert (
        t.to(bool_).tolist() == truth
        and zeros(len(a), dtype=bool_, device=device).copy_(t).tolist() == truth
    )


def test_integers_wrap_around_when_cast_to_smaller_ones(device):
    t = tensor([-1, 256, 300, -(2**31), 2**31 - 1], device=device)
    assert t.to(uint8).tolist() == [255, 0, 44, 0, 255]


@pytest.mark.parametrize(
    "use",
    [
        lambda t: t[3],
        lambda t: t[-4],
        lambda t: t[0, 0, 0],
        lambda t: t["name"],
        lambda t: t[0.5],
        lambda t: t[..., ...],
        lambda t: t.__setitem__(7, 1.0),
        lambda t: t.sum(2),
        lambda t: t.max(-3),
        lambda t: t.softmax(5),
        lambda t: t.squeeze(4),
        lambda t: t.permute(0, 2),
        lambda t: t.argmax(2),
        lambda t: t.detach()[0][9],
    ],
)
def test_an_index_or_axis_that_is_not_there_is_an_index_error(use):
    t = zeros((3, 2))
    with pytest.raises(IndexError) as caught:
        use(t)
    assert isinstance(caught.value, IndexRangeError | ArgumentError | ValueError)


def test_a_loop_over_a_tensor_ends():
    """Python's own protocol of sequences ends at an IndexError."""
    t = tensor([1.0, 2.0])
    assert [t[k].item() for k in range(2)] == [float(x) for x in Sequence(t)]


class Sequence:
    """What is indexed, and knows nothing of its length."""

    def __init__(self, t: Tensor) -> None:
        self.t = t

    def __getitem__(self, k: int) -> Tensor:
        return self.t[k]
