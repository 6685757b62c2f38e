"""Every row of the elementwise table against numpy in float64, on both devices."""

import math

import numpy as np
import pytest

from rumus._backends.registry import backend_of
from rumus._backends.table import KINDS, dtypes_of
from rumus._core.dtypes import LATTICE, common_dtype
from rumus.tensor import Tensor, bool_, float16, float32, int32, tensor, uint8

ERF = np.vectorize(math.erf, otypes=[float])
ERFC = np.vectorize(math.erfc, otypes=[float])


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def gelu_tanh(a):
    return a / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (a + 0.044715 * a**3)))


def gelu_tanh_slope(a):
    t = np.tanh(math.sqrt(2 / math.pi) * (a + 0.044715 * a**3))
    inner = math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * a**2)
    return (1 + t) / 2 + a / 2 * (1 - t * t) * inner


def share(worse, equal):
    return np.where(worse, 0.0, np.where(equal, 0.5, 1.0))


def cdf(a):
    return (1 + ERF(a / math.sqrt(2))) / 2


# The formulas of the table, written once more in numpy.
ORACLE = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "pow": lambda a, b: np.power(a, b),
    "neg": lambda a: -a,
    "abs": np.abs,
    "sign": np.sign,
    "square": np.square,
    "floor": np.floor,
    "ceil": np.ceil,
    "trunc": np.trunc,
    "round": np.rint,
    "floor_divide": np.floor_divide,
    "remainder": np.remainder,
    "fmod": np.fmod,
    "sqrt": np.sqrt,
    "rsqrt": lambda a: 1 / np.sqrt(a),
    "reciprocal": lambda a: 1 / a,
    "exp": np.exp,
    "log": np.log,
    "exp2": np.exp2,
    "expm1": np.expm1,
    "log1p": np.log1p,
    "log2": np.log2,
    "log10": np.log10,
    "logaddexp": np.logaddexp,
    "erf": ERF,
    "erfc": ERFC,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "atan2": np.arctan2,
    "hypot": np.hypot,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
    "nextafter": np.nextafter,
    "copysign": np.copysign,
    "nan_to_num": lambda a, x, y, z: np.nan_to_num(a, nan=x, posinf=y, neginf=z),
    "lerp": lambda a, b, w: a + w * (b - a),
    "tanh": np.tanh,
    "sigmoid": sigmoid,
    "relu": lambda a: np.maximum(a, 0),
    "leaky_relu": lambda a, slope: np.where(a > 0, a, slope * a),
    "gelu": lambda a: a * cdf(a),
    "gelu_tanh": gelu_tanh,
    "silu": lambda a: a * sigmoid(a),
    "softplus": lambda a: np.logaddexp(a, 0),
    "maximum": np.maximum,
    "minimum": np.minimum,
    "clamp": lambda a, low, high: np.clip(a, low, high),
    "where": lambda c, a, b: np.where(c != 0, a, b),
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "isclose": lambda a, b, r, t: np.isclose(a, b, r, t),
    "isnan": np.isnan,
    "isinf": np.isinf,
    "signbit": np.signbit,
    "isfinite": np.isfinite,
    "logical_not": np.logical_not,
    "logical_and": np.logical_and,
    "logical_or": np.logical_or,
    "logical_xor": np.logical_xor,
    "squared_difference": lambda a, b: (a - b) ** 2,
    "dropout": lambda a, u, p, scale: np.where(u >= p, a * scale, 0),
    "div_backward": lambda g, a, b: -g * a / (b * b),
    "pow_backward": lambda g, a, b: np.where(b == 0, 0, g * b * np.power(a, b - 1)),
    "pow_exponent_backward": lambda g, a, b: np.where(
        (a == 0) & (b >= 0), 0, g * np.power(a, b) * np.log(a)
    ),
    "abs_backward": lambda g, a: g * np.sign(a),
    "square_backward": lambda g, a: 2 * g * a,
    "sqrt_backward": lambda g, y: g / (2 * y),
    "rsqrt_backward": lambda g, y: -g / 2 * y**3,
    "reciprocal_backward": lambda g, y: -g * y * y,
    "exp2_backward": lambda g, y: g * y * math.log(2),
    "expm1_backward": lambda g, a: g * np.exp(a),
    "log1p_backward": lambda g, a: g / (1 + a),
    "log2_backward": lambda g, a: g / (a * math.log(2)),
    "log10_backward": lambda g, a: g / (a * math.log(10)),
    "erf_backward": lambda g, a: g * 2 / math.sqrt(math.pi) * np.exp(-a * a),
    "tan_backward": lambda g, y: g * (1 + y * y),
    "asin_backward": lambda g, a: g / np.sqrt(1 - a * a),
    "atan_backward": lambda g, a: g / (1 + a * a),
    "atan2_backward": lambda g, a, b: g * b / (a * a + b * b),
    "asinh_backward": lambda g, a: g / np.sqrt(a * a + 1),
    "acosh_backward": lambda g, a: g / np.sqrt(a * a - 1),
    "atanh_backward": lambda g, a: g / (1 - a * a),
    "sin_backward": lambda g, a: g * np.cos(a),
    "cos_backward": lambda g, a: -g * np.sin(a),
    "tanh_backward": lambda g, y: g * (1 - y * y),
    "sigmoid_backward": lambda g, y: g * y * (1 - y),
    "relu_backward": lambda g, y: np.where(y <= 0, 0, g),
    "leaky_relu_backward": lambda g, a, slope: np.where(a > 0, g, slope * g),
    "gelu_backward": lambda g, a: g * (cdf(a) + a * np.exp(-a * a / 2) / math.sqrt(2 * math.pi)),
    "gelu_tanh_backward": lambda g, a: g * gelu_tanh_slope(a),
    "silu_backward": lambda g, a: g * sigmoid(a) * (1 + a * (1 - sigmoid(a))),
    "softplus_backward": lambda g, a: g * sigmoid(a),
    "maximum_backward": lambda g, a, b: g * share(a < b, a == b),
    "minimum_backward": lambda g, a, b: g * share(a > b, a == b),
    "clamp_backward": lambda g, a, low, high: np.where((a >= low) & (a <= high), g, 0),
    "squared_difference_backward": lambda g, a, b: 2 * g * (a - b),
    "matches": lambda a, b: (a == b) | (np.isnan(a) & np.isnan(b)),
    "binary_cross_entropy": lambda a, t: t * np.logaddexp(-a, 0) + (1 - t) * np.logaddexp(a, 0),
    "binary_cross_entropy_backward": lambda g, a, t: g * (sigmoid(a) - t),
    "binary_cross_entropy_target_backward": lambda g, a: -g * a,
    "elu": lambda a, n, p, i: np.where(a > 0, p * a, n * np.expm1(np.minimum(i * a, 0))),
    "elu_backward": lambda g, a, n, p, i: g * np.where(a > 0, p, n * i * np.exp(i * a)),
    "mish": lambda a: a * np.tanh(np.logaddexp(a, 0)),
    "mish_backward": lambda g, a: (
        g * (np.tanh(np.logaddexp(a, 0)) + a * sigmoid(a) / np.cosh(np.logaddexp(a, 0)) ** 2)
    ),
    "hardswish": lambda a: a * np.clip(a + 3, 0, 6) / 6,
    "hardswish_backward": lambda g, a: g * np.where(a <= -3, 0, np.where(a >= 3, 1, a / 3 + 0.5)),
    "hardsigmoid": lambda a: np.clip(a + 3, 0, 6) / 6,
    "hardsigmoid_backward": lambda g, a: np.where(np.abs(a) < 3, g / 6, 0),
    "hardtanh": lambda a, low, high: np.clip(a, low, high),
    "hardtanh_backward": lambda g, a, low, high: np.where((a > low) & (a < high), g, 0),
    "glu": lambda a, b: a * sigmoid(b),
    "glu_backward": lambda g, a, b: g * a * sigmoid(b) * sigmoid(-b),
    "swiglu": lambda a, b: a * sigmoid(a) * b,
    "swiglu_backward": lambda g, a, b: g * b * sigmoid(a) * (1 + a * sigmoid(-a)),
    "logsigmoid": lambda a: -np.logaddexp(-a, 0),
    "logsigmoid_backward": lambda g, a: g * sigmoid(-a),
    "softsign": lambda a: a / (1 + np.abs(a)),
    "softsign_backward": lambda g, a: g / (1 + np.abs(a)) ** 2,
    "prelu_backward": lambda g, a: np.where(a > 0, 0, g * a),
    "normalize": lambda a, mean, scale, weight, bias: (a - mean) * scale * weight + bias,
}
BITS = [op for op, kind in KINDS.items() if kind == "bits"]
ROWS = [op for op in KINDS if op != "cast" and op not in BITS]
SCALARS = {
    "isclose": (0.1, 0.2),
    "nan_to_num": (1.0, 2.0, 3.0),
    "leaky_relu": (0.25,),
    "leaky_relu_backward": (0.25,),
    "clamp": (-1.0, 1.5),
    "clamp_backward": (-1.0, 1.5),
    "dropout": (0.5, 2.0),
    "elu": (1.5, 2.0, 0.5),
    "elu_backward": (1.5, 2.0, 0.5),
    "hardtanh": (-1.0, 1.5),
    "hardtanh_backward": (-1.0, 1.5),
}
POSITIVE = {"log", "sqrt", "rsqrt", "sqrt_backward", "rsqrt_backward", "pow", "pow_backward"}
POSITIVE |= {"pow_exponent_backward", "div_backward", "reciprocal"}


