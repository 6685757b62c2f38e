"""The elementwise table in numpy: one expression a row."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from rumus._backends.contract import Scalar
from rumus._backends.table import KINDS, dtypes_of, negative_exponent
from rumus._core.dtypes import check_scalar
from rumus._core.errors import ArgumentError

from .blockwise import BLOCK, applied
from .normal import (
    complementary_error_function,
    distribution,
    error_function,
    gaussian,
    slope_of_gelu,
)
from .select import chosen, kept

Array = npt.NDArray[Any]
_HALF = np.dtype(np.float16)
_SINGLE = np.dtype(np.float32)


def elementwise(op: str, args: tuple[Array | Scalar, ...], dtype: np.dtype[Any] | None) -> Array:
    """Compute one row."""
    with np.errstate(all="ignore"):
        if op == "cast":
            return cast(np.asarray(args[0]), np.dtype(dtype))
        compute, answer = dtypes_of(op, [_kind(a) for a in args])
        kind = KINDS[op]
        if kind == "logical":
            return np.asarray(ROWS[op](*(np.asarray(a, np.bool_) for a in args)))
        working = _SINGLE if compute == _HALF else compute
        arrays = [_converted(op, a, compute, working) for a in args]
        if kind == "where":
            arrays[0] = np.asarray(args[0], np.bool_)
        if op == "pow" and compute.kind == "i":
            _check_exponents(arrays[1])
        row = ROWS[op]
        return applied(row, arrays, answer, isinstance(row, np.ufunc) or row is _relu)


def updated(op: str, target: Array, other: Array | Scalar) -> bool:
    """Compute a row of two arguments into the first one, if numpy does so without a temporary."""
    row = ROWS[op]
    compute, answer = dtypes_of(op, [_kind(target), _kind(other)])
    if not isinstance(row, np.ufunc) or answer != target.dtype or compute == _HALF:
        return False
    with np.errstate(all="ignore"):
        row(target, _converted(op, other, compute, compute), out=target)
    return True


def _check_exponents(exponents: Any) -> None:
    if np.any(exponents < 0):
        at = int(np.argmax(exponents < 0))
        raise ArgumentError(negative_exponent(at, int(exponents.flat[at])))


def _kind(a: Array | Scalar) -> Any:
    return a.dtype if isinstance(a, np.ndarray) else type(a)


def _converted(op: str, a: Array | Scalar, compute: np.dtype[Any], working: np.dtype[Any]) -> Any:
    if isinstance(a, np.ndarray):
        return a if a.dtype == working else a.astype(working)
    check_scalar(op, a, compute)
    return working.type(a)


_ONE, _TWO, _HALF_ONE, _FLAT = (np.float32(n) for n in (1, 2, 0.5, 20))
_LN_2, _LN_10 = np.float32(math.log(2)), np.float32(math.log(10))
_ERF_SLOPE = np.float32(2 / math.sqrt(math.pi))
_TANH_SCALE, _TANH_CUBE = np.float32(math.sqrt(2 / math.pi)), np.float32(0.044715)


def _relu(a: Array, out: Array | None = None) -> Array:
    return np.asarray(np.maximum(a, a.dtype.type(0), out=out))


def _sigmoid(a: Array) -> Array:
    return np.asarray(_ONE / (_ONE + np.exp(-a)))


def _gelu_tanh(a: Array) -> Array:
    return np.asarray(a * _sigmoid(_gelu_tanh_inner(a)))


def _gelu_tanh_inner(a: Array) -> Array:
    """With (1 + tanh(z)) / 2 = sigmoid(2 z), which keeps its digits in the tail: 2 z."""
    return np.asarray(_TWO * _TANH_SCALE * (a + _TANH_CUBE * a * a * a))


def _gelu_tanh_backward(g: Array, a: Array) -> Array:
    inner = _gelu_tanh_inner(a)
    # Beyond 20 the slope's second part is 0; its factors alone would be infinite
    near = np.minimum(np.maximum(a, -_FLAT), _FLAT)
    slope = _TWO * _TANH_SCALE * (_ONE + np.float32(3) * _TANH_CUBE * near * near)
    s = _sigmoid(inner)
    return np.asarray(g * (s + near * s * _sigmoid(-inner) * slope))


def _silu_backward(g: Array, a: Array) -> Array:
    s = _sigmoid(a)
    return np.asarray(g * s * (_ONE + a * (_ONE - s)))


def _binary_cross_entropy(a: Array, t: Array) -> Array:
    zero = np.float32(0)
    tail = np.log1p(np.exp(-np.abs(a)))
    return np.asarray(tail + t * np.maximum(-a, zero) + (_ONE - t) * np.maximum(a, zero))


def _binary_cross_entropy_backward(g: Array, a: Array, t: Array) -> Array:
    line = np.atleast_1d(a)
    other = np.exp(-np.abs(line))
    one = _ONE / (_ONE + other)
    other *= one
    # The larger and the smaller of sigmoid(a) and sigmoid(-a) change places where a is negative
    bits, other_bits = one.view(np.int32), other.view(np.int32)
    change = (bits ^ other_bits) & -(line < 0).astype(np.int32)
    bits ^= change
    other_bits ^= change
    result = one.reshape(a.shape) * (_ONE - t)
    result -= other.reshape(a.shape) * t
    return np.asarray(g * result)


def cast(a: Array, dtype: np.dtype[Any]) -> Array:
    """A copy in another dtype; of floats beyond an integer's range its nearest, 0 of NaN."""
    if a.dtype.kind != "f" or dtype.kind not in "iu":
        return np.asarray(a.astype(dtype))
    info = np.iinfo(dtype)
    low, high = np.float32(info.min) - _ONE, np.float32(info.max) + _ONE
    wide = a.astype(np.float32, copy=False)
    inside = (wide > low) & (wide < high)
    if inside.all():
        return np.asarray(wide.astype(dtype))
    result = np.asarray(np.where(inside, wide, np.float32(0)).astype(dtype))
    np.copyto(result, info.min, where=wide <= low)
    np.copyto(result, info.max, where=wide >= high)
    return result


