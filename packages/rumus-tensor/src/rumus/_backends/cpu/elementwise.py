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

from .normal import (
    complementary_error_function,
    distribution,
    error_function,
    gaussian,
    slope_of_gelu,
)

Array = npt.NDArray[Any]
_HALF = np.dtype(np.float16)
_SINGLE = np.dtype(np.float32)
_BLOCK = 1 << 15  # elements: 128 KB of float32, so that a row's temporaries fit a core's cache


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
        return _computed(ROWS[op], arrays, answer)


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


def _computed(row: Callable[..., Any], arrays: list[Any], answer: np.dtype[Any]) -> Array:
    """Apply a row; one of several steps goes block by block, so that its steps stay in cache."""
    inputs = [a for a in arrays if isinstance(a, np.ndarray)]
    shape = inputs[0].shape
    if isinstance(row, np.ufunc) or inputs[0].size <= _BLOCK:
        return np.asarray(row(*arrays), answer)
    lines = [_line(a) if isinstance(a, np.ndarray) else a for a in arrays]
    whole = [a for a in lines if isinstance(a, np.ndarray)]
    if not whole or any(a is None for a in lines) or any(a.shape != shape for a in inputs):
        return np.asarray(row(*arrays), answer)
    out = np.empty(shape, answer)
    flat = out.reshape(-1)
    for start in range(0, flat.size, _BLOCK):
        part = slice(start, start + _BLOCK)
        flat[part] = row(*(a[part] if isinstance(a, np.ndarray) else a for a in lines))
    return out


def _line(a: Array) -> Any:
    """The elements in a line, one where all are the same; None where they do not lie so."""
    if a.flags.c_contiguous:
        return a.reshape(-1)
    return None if any(a.strides) else a[(0,) * a.ndim]


def _choose(mask: Array, a: Array, b: Array) -> Array:
    """``np.where``, without its branch for each element in float32."""
    if a.dtype != np.float32 or b.dtype != np.float32:
        return np.where(mask, a, b)
    bits = -mask.astype(np.int32)
    chosen = (a.view(np.int32) & bits) | (b.view(np.int32) & ~bits)
    return np.asarray(chosen.view(np.float32))


def _keep(mask: Array, a: Array) -> Array:
    """``a`` (float32) where the mask is true, else 0."""
    return np.asarray((a.view(np.int32) & -mask.astype(np.int32)).view(np.float32))


_ONE, _TWO, _HALF_ONE, _FLAT = (np.float32(n) for n in (1, 2, 0.5, 20))
_LN_2, _LN_10 = np.float32(math.log(2)), np.float32(math.log(10))
_ERF_SLOPE = np.float32(2 / math.sqrt(math.pi))
_TANH_SCALE, _TANH_CUBE = np.float32(math.sqrt(2 / math.pi)), np.float32(0.044715)


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
    return _keep(b != 0, g * b * np.power(a, b - _ONE))


def _pow_exponent_backward(g: Array, a: Array, b: Array) -> Array:
    return _keep(~((a == 0) & (b >= 0)), g * np.power(a, b) * np.log(a))


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
    return _keep(~worse, _choose(equal, _HALF_ONE * g, g))


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
    "relu": lambda a: np.maximum(a, a.dtype.type(0)),
    "leaky_relu": lambda a, slope: _choose(a > 0, a, slope * a),
    "gelu": lambda a: a * distribution(a),
    "gelu_tanh": _gelu_tanh,
    "silu": lambda a: a * _sigmoid(a),
    "softplus": lambda a: np.maximum(a, np.float32(0)) + np.log1p(np.exp(-np.abs(a))),
    "maximum": np.maximum,
    "minimum": np.minimum,
    "clamp": lambda a, low, high: np.minimum(np.maximum(a, low), high),
    "where": _choose,
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
    "dropout": lambda a, u, p, scale: _keep(u >= p, a * scale),
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
    "relu_backward": lambda g, y: _keep(~(y <= 0), g),
    "leaky_relu_backward": lambda g, a, slope: _choose(a > 0, g, slope * g),
    "gelu_backward": lambda g, a: g * slope_of_gelu(a),
    "gelu_tanh_backward": _gelu_tanh_backward,
    "silu_backward": _silu_backward,
    "softplus_backward": lambda g, a: g * _sigmoid(a),
    "maximum_backward": lambda g, a, b: _share(a < b, a == b, g),
    "minimum_backward": lambda g, a, b: _share(a > b, a == b, g),
    "clamp_backward": lambda g, a, low, high: _keep(~((a < low) | (a > high)), g),
    "squared_difference_backward": lambda g, a, b: np.float32(2) * g * (a - b),
    "binary_cross_entropy_backward": _binary_cross_entropy_backward,
    "binary_cross_entropy_target_backward": lambda g, a: -g * a,
}


class Elementwise:
    """The family's part of the backend."""

    def elementwise(
        self, op: str, *args: Array | Scalar, dtype: np.dtype[Any] | None = None
    ) -> Array:
        return elementwise(op, args, dtype)