INSIDE = {"asin", "acos", "atanh", "asin_backward", "atanh_backward"}  # of -1 to 1
BEYOND = {"acosh", "acosh_backward"}  # 1


def arity(op):
    if isinstance(ORACLE[op], np.vectorize):
        return 1
    return ORACLE[op].nin if isinstance(ORACLE[op], np.ufunc) else ORACLE[op].__code__.co_argcount


def arguments(op, shape, seed=0):
    """Arrays for the array arguments of a row, in float32, and the scalars after them."""
    rng = np.random.default_rng(seed)
    count = arity(op) - len(SCALARS.get(op, ()))
    arrays = [rng.normal(0, 2, shape).astype(np.float32) for _ in range(count)]
    if op in POSITIVE:
        arrays = [np.abs(a) + np.float32(0.1) for a in arrays]
    if (
        op in ("eq", "ne", "matches", "where", "maximum_backward", "minimum_backward")
        or "logical" in op
    ):
        arrays = [np.round(a / 2) for a in arrays]
    if op in INSIDE:
        arrays = [np.tanh(a) * np.float32(0.99) for a in arrays]
    if op in BEYOND:
        arrays = [np.abs(a) + np.float32(1.1) for a in arrays]
    if op == "dropout":
        arrays[1] = rng.random(shape, np.float32)
    return [np.asarray(a, np.float32) for a in arrays], SCALARS.get(op, ())


