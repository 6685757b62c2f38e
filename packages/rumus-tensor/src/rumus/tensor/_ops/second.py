"""The derivatives of the backward rows: second derivatives, and by their parts all further ones.

A backward row takes the gradient of its result as ``"a"``, so ``"b"`` to ``"d"`` are what comes
after it: the result or the arguments of the row whose gradient it is. Each is linear in ``"a"``.
"""

from __future__ import annotations

import math

from .rule import NOTHING, Rule, product

_GA = Rule("mul", "g", "a")
_SIGMOID, _OTHER = Rule("sigmoid", "b"), Rule("sigmoid", Rule("neg", "b"))

# Beyond 20 the slopes of the normal distribution are 0; their factors alone would be infinite.
_NEAR = Rule("clamp", "b", -20.0, 20.0)
_NEAR_SQUARE = Rule("square", _NEAR)

# pdf(a) * (2 - a**2)
_GELU = product(
    Rule("exp", Rule("mul", _NEAR_SQUARE, -0.5)),
    Rule("mul", Rule("sub", 2.0, _NEAR_SQUARE), 1.0 / math.sqrt(2.0 * math.pi)),
)

# With s = sigmoid(u), u = 2 k (a + c a**3): s' (2 u' + a (u'**2 (1 - 2 s) + u''))
_K, _C = math.sqrt(2.0 / math.pi), 0.044715
_U = product(_NEAR, Rule("add", Rule("mul", _NEAR_SQUARE, 2.0 * _K * _C), 2.0 * _K))
_U1 = Rule("add", Rule("mul", _NEAR_SQUARE, 6.0 * _K * _C), 2.0 * _K)
_U2 = Rule("mul", _NEAR, 12.0 * _K * _C)
_BEND = Rule("sub", _U2, Rule("mul", Rule("square", _U1), Rule("tanh", Rule("mul", _U, 0.5))))
_GELU_TANH = product(
    Rule("sigmoid", _U),
    Rule("sigmoid", Rule("neg", _U)),
    Rule("add", Rule("mul", _U1, 2.0), Rule("mul", _NEAR, _BEND)),
)

# s' (2 + a (1 - 2 s)), with s = sigmoid(a)
_SILU = product(
    _SIGMOID,
    _OTHER,
    Rule("sub", 2.0, Rule("mul", "b", Rule("tanh", Rule("mul", "b", 0.5)))),
)

# d/db b * a**(b - 1) and d/da a**b * log(a), both a**(b - 1) * (1 + b * log(a))
_POWERS = Rule(
    "add",
    product(_GA, Rule("pow", "b", Rule("sub", "c", 1.0))),
    Rule("pow_exponent_backward", Rule("mul", _GA, "c"), "b", Rule("sub", "c", 1.0)),
)

# With t = tanh(softplus(a)) and s = sigmoid(a): (1 - t**2) s (2 + a ((1 - s) - 2 t s))
_T = Rule("tanh", Rule("softplus", _NEAR))
_NEAR_SIGMOID = Rule("sigmoid", _NEAR)
_MISH = product(
    Rule("sub", 1.0, Rule("square", _T)),
    _NEAR_SIGMOID,
    Rule(
        "add",
        Rule(
            "mul",
            _NEAR,
            Rule(
                "sub",
                Rule("sigmoid", Rule("neg", _NEAR)),
                Rule("mul", Rule("mul", _T, _NEAR_SIGMOID), 2.0),
            ),
        ),
        2.0,
    ),
)

# The gradient where b is not positive
_BELOW = Rule("sub", _GA, Rule("leaky_relu_backward", _GA, "b", 0.0))