def _pow_backward(g: Array, a: Array, b: Array) -> Array:
    return kept(b != 0, g * b * np.power(a, b - _ONE))


def _pow_exponent_backward(g: Array, a: Array, b: Array) -> Array:
    return kept(~((a == 0) & (b >= 0)), g * np.power(a, b) * np.log(a))


def _nan_to_num(a: Array, nan: Any, positive: Any, negative: Any) -> Array:
    finite = np.where(np.isinf(a), np.where(a > 0, positive, negative), a)
    return np.asarray(np.where(np.isnan(a), nan, finite))


def _lerp(a: Array, b: Array, w: Array) -> Array:
    """From the nearer end, so that both ends are exact."""
    way = b - a
    return np.asarray(np.where(np.abs(w) < _HALF_ONE, a + w * way, b - (_ONE - w) * way))


def _atan2_backward(g: Array, a: Array, b: Array) -> Array:
    distance = np.hypot(a, b)
    return np.asarray(g * (b / distance) / distance)


def _share(worse: Array, equal: Array, g: Array) -> Array:
    """What flows to one of two: all of NaN too, which is neither worse nor equal."""
    return kept(~worse, chosen(equal, _HALF_ONE * g, g))


_THREE, _SIXTH = np.float32(3), np.float32(1 / 6)


def _elu(a: Array, below: Any, above: Any, inner: Any) -> Array:
    return np.asarray(np.where(a > 0, above * a, below * np.expm1(np.minimum(inner * a, 0))))


def _elu_backward(g: Array, a: Array, below: Any, above: Any, inner: Any) -> Array:
    slope = below * inner * np.exp(np.minimum(inner * a, 0))
    return np.asarray(g * np.where(a > 0, above, slope))


def _mish_parts(a: Array) -> tuple[Array, Array]:
    """``tanh(softplus(a))``, and 1 less its square; beyond 20 they are 1 and 0."""
    w = np.exp(np.minimum(a, _FLAT))
    n = w * (w + _TWO)
    return n / (n + _TWO), np.float32(4) * (n + _ONE) / np.square(n + _TWO)


def _mish_backward(g: Array, a: Array) -> Array:
    t, rest = _mish_parts(a)
    near = np.minimum(np.maximum(a, np.float32(-100)), _FLAT)
    return np.asarray(g * (t + near * rest * _sigmoid(near)))