def run(op, device, *args):
    """One row of the device's backend, from numpy to numpy."""
    tensors = [tensor(a, device=device) if isinstance(a, np.ndarray) else a for a in args]
    be = backend_of(next(t for t in tensors if isinstance(t, Tensor)).device)
    result = be.elementwise(op, *(t.array if isinstance(t, Tensor) else t for t in tensors))
    return be.to_host(be.contiguous(result))


def expected(op, *args):
    with np.errstate(all="ignore"):
        return ORACLE[op](*(np.asarray(a, np.float64) for a in args))


def assert_close(actual, wanted, rtol=2e-6, atol=2e-6):
    wanted = np.asarray(wanted)
    assert actual.shape == wanted.shape
    if actual.dtype == np.bool_:
        np.testing.assert_array_equal(actual, wanted)
    else:
        np.testing.assert_allclose(actual, wanted, rtol=rtol, atol=atol)


def test_every_row_of_the_table_has_an_oracle():
    assert set(ROWS) == set(ORACLE)


@pytest.mark.parametrize("op", ROWS)
def test_row_equals_its_formula(op, device):
    arrays, scalars = arguments(op, (7, 33))
    actual = run(op, device, *arrays, *scalars)
    assert actual.dtype == dtypes_of(op, [float32] * len(arrays))[1]
    assert_close(actual, expected(op, *arrays, *scalars), rtol=1e-5)


@pytest.mark.parametrize("op", ROWS)
def test_row_in_float16_is_the_float32_result_rounded_once(op, device):
    arrays, scalars = arguments(op, (5, 13))
    halves = [a.astype(np.float16) for a in arrays]
    actual = run(op, device, *halves, *scalars)
    wanted = expected(op, *halves, *scalars)
    assert actual.dtype == dtypes_of(op, [float16] * len(arrays))[1]
    assert_close(actual, wanted, rtol=1.1 * 2**-11, atol=1e-6)


