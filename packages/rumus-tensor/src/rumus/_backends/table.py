"""The elementwise table: every operation that maps elements to elements, and its dtypes.

A row is a name and a kind; the number of arguments is in the formula beside it. Each backend adds
one expression a row. The kinds say in which dtype a row computes and in which it answers:

``number``   the common dtype of the arguments, bool lifted to int32; the answer has the same
``same``     the common dtype, bool kept
``bits``     as ``number``, of integers and bools alone
``float``    the common dtype, lifted to float32 unless it is a float already
``compare``  computed in the common dtype, the answer is bool
``test``     the same with one argument (NaN and infinity exist in floats alone)
``logical``  arguments are true where they are not zero; the answer is bool
``where``    the first argument is a condition (true where not zero), the others as in ``same``
``cast``     the dtype is given by the caller

float16 is computed in float32 and rounded once, at the end. Integers wrap around, and
have no negative powers. Common dtypes are those of :mod:`rumus._core.dtypes`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

from rumus._core.dtypes import (
    NO_DOUBLE,
    DType,
    bool_,
    common_dtype,
    extremes,
    float32,
    int32,
    is_float,
)
from rumus._core.errors import ArgumentError

KINDS: dict[str, str] = {
    # Arithmetic
    "add": "number",  # a + b
    "sub": "number",  # a - b
    "mul": "number",  # a * b
    "div": "float",  # a / b
    "pow": "number",  # a ** b; a negative base is taken to whole exponents, else NaN
    "neg": "number",  # -a
    "abs": "number",  # |a|
    "sign": "number",  # -1, 0 or 1; NaN of NaN
    "square": "number",  # a * a
    "floor": "same",  # the largest whole number that is not above a
    "ceil": "same",  # the smallest whole number that is not below a
    "trunc": "same",  # the whole number next to a on the side of 0
    "round": "same",  # the whole number next to a, the even one of two
    "floor_divide": "number",  # floor(a / b); of integers 0 where b == 0
    "remainder": "number",  # a - b * floor(a / b), exactly; of integers 0 where b == 0
    "fmod": "number",  # a - b * trunc(a / b), exactly; of integers 0 where b == 0
    "sqrt": "float",
    "rsqrt": "float",  # 1 / sqrt(a)
    "reciprocal": "float",  # 1 / a
    "exp": "float",
    "log": "float",  # -inf of 0, NaN of negative numbers
    "exp2": "float",  # 2**a
    "expm1": "float",  # exp(a) - 1
    "log1p": "float",  # log(1 + a)
    "log2": "float",
    "log10": "float",
    "logaddexp": "float",  # log(exp(a) + exp(b))
    "erf": "float",  # 2 / sqrt(pi) times the integral of exp(-x**2) from 0 to a
    "erfc": "float",  # 1 - erf(a)
    "sin": "float",
    "cos": "float",
    "tan": "float",
    "asin": "float",
    "acos": "float",
    "atan": "float",
    "atan2": "float",  # (a, b): the angle of the point (b, a)
    "hypot": "float",  # sqrt(a * a + b * b), without overflow
    "sinh": "float",
    "cosh": "float",
    "asinh": "float",
    "acosh": "float",
    "atanh": "float",
    "nextafter": "float",  # the float32 next to a on the way to b
    "copysign": "float",  # |a| with the sign of b, that of 0 and NaN too
    "nan_to_num": "float",  # (a, x, y, z): x for NaN, y for infinity, z for -infinity
    "lerp": "float",  # (a, b, w): a + w * (b - a)
    # Bits of integers; a shift by 32 or more leaves nothing but the sign
    "bitwise_and": "bits",
    "bitwise_or": "bits",
    "bitwise_xor": "bits",
    "bitwise_not": "bits",
    "left_shift": "bits",
    "right_shift": "bits",
    # Activations
    "tanh": "float",
    "sigmoid": "float",  # 1 / (1 + exp(-a)), without overflow
    "relu": "same",  # a where a > 0 or a is NaN, else 0
    "leaky_relu": "float",  # (a, slope): a where a > 0, else slope * a
    "gelu": "float",  # a / 2 * (1 + erf(a / sqrt(2)))
    "gelu_tanh": "float",  # a / 2 * (1 + tanh(sqrt(2 / pi) * (a + 0.044715 * a**3)))
    "silu": "float",  # a * sigmoid(a)
    "softplus": "float",  # max(a, 0) + log(1 + exp(-|a|))
    # Choice; NaN in either argument gives NaN
    "maximum": "same",
    "minimum": "same",
    "clamp": "same",  # (a, low, high): minimum(maximum(a, low), high)
    "where": "where",  # (condition, a, b)
    # Comparison and logic
    "eq": "compare",
    "ne": "compare",
    "lt": "compare",
    "le": "compare",
    "gt": "compare",
    "ge": "compare",
    "matches": "compare",  # a == b, or both are NaN
    "isclose": "compare",  # (a, b, r, t): a == b, or both are finite and |a - b| <= t + r * |b|
    "isnan": "test",
    "isinf": "test",
    "signbit": "test",  # whether the sign is negative, of 0 and NaN too
    "isfinite": "test",  # neither NaN nor infinite
    "logical_not": "logical",
    "logical_and": "logical",
    "logical_or": "logical",
    "logical_xor": "logical",
    # To integers: towards zero, from floats to the nearest that the dtype has and 0 of NaN;
    # to bool: a != 0
    "cast": "cast",
    # Fused forward rows
    "squared_difference": "float",  # (a - b)**2
    "dropout": "float",  # (a, u, p, scale): a * scale where u >= p, else 0
    # (a, t): t * softplus(-a) + (1 - t) * softplus(a)
    "binary_cross_entropy": "float",
    # Backward rows: g is the gradient of the result, y the result, a and b the arguments
    "div_backward": "float",  # (g, a, b): -(g / b) * (a / b), with respect to b
    "pow_backward": "float",  # (g, a, b): g * b * a**(b - 1), 0 where b == 0
    "pow_exponent_backward": "float",  # (g, a, b): g * a**b * log(a), 0 where a == 0 and b >= 0
    "abs_backward": "float",  # (g, a): g * sign(a)
    "square_backward": "float",  # (g, a): 2 * g * a
    "sqrt_backward": "float",  # (g, y): g / (2 * y)
    "rsqrt_backward": "float",  # (g, y): -g / 2 * y**3
    "reciprocal_backward": "float",  # (g, y): -g * y * y
    "exp2_backward": "float",  # (g, y): g * y * log(2)
    "expm1_backward": "float",  # (g, a): g * exp(a)
    "log1p_backward": "float",  # (g, a): g / (1 + a)
    "log2_backward": "float",  # (g, a): g / (a * log(2))
    "log10_backward": "float",  # (g, a): g / (a * log(10))
    "erf_backward": "float",  # (g, a): g * 2 / sqrt(pi) * exp(-a * a)
    "tan_backward": "float",  # (g, y): g * (1 + y * y)
    "asin_backward": "float",  # (g, a): g / sqrt(1 - a * a)
    "atan_backward": "float",  # (g, a): g / (1 + a * a)
    "atan2_backward": "float",  # (g, a, b): g * b / (a * a + b * b), with respect to a
    "asinh_backward": "float",  # (g, a): g / sqrt(a * a + 1)
    "acosh_backward": "float",  # (g, a): g / sqrt(a * a - 1)
    "atanh_backward": "float",  # (g, a): g / (1 - a * a)
    "sin_backward": "float",  # (g, a): g * cos(a)
    "cos_backward": "float",  # (g, a): -g * sin(a)
    "tanh_backward": "float",  # (g, y): g * (1 - y * y)
    "sigmoid_backward": "float",  # (g, y): g * y * (1 - y)
    "relu_backward": "float",  # (g, y): 0 where y <= 0, else g
    "leaky_relu_backward": "float",  # (g, a, slope): g where a > 0, else slope * g
    "gelu_backward": "float",  # (g, a): g * (cdf + a * pdf), of the normal distribution
    "gelu_tanh_backward": "float",  # (g, a): g times the derivative of gelu_tanh
    "silu_backward": "float",  # (g, a): g * s * (1 + a * (1 - s)) with s = sigmoid(a)
    "softplus_backward": "float",  # (g, a): g * sigmoid(a)
    # (g, a, b), with respect to a: 0 where b wins, g / 2 where they are equal, else (NaN too) g
    "maximum_backward": "float",
    "minimum_backward": "float",
    # (g, a, low, high): g where low <= a <= high or a is NaN, else 0
    "clamp_backward": "float",
    "squared_difference_backward": "float",  # (g, a, b): 2 * g * (a - b), with respect to a
    # (g, a, t): g * ((1 - t) * sigmoid(a) - t * sigmoid(-a)), with respect to a
    "binary_cross_entropy_backward": "float",
    "binary_cross_entropy_target_backward": "float",  # (g, a): -g * a, with respect to t
    # Layers and their backward rows
    # (a, below, above, inner): above * a where a > 0, else below * (exp(inner * a) - 1)
    "elu": "float",
    "elu_backward": "float",  # (g, a, below, above, inner)
    "mish": "float",  # a * tanh(log(1 + exp(a)))
    "mish_backward": "float",  # (g, a)
    "hardswish": "float",  # a * clamp(a + 3, 0, 6) / 6
    # (g, a): 0 where a <= -3, g where a >= 3, else g * (a / 3 + 1 / 2)
    "hardswish_backward": "float",
    "hardsigmoid": "float",  # clamp(a / 6 + 1 / 2, 0, 1)
    "hardsigmoid_backward": "float",  # (g, a): g / 6 where -3 < a < 3, else 0
    "hardtanh": "same",  # (a, low, high): as clamp
    "hardtanh_backward": "float",  # (g, a, low, high): g where low < a < high or a is NaN, else 0
    "glu": "float",  # (a, b): a * sigmoid(b)
    # (g, a, b): g * a * s * (1 - s) with s = sigmoid(b), with respect to b
    "glu_backward": "float",
    "swiglu": "float",  # (a, b): a * sigmoid(a) * b
    "swiglu_backward": "float",  # (g, a, b): silu_backward(g * b, a), with respect to a
    "logsigmoid": "float",  # -softplus(-a)
    "logsigmoid_backward": "float",  # (g, a): g * sigmoid(-a)
    "softsign": "float",  # a / (1 + |a|)
    "softsign_backward": "float",  # (g, a): g / (1 + |a|)**2
    "prelu_backward": "float",  # (g, a): 0 where a > 0, else g * a: of leaky_relu, for the slope
    "normalize": "float",  # (a, mean, scale, weight, bias): (a - mean) * scale * weight + bias
}


def dtypes_of(op: str, kinds: Sequence[DType | type]) -> tuple[DType, DType]:
    """The dtype in which a row computes and the dtype of its answer.

    Not for ``cast``, whose dtype the caller gives. Rows of kind ``logical`` and the condition of
    ``where`` take any dtype and are not converted.

    Args:
        op: A name of :data:`KINDS`.
        kinds: As in :func:`common_dtype`.
    """
    return _dtypes_of(op, tuple(kinds))


@cache
def _dtypes_of(op: str, kinds: tuple[DType | type, ...]) -> tuple[DType, DType]:
    if op not in KINDS:
        from difflib import get_close_matches  # not needed but here, and slow to import

        alike = ", ".join(get_close_matches(op, KINDS)) or "none"
        raise ArgumentError(
            f"the elementwise table has no row {op!r}; rows with such a name: {alike} "
            "(rumus._backends.table lists them all)"
        )
    kind = KINDS[op]
    common = common_dtype(kinds[1:] if kind == "where" else kinds)
    if kind in ("number", "bits") and common == bool_:
        common = int32
    elif kind == "float" and not is_float(common):
        common = float32
    return common, (bool_ if kind in ("compare", "test", "logical") else common)


def comparison(op: str, dtype: DType, number: float) -> tuple[str, float]:
    """The comparison of a tensor with a number as one with a number that its dtype can hold.

    Args:
        op: A row of kind ``compare``.
        dtype: Of the tensor, on the left.
        number: On the right, of any size, infinite or NaN.

    Returns:
        A comparison with the same answers for every value of an integer dtype. For floats, an
        integer beyond their range becomes infinite.
    """
    if is_float(dtype):
        if isinstance(number, int) and abs(number) >= NO_DOUBLE:
            number = math.inf if number > 0 else -math.inf
        return op, number
    lowest, highest = extremes(int32 if dtype == bool_ else dtype)
    never, always = ("lt", lowest), ("ge", lowest)
    if number != number or (op in ("eq", "ne") and not lowest <= number <= highest):
        return always if op == "ne" else never
    if number > highest:
        return always if op in ("lt", "le") else never
    if number < lowest:
        return always if op in ("gt", "ge") else never
    if op in ("eq", "ne") and number != int(number):
        return always if op == "ne" else never
    return op, math.ceil(number) if op in ("lt", "ge") else math.floor(number)


def negative_exponent(at: int | str, exponent: int | str) -> str:
    """What is said of a negative power of an integer."""
    return (
        f"pow: element {at} of the exponent is {exponent}, and integers have no negative powers; "
        "turn the base or the exponent into a float, as in a.to(float32) ** b"
    )
