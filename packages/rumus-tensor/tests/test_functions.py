"""Functions of numbers: their digits, their special values, and tensors of one element."""

import math

import numpy as np
import pytest

from rumus._backends.registry import backend_of
from rumus.tensor import ArgumentError, DTypeError, float16, int32, tensor, uint8

ERF = np.vectorize(math.erf, otypes=[float])
ERFC = np.vectorize(math.erfc, otypes=[float])
FUNCTIONS = {
    "exp2": np.exp2,
    "expm1": np.expm1,
    "log1p": np.log1p,
    "log2": np.log2,
    "log10": np.log10,
    "erf": ERF,
    "sin": np.sin,
    "tan": np.tan,
    "tanh": np.tanh,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
    "erfc": ERFC,
    "ceil": np.ceil,
    "trunc": np.trunc,
    "round": np.rint,
    "isinf": np.isinf,
    "signbit": np.signbit,
}
OF_TWO = {
    "atan2": np.arctan2,
    "hypot": np.hypot,
    "logaddexp": np.logaddexp,
    "floor_divide": np.floor_divide,
    "remainder": np.remainder,
    "fmod": np.fmod,
    "copysign": np.copysign,
}
EXACT = {"floor_divide", "remainder", "fmod", "copysign"}
SPECIAL = [0.0, -0.0, math.inf, -math.inf, math.nan, 1.0, -1.0, 0.5, -2.0, 3.0, 2.5, -2.5]
SPECIAL = np.array([*SPECIAL, 1e-40, -1e-40, 1e-30, 1e38, -1e38, 3e38, 1e-8], np.float32)


def spread():
    """Numbers of all sizes, of both signs."""
    rng = np.random.default_rng(0)
    near = [rng.normal(0, size, 500) for size in (1e-6, 0.01, 0.3, 1, 5, 30)]
    far = np.exp(rng.uniform(-80, 80, 1000)) * rng.choice([-1, 1], 1000)
    return np.concatenate([*near, rng.uniform(-1, 1, 1000), far]).astype(np.float32)


def row(op, device, *arrays):
    tensors = [tensor(a, device=device) for a in arrays]
    be = backend_of(tensors[0].device)
    return be.to_host(be.elementwise(op, *(t.array for t in tensors)))


def assert_within(actual, wanted, ulps):
    """Within so many units in the last place of float32, and of the same sign where it is 0."""
    if actual.dtype == np.bool_:
        np.testing.assert_array_equal(actual, wanted)
        return
    with np.errstate(all="ignore"):
        rounded = wanted.astype(np.float32)
    unit = np.spacing(np.minimum(np.abs(rounded), np.float32(1e38))).astype(float)
    unit = np.maximum(unit, 2.0**-149 if ulps == 0 else 2.0**-126)  # subnormal results may be 0
    same = (actual == rounded) | (np.isnan(actual) & np.isnan(rounded))
    with np.errstate(all="ignore"):
        distance = np.where(same, 0, np.abs(actual - wanted) / unit)
    assert not (distance > ulps).any() and not np.isnan(distance).any()
    zero = (rounded == 0) & (actual == 0)
    np.testing.assert_array_equal(np.signbit(actual[zero]), np.signbit(rounded[zero]))


@pytest.mark.parametrize("op", FUNCTIONS)
def test_function_is_right_to_a_few_units_in_the_last_place(op, device):
    a = spread()
    with np.errstate(all="ignore"):
        wanted = FUNCTIONS[op](a.astype(float))
    assert_within(row(op, device, a), wanted, 6)


@pytest.mark.parametrize("op", OF_TWO)
def test_function_of_two_numbers_is_right(op, device):
    a = spread()
    b = np.random.default_rng(1).permutation(a)
    b[:500] = np.abs(a[:500]) + np.float32(1)
    if op == "logaddexp":
        a, b = np.abs(a), np.abs(b)  # near 0 the digits of the arguments are lost
    with np.errstate(all="ignore"):
        exact = op in EXACT
        wanted = OF_TWO[op](a, b) if exact else OF_TWO[op](a.astype(float), b.astype(float))
    assert_within(row(op, device, a, b), wanted, 6 * (not exact))


@pytest.mark.parametrize("op", FUNCTIONS)
def test_special_values_of_a_function_follow_numpy(op, device):
    with np.errstate(all="ignore"):
        wanted = FUNCTIONS[op](SPECIAL.astype(float))
    assert_within(row(op, device, SPECIAL), wanted, 6)