def _hardsigmoid(a: Array) -> Array:
    return np.asarray(np.minimum(np.maximum(a + _THREE, np.float32(0)), np.float32(6)) * _SIXTH)


def _hardswish_backward(g: Array, a: Array) -> Array:
    slope = np.where(a >= _THREE, _ONE, a / _THREE + _HALF_ONE)
    return kept(~(a <= -_THREE), np.asarray(g * slope, np.float32))


def _normalize(a: Array, mean: Array, scale: Array, weight: Array, bias: Array) -> Array:
    """``a`` has the shape of the result, and goes block by block along its first axis."""
    result = np.empty(a.shape, np.float32)
    lines = [np.asarray(line) for line in (mean, scale * weight, bias)]
    each = max(a.size // max(len(a), 1), 1)
    for start in range(0, len(a), max(1, 2 * BLOCK // each)):
        part = slice(start, start + max(1, 2 * BLOCK // each))
        shift, by, more = (
            line[part] if line.ndim == a.ndim and len(line) == len(a) else line for line in lines
        )
        block = np.subtract(a[part], shift, out=result[part])
        np.multiply(block, by, out=block)
        np.add(block, more, out=block)
    return result


ROWS: dict[str, Callable[..., Any]] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "pow": np.power,
    "neg": np.negative,
    "abs": np.abs,
    "sign": np.sign,
    "square": np.square,
    "floor": lambda a: np.floor(a) if a.dtype.kind == "f" else a,
    "ceil": lambda a: np.ceil(a) if a.dtype.kind == "f" else a,
    "trunc": lambda a: np.trunc(a) if a.dtype.kind == "f" else a,
    "round": lambda a: np.rint(a) if a.dtype.kind == "f" else a,
    "floor_divide": np.floor_divide,
    "remainder": np.remainder,
    "fmod": np.fmod,
    "sqrt": np.sqrt,
    "rsqrt": lambda a: _ONE / np.sqrt(a),
    "reciprocal": lambda a: _ONE / a,
    "exp": np.exp,
    "log": np.log,
    "exp2": np.exp2,
    "expm1": np.expm1,
    "log1p": np.log1p,
    "log2": np.log2,
    "log10": np.log10,
    "logaddexp": np.logaddexp,
    "erf": error_function,
    "erfc": complementary_error_function,
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
    "nan_to_num": _nan_to_num,
    "lerp": _lerp,
    "bitwise_and": np.bitwise_and,
    "bitwise_or": np.bitwise_or,
    "bitwise_xor": np.bitwise_xor,
    "bitwise_not": np.bitwise_not,
    "left_shift": np.left_shift,
    "right_shift": np.right_shift,
    "tanh": np.tanh,
    "sigmoid": _sigmoid,
    "relu": _relu,
    "leaky_relu": lambda a, slope: chosen(a > 0, a, slope * a),
    "gelu": lambda a: a * distribution(a),
    "gelu_tanh": _gelu_tanh,
    "silu": lambda a: a * _sigmoid(a),
    "softplus": lambda a: np.maximum(a, np.float32(0)) + np.log1p(np.exp(-np.abs(a))),
    "maximum": np.maximum,
    "minimum": np.minimum,
    "clamp": lambda a, low, high: np.minimum(np.maximum(a, low), high),
    "where": chosen,
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "matches": lambda a, b: (a == b) | ((a != a) & (b != b)),
    "isclose": lambda a, b, r, t: (
        (a == b) | (np.isfinite(a) & np.isfinite(b) & (np.abs(a - b) <= t + r * np.abs(b)))
    ),
    "isnan": np.isnan,
    "isinf": np.isinf,
    "signbit": np.signbit,
    "isfinite": np.isfinite,
    "logical_not": np.logical_not,
    "logical_and": np.logical_and,
    "logical_or": np.logical_or,
    "logical_xor": np.logical_xor,
    "squared_difference": lambda a, b: np.square(a - b),
    "dropout": lambda a, u, p, scale: kept(u >= p, a * scale),
    "binary_cross_entropy": _binary_cross_entropy,
    "div_backward": lambda g, a, b: -(g / b) * (a / b),
    "pow_backward": _pow_backward,
    "pow_exponent_backward": _pow_exponent_backward,
    "abs_backward": lambda g, a: g * np.sign(a),
    "square_backward": lambda g, a: np.float32(2) * g * a,
    "sqrt_backward": lambda g, y: g / (np.float32(2) * y),
    "rsqrt_backward": lambda g, y: np.float32(-0.5) * g * y * y * y,
    "reciprocal_backward": lambda g, y: -g * y * y,
    "exp2_backward": lambda g, y: g * y * _LN_2,
    "expm1_backward": lambda g, a: g * np.exp(a),
    "log1p_backward": lambda g, a: g / (_ONE + a),
    "log2_backward": lambda g, a: g / a / _LN_2,
    "log10_backward": lambda g, a: g / a / _LN_10,
    "erf_backward": lambda g, a: g * _ERF_SLOPE * gaussian(a),
    "tan_backward": lambda g, y: g * (_ONE + y * y),
    "asin_backward": lambda g, a: g / np.sqrt((_ONE - a) * (_ONE + a)),
    "atan_backward": lambda g, a: g / (_ONE + a * a),
    "atan2_backward": _atan2_backward,
    "asinh_backward": lambda g, a: g / np.hypot(a, _ONE),
    "acosh_backward": lambda g, a: g / (np.sqrt(a - _ONE) * np.sqrt(a + _ONE)),
    "atanh_backward": lambda g, a: g / ((_ONE - a) * (_ONE + a)),
    "sin_backward": lambda g, a: g * np.cos(a),
    "cos_backward": lambda g, a: -g * np.sin(a),
    "tanh_backward": lambda g, y: g * (_ONE - y * y),
    "sigmoid_backward": lambda g, y: g * y * (_ONE - y),
    "relu_backward": lambda g, y: kept(~(y <= 0), g),
    "leaky_relu_backward": lambda g, a, slope: chosen(a > 0, g, slope * g),
    "gelu_backward": lambda g, a: g * slope_of_gelu(a),
    "gelu_tanh_backward": _gelu_tanh_backward,
    "silu_backward": _silu_backward,
    "softplus_backward": lambda g, a: g * _sigmoid(a),
    "maximum_backward": lambda g, a, b: _share(a < b, a == b, g),
    "minimum_backward": lambda g, a, b: _share(a > b, a == b, g),
    "clamp_backward": lambda g, a, low, high: kept(~((a < low) | (a > high)), g),
    "squared_difference_backward": lambda g, a, b: np.float32(2) * g * (a - b),
    "binary_cross_entropy_backward": _binary_cross_entropy_backward,
    "binary_cross_entropy_target_backward": lambda g, a: -g * a,
    # Layers and their backward rows
    "elu": _elu,
    "elu_backward": _elu_backward,
    "mish": lambda a: a * _mish_parts(a)[0],
    "mish_backward": _mish_backward,
    "hardswish": lambda a: a * _hardsigmoid(a),
    "hardswish_backward": _hardswish_backward,
    "hardsigmoid": lambda a: _hardsigmoid(a),
    "hardsigmoid_backward": lambda g, a: kept(~(np.abs(a) >= _THREE), g * _SIXTH),
    "hardtanh": lambda a, low, high: np.minimum(np.maximum(a, low), high),
    "hardtanh_backward": lambda g, a, low, high: kept(~((a <= low) | (a >= high)), g),
    "glu": lambda a, b: a * _sigmoid(b),
    "glu_backward": lambda g, a, b: g * a * (_sigmoid(b) * _sigmoid(-b)),
    "swiglu": lambda a, b: a * _sigmoid(a) * b,
    "swiglu_backward": lambda g, a, b: g * b * _sigmoid(a) * (_ONE + a * _sigmoid(-a)),
    "logsigmoid": lambda a: np.minimum(a, np.float32(0)) - np.log1p(np.exp(-np.abs(a))),
    "logsigmoid_backward": lambda g, a: g * _sigmoid(-a),
    "softsign": lambda a: a / (_ONE + np.abs(a)),
    "softsign_backward": lambda g, a: g / np.square(_ONE + np.abs(a)),
    "prelu_backward": lambda g, a: kept(~(a > 0), g * a),
    "normalize": _normalize,
}


class Elementwise:
    """The family's part of the backend."""

    def elementwise(
        self, op: str, *args: Array | Scalar, dtype: np.dtype[Any] | None = None
    ) -> Array:
        return elementwise(op, args, dtype)