@pytest.mark.parametrize("shape", [(), (0,), (1,), (3, 0, 2), (255,), (257, 3), (2, 1, 3, 1, 5)])
@pytest.mark.parametrize("op", ["add", "tanh", "where", "gt"])
def test_row_takes_any_shape(op, shape, device):
    arrays, _ = arguments(op, shape)
    assert_close(run(op, device, *arrays), expected(op, *arrays), rtol=1e-5)


@pytest.mark.parametrize(
    "shapes", [((3, 1), (1, 4)), ((), (2, 3)), ((5,), (4, 5)), ((2, 1, 3), (7, 1)), ((0, 1), (4,))]
)
def test_rows_broadcast_as_numpy_does(shapes, device):
    rng = np.random.default_rng(0)
    a, b = (rng.normal(size=shape).astype(np.float32) for shape in shapes)
    assert_close(run("sub", device, a, b), a.astype(float) - b)
    assert_close(run("where", device, a > 0, a, b), np.where(a > 0, a, b))


def test_rows_take_views_of_any_layout(device):
    a = np.arange(24, dtype=np.float32).reshape(4, 6)
    t = tensor(a, device=device)
    assert_close(
        (t.T + t[::-1, ::2].T.expand(2, 3, 4)[0].sum(0)).numpy(), a.T + a[::-1, ::2].sum(1)
    )
    assert_close((t[1:3, 5:0:-2] * t[:2, :3]).numpy(), a[1:3, 5:0:-2] * a[:2, :3])


def test_a_row_may_have_more_elements_than_one_dimension_of_workgroups(device):
    a = np.arange(65_535 * 64 + 129, dtype=np.float32) % 1000
    assert_close(run("add", device, a, 1.0), a + 1)


@pytest.mark.parametrize(
    "op", ["relu", "tanh", "maximum", "minimum", "clamp", "abs", "gelu", "exp"]
)
def test_nan_stays_nan(op, device):
    a = np.array([np.nan, 1.0, -1.0], np.float32)
    others, scalars = arguments(op, (3,))
    actual = run(op, device, a, *others[1:], *scalars)
    assert np.isnan(actual[0]) and not np.isnan(actual[1:]).any()
    if len(others) == 2:
        assert np.isnan(run(op, device, others[0], a)[0])


SPECIAL = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e38, 2e-38, -2.0], np.float32)


@pytest.mark.parametrize(
    "op", ["isnan", "isfinite", "sign", "sigmoid", "sqrt", "log", "softplus", "relu", "logical_not"]
)
def test_special_values_follow_numpy(op, device):
    assert_close(run(op, device, SPECIAL), expected(op, SPECIAL), rtol=1e-5)


@pytest.mark.parametrize("op", ["div", "mul", "maximum", "gt", "le", "eq", "ne", "logical_or"])
def test_pairs_of_special_values_follow_numpy(op, device):
    with np.errstate(all="ignore"):
        wanted = ORACLE[op](SPECIAL[:, None], SPECIAL)
    assert_close(run(op, device, SPECIAL[:, None], SPECIAL), wanted)


def test_a_negative_base_is_taken_to_whole_exponents(device):
    a = np.array([-2.0, -2.0, -2.0, 0.0, -8.0], np.float32)
    b = np.array([3.0, -2.0, 0.5, 0.0, 0.0], np.float32)
    np.testing.assert_allclose(run("pow", device, a, b), [-8, 0.25, np.nan, 1, 1], rtol=1e-6)


INTEGERS = ["add", "sub", "mul", "neg", "abs", "sign", "square", "maximum", "minimum", "floor"]
INTEGERS += ["ceil", "trunc", "round", "floor_divide", "remainder", "fmod"]


@pytest.mark.parametrize("dtype", [np.int32, np.uint8])
@pytest.mark.parametrize("op", INTEGERS)
def test_integer_rows_wrap_around_as_numpy_does(op, dtype, device):
    rng = np.random.default_rng(0)
    info = np.iinfo(dtype)
    count = arity(op)
    arrays = [rng.integers(info.min, info.max, 67, dtype, endpoint=True) for _ in range(count)]
    with np.errstate(all="ignore"):
        wanted = ORACLE[op](*arrays).astype(dtype)
    actual = run(op, device, *arrays)
    assert actual.dtype == dtype
    np.testing.assert_array_equal(actual, wanted)