@pytest.mark.parametrize("op", OF_TWO)
def test_pairs_of_special_values_of_a_function_follow_numpy(op, device):
    a, b = (grid.ravel() for grid in np.meshgrid(SPECIAL, SPECIAL))
    with np.errstate(all="ignore"):
        exact = op in EXACT
        wanted = OF_TWO[op](a, b) if exact else OF_TWO[op](a.astype(float), b.astype(float))
    keep = np.full(a.shape, True)
    if device == "gpu" and not exact:  # WGSL lets an adapter take subnormals for 0: NVIDIA's do
        keep = ~(subnormal(a) | subnormal(b) | subnormal(wanted))
    assert_within(row(op, device, a, b)[keep], wanted[keep], 6 * (not exact))


def subnormal(a):
    return (a != 0) & (np.abs(a) < np.finfo(np.float32).tiny)


def test_remainders_of_large_quotients_are_exact(device):
    a = np.array([1e30, -1e30, 3e38, 1e-38], np.float32)
    b = np.array([3.0, 7e-20, -1e-37, 3e-41], np.float32)
    np.testing.assert_array_equal(row("fmod", device, a, b), np.fmod(a, b))
    np.testing.assert_array_equal(row("remainder", device, a, b), np.remainder(a, b))


def test_quotients_are_rounded_down_as_in_python(device):
    a, b = (
        tensor([1.0, -1.0, 7.0, -7.0], device=device),
        tensor([0.1, 0.1, -2.0, 2.0], device=device),
    )
    assert (a // b).tolist() == [9, -10, -4, -4]
    assert (a % b).tolist() == [float(np.float32(1) % np.float32(0.1)), *(a % b).tolist()[1:]]
    quotient, rest = divmod(tensor([7, -7], device=device), 3)
    assert (quotient.tolist(), rest.tolist()) == ([2, -3], [1, 2])
    assert (7 // tensor([2, -2], device=device)).tolist() == [3, -4]
    assert (7 % tensor([4, -4], device=device)).tolist() == [3, -1]


def test_logarithms_of_powers_of_their_base_are_whole(device):
    powers = np.arange(-126, 128)
    t = tensor(np.exp2(powers.astype(np.float32)), device=device)
    np.testing.assert_array_equal(t.log2().numpy(), powers)


def test_functions_of_integers_are_float32(device):
    t = tensor([0, 1, 2], device=device)
    for name in ("exp2", "log1p", "atan", "sinh", "erf"):
        result = getattr(t, name)()
        assert result.dtype == np.float32
        np.testing.assert_allclose(result.numpy(), FUNCTIONS[name](np.arange(3.0)), rtol=1e-6)


def test_float16_is_rounded_once(device):
    a = np.linspace(-3, 3, 101).astype(np.float16)
    for name in ("expm1", "erf", "asinh", "atan", "tan"):
        result = getattr(tensor(a, device=device), name)()
        assert result.dtype == float16
        wanted = FUNCTIONS[name](a.astype(float)).astype(np.float16).astype(float)
        np.testing.assert_allclose(result.numpy().astype(float), wanted, rtol=2**-10, atol=1e-7)


def test_round_goes_to_the_even_number_and_takes_decimals(device):
    t = tensor([0.5, 1.5, 2.5, -0.5, 2.675], device=device)
    np.testing.assert_array_equal(t.round().numpy(), [0, 2, 2, -0.0, 3])
    np.testing.assert_allclose(t.round(2).numpy(), [0.5, 1.5, 2.5, -0.5, 2.68], atol=1e-6)
    np.testing.assert_allclose((t * 100.0).round(-1).numpy(), [50, 150, 250, -50, 270])
    with pytest.raises(ArgumentError, match="decimals=1 of a int32 tensor"):
        tensor([1], device=device).round(1)


def test_isclose_and_allclose_follow_numpy(device):
    a = np.array([1.0, 1.0, math.inf, math.inf, math.nan, 0.0], np.float32)
    b = np.array([1.00001, 1.1, math.inf, -math.inf, math.nan, 1e-9], np.float32)
    t, u = tensor(a, device=device), tensor(b, device=device)
    for equal_nan in (False, True):
        wanted = np.isclose(a, b, 1e-4, 1e-8, equal_nan)
        np.testing.assert_array_equal(t.isclose(u, 1e-4, 1e-8, equal_nan).numpy(), wanted)
    assert t.allclose(u) is False and t.allclose(t, equal_nan=True) is True
    assert t[:1].allclose(1.0) is True


def test_nan_to_num_replaces_what_is_not_finite(device):
    t = tensor([math.nan, math.inf, -math.inf, 2.0], device=device)
    largest = np.finfo(np.float32).max
    np.testing.assert_array_equal(t.nan_to_num().numpy(), [0, largest, -largest, 2])
    np.testing.assert_array_equal(t.nan_to_num(7, 8, 9).numpy(), [7, 8, 9, 2])
    np.testing.assert_array_equal(t.to(float16).nan_to_num().numpy(), [0, 65504, -65504, 2])


def test_clip_takes_tensors_and_numbers(device):
    a = np.linspace(-2, 2, 9).astype(np.float32)
    t, low = tensor(a, device=device), tensor(np.linspace(-1, 1, 9), device=device)
    np.testing.assert_array_equal(t.clip(low, 1.0).numpy(), np.clip(a, low.numpy(), 1))
    np.testing.assert_array_equal(t.clip(max=low).numpy(), np.minimum(a, low.numpy()))


def test_lerp_reaches_both_ends(device):
    a, b = tensor([1e8, 1.0], device=device), tensor([1.0, 3.0], device=device)
    assert a.lerp(b, 1.0).tolist() == [1, 3] and a.lerp(b, 0.0).tolist() == [1e8, 1]
    assert a.lerp(b, tensor([0.0, 0.5], device=device)).tolist() == [1e8, 2]


def test_bits_of_integers_and_bools(device):
    a, b = tensor([12, 10], device=device), tensor([True, False], device=device)
    assert ((a & 6).tolist(), (a | 3).tolist(), (a ^ a).tolist()) == ([4, 2], [15, 11], [0, 0])
    assert ((~a).tolist(), (a << 2).tolist(), (a >> 1).tolist()) == ([-13, -11], [48, 40], [6, 5])
    assert ((b ^ True).tolist(), (~b).tolist(), (1 << a[1:]).tolist()) == (
        [False, True],
        [False, True],
        [1024],
    )
    assert (~tensor([0, 255], uint8, device)).tolist() == [255, 0]
    with pytest.raises(DTypeError, match="& takes bools or integers, not float32"):
        a & tensor([1.0, 2.0], device=device)
    with pytest.raises(DTypeError, match="<< takes integers, not bools"):
        b << b


def test_a_tensor_of_one_element_is_a_number(device):
    t = tensor(2.75, device=device)
    assert (f"{t:.1f}", f"{t}", f"{tensor([2.75], device=device):6.2f}") == (
        "2.8",
        "2.75",
        "  2.75",
    )
    assert (round(t), round(t, 1), math.floor(t), math.ceil(t), math.trunc(t)) == (3, 2.8, 2, 3, 2)
    assert (complex(t), float(t), int(t)) == (2.75, 2.75, 2)
    assert list(range(tensor(3, device=device))) == [0, 1, 2]
    assert "abc"[tensor(1, int32, device)] == "b"
    for no_index in (t, tensor([1, 2], device=device), tensor(True, device=device)):
        with pytest.raises(TypeError, match="is no index"):
            range(no_index)
    with pytest.raises(ArgumentError, match=r"shape \(2,\) has no format '.2f'"):
        f"{tensor([1.0, 2.0], device=device):.2f}"


def test_numpys_functions_take_tensors(device):
    a = np.random.default_rng(0).normal(size=(4, 5)).astype(np.float32)
    t = tensor(a, device=device)
    for f in (np.sum, np.mean, np.max, np.min, np.prod, np.std, np.var):
        np.testing.assert_allclose(f(t).item(), f(a), rtol=1e-5)
        np.testing.assert_allclose(f(t, axis=1).numpy(), f(a, axis=1), rtol=1e-4)
    np.testing.assert_allclose(np.std(t, ddof=1).item(), np.std(a, ddof=1), rtol=1e-6)
    np.testing.assert_array_equal(np.round(t).numpy(), np.round(a))
    np.testing.assert_array_equal(np.clip(t, -1, 1).numpy(), np.clip(a, -1, 1))
    assert np.argmax(t).item() == np.argmax(a)
    with pytest.raises(ArgumentError, match="sum: out is not taken"):
        np.sum(t, out=a)


def test_integers_beyond_pythons_floats_are_refused(device):
    t = tensor([1.0], device=device)
    for operation in (lambda n: t + n, lambda n: n * t, lambda n: t.maximum(n)):
        with pytest.raises(ArgumentError, match="an integer of about 400 digits does not fit"):
            operation(-(10**400))