SECOND: dict[str, tuple[Rule, ...]] = {
    "div_backward": (
        Rule("div_backward", "g", "b", "c"),
        Rule("div_backward", "g", "a", "c"),
        Rule("div", Rule("mul", Rule("div_backward", _GA, "b", "c"), -2.0), "c"),
    ),
    "pow_backward": (
        Rule("pow_backward", "g", "b", "c"),
        # c * (c - 1) * b**(c - 2); of exponent 0 it is 0 where b is 0 too, as of exponent 1
        Rule(
            "pow_backward",
            Rule("mul", _GA, "c"),
            "b",
            Rule("mul", Rule("sub", "c", 1.0), Rule("ne", "c", 0.0)),
        ),
        _POWERS,
    ),
    "pow_exponent_backward": (
        Rule("pow_exponent_backward", "g", "b", "c"),
        _POWERS,
        # log(b) twice
        Rule("pow_exponent_backward", Rule("pow_exponent_backward", _GA, "b", 0.0), "b", "c"),
    ),
    "abs_backward": (Rule("abs_backward", "g", "b"), NOTHING),
    "square_backward": (Rule("square_backward", "g", "b"), Rule("square_backward", "g", "a")),
    "sqrt_backward": (
        Rule("sqrt_backward", "g", "b"),
        Rule("div_backward", "g", Rule("mul", "a", 0.5), "b"),
    ),
    "rsqrt_backward": (
        Rule("rsqrt_backward", "g", "b"),
        product(_GA, Rule("square", "b"), -1.5),
    ),
    "reciprocal_backward": (
        Rule("reciprocal_backward", "g", "b"),
        product(_GA, "b", -2.0),
    ),
    "sin_backward": (Rule("sin_backward", "g", "b"), Rule("cos_backward", _GA, "b")),
    "cos_backward": (
        Rule("cos_backward", "g", "b"),
        Rule("sin_backward", Rule("neg", _GA), "b"),
    ),
    "tanh_backward": (Rule("tanh_backward", "g", "b"), product(_GA, "b", -2.0)),
    "sigmoid_backward": (
        Rule("sigmoid_backward", "g", "b"),
        Rule("mul", _GA, Rule("sub", 1.0, Rule("mul", "b", 2.0))),
    ),
    "relu_backward": (Rule("relu_backward", "g", "b"), NOTHING),
    "leaky_relu_backward": (Rule("leaky_relu_backward", "g", "b", "c"), NOTHING, _BELOW),
    "prelu_backward": (Rule("prelu_backward", "g", "b"), _BELOW),
    "gelu_backward": (Rule("gelu_backward", "g", "b"), Rule("mul", _GA, _GELU)),
    "gelu_tanh_backward": (Rule("gelu_tanh_backward", "g", "b"), Rule("mul", _GA, _GELU_TANH)),
    "silu_backward": (Rule("silu_backward", "g", "b"), Rule("mul", _GA, _SILU)),
    "softplus_backward": (
        Rule("softplus_backward", "g", "b"),
        Rule("sigmoid_backward", _GA, _SIGMOID),
    ),
    "maximum_backward": (Rule("maximum_backward", "g", "b", "c"), NOTHING, NOTHING),
    "minimum_backward": (Rule("minimum_backward", "g", "b", "c"), NOTHING, NOTHING),
    "clamp_backward": (Rule("clamp_backward", "g", "b", "c", "d"), NOTHING, NOTHING, NOTHING),
    "squared_difference_backward": (
        Rule("squared_difference_backward", "g", "b", "c"),
        product(_GA, 2.0),
        product(_GA, -2.0),
    ),
    "binary_cross_entropy_backward": (
        Rule("binary_cross_entropy_backward", "g", "b", "c"),
        Rule("sigmoid_backward", _GA, _SIGMOID),
        Rule("neg", _GA),
    ),
    "elu_backward": (
        Rule("elu_backward", "g", "b", "c", "d", "e"),
        Rule("elu_backward", _GA, "b", Rule("mul", "c", "e"), 0.0, "e"),
    ),
    "mish_backward": (Rule("mish_backward", "g", "b"), Rule("mul", _GA, _MISH)),
    "hardswish_backward": (
        Rule("hardswish_backward", "g", "b"),
        Rule("hardtanh_backward", Rule("mul", _GA, 1.0 / 3.0), "b", -3.0, 3.0),
    ),
    "hardsigmoid_backward": (Rule("hardsigmoid_backward", "g", "b"), NOTHING),
    "hardtanh_backward": (Rule("hardtanh_backward", "g", "b", "c", "d"), NOTHING, NOTHING, NOTHING),
    "glu_backward": (
        Rule("glu_backward", "g", "b", "c"),
        Rule("glu_backward", "g", "a", "c"),
        # sigmoid'' = -sigmoid' * tanh(c / 2)
        Rule(
            "glu_backward",
            _GA,
            Rule("neg", Rule("mul", "b", Rule("tanh", Rule("mul", "c", 0.5)))),
            "c",
        ),
    ),
    "swiglu_backward": (
        Rule("swiglu_backward", "g", "b", "c"),
        product(_GA, "c", _SILU),
        Rule("swiglu_backward", "g", "b", "a"),
    ),
    "logsigmoid_backward": (
        Rule("logsigmoid_backward", "g", "b"),
        Rule("neg", Rule("sigmoid_backward", _GA, _SIGMOID)),
    ),
    "softsign_backward": (
        Rule("softsign_backward", "g", "b"),
        Rule(
            "mul",
            Rule("softsign_backward", _GA, "b"),
            Rule("mul", Rule("div", Rule("sign", "b"), Rule("add", Rule("abs", "b"), 1.0)), -2.0),
        ),
    ),
    "binary_cross_entropy_target_backward": (
        Rule("binary_cross_entropy_target_backward", "g", "b"),
        Rule("binary_cross_entropy_target_backward", "g", "a"),
    ),
}