@pytest.mark.parametrize("dtype", [np.int32, np.uint8])
@pytest.mark.parametrize("op", BITS)
def test_rows_of_bits_equal_numpys(op, dtype, device):
    rng = np.random.default_rng(0)
    info = np.iinfo(dtype)
    a, b = (rng.integers(info.min, info.max, 67, dtype, endpoint=True) for _ in range(2))
    b = b % dtype(40) if op.endswith("shift") else b
    arrays = [a] if op == "bitwise_not" else [a, b]
    actual = run(op, device, *arrays)
    assert actual.dtype == dtype
    np.testing.assert_array_equal(actual, getattr(np, op)(*arrays))


@pytest.mark.parametrize("dtype", [np.int32, np.uint8])
@pytest.mark.parametrize("op", ["floor_divide", "remainder", "fmod"])
def test_dividing_integers_by_zero_gives_zero(op, dtype, device):
    a = np.array([0, 1, 200], dtype)
    np.testing.assert_array_equal(run(op, device, a, np.zeros(3, dtype)), [0, 0, 0])
    np.testing.assert_array_equal(run(op, device, a, 0), [0, 0, 0])


def test_dividing_the_lowest_integer_by_minus_one_wraps_around(device):
    lowest = np.array([-(2**31)], np.int32)
    assert run("floor_divide", device, lowest, -1) == lowest
    assert run("remainder", device, lowest, -1) == 0


@pytest.mark.parametrize("op", ["eq", "ne", "lt", "le", "gt", "ge"])
def test_comparisons_of_integers_are_exact(op, device):
    a = np.array([2**30, 2**30 + 1, -(2**30), 5], np.int32)
    b = np.array([2**30 + 1, 2**30 + 1, 2**30, 5], np.int32)
    np.testing.assert_array_equal(run(op, device, a, b), ORACLE[op](a, b))


@pytest.mark.parametrize("target", [float32, float16, int32, uint8, bool_])
@pytest.mark.parametrize("source", [float32, float16, int32, uint8, bool_])
def test_casts_between_all_dtypes(source, target, device):
    a = np.array([0, 1, 2, 100, 7, 0, 3], source)
    if source.kind == "f":
        a = (a + np.array(0.75)).astype(source)
    t = tensor(a, device=device).to(target)
    assert t.dtype == target
    np.testing.assert_array_equal(t.numpy(), a.astype(target))


def test_casts_of_negative_floats_go_towards_zero(device):
    t = tensor([-1.75, -0.5, 1.75], device=device)
    np.testing.assert_array_equal(t.to(int32).numpy(), [-1, 0, 1])


@pytest.mark.parametrize("a", LATTICE, ids=str)
@pytest.mark.parametrize("b", LATTICE, ids=str)
def test_the_common_dtype_is_the_higher_one(a, b):
    assert common_dtype([a, b]) == LATTICE[max(LATTICE.index(a), LATTICE.index(b))]


@pytest.mark.parametrize(
    ("dtype", "scalar", "common"),
    [
        (bool_, True, bool_),
        (bool_, 1, int32),
        (bool_, 1.0, float32),
        (uint8, 1, uint8),
        (uint8, 1.0, float32),
        (int32, True, int32),
        (int32, 1.5, float32),
        (float16, 1, float16),
        (float16, 1.5, float16),
        (float32, 2, float32),
    ],
)
def test_python_scalars_are_weak(dtype, scalar, common):
    assert common_dtype([dtype, type(scalar)]) == common


@pytest.mark.parametrize("number", [np.float32(1.5), np.float64(1.5), np.int64(2), np.bool_(True)])
def test_numpy_scalars_are_weak_like_those_of_python(number, device):
    x = tensor([1.0, 2.0], float16, device)
    for result in (x * number, number * x):
        assert result.dtype == float16
        np.testing.assert_array_equal(result.numpy(), x.numpy() * np.float16(number))


def test_mixed_dtypes_meet_in_the_common_dtype(device):
    a = tensor([1, 2, 3], int32, device)
    b = tensor([0.5, 0.5, 0.5], float16, device)
    c = tensor([True, False, True], device=device)
    assert (a + b).dtype == float16
    np.testing.assert_array_equal((a + b).numpy(), [1.5, 2.5, 3.5])
    np.testing.assert_array_equal((a * c).numpy(), [1, 0, 3])
    assert (c + c).dtype == int32
    assert (a / a).dtype == float32
