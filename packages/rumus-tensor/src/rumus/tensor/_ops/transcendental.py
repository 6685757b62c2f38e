"""The derivatives of the transcendental rows, and of their backward rows."""

from __future__ import annotations

from .rule import SAME, ZERO, Rule, product

_G_Y = product("g", "y")
_SQUARES = Rule("add", Rule("square", "b"), Rule("square", "c"))
_ATAN2 = Rule("sub", "a", product("y", "c", 2.0))

# Of a backward row "a" is the gradient that it was given, and "b" what it was given beside it.
TRANSCENDENTAL: dict[str, tuple[Rule, ...]] = {
    "exp2": (Rule("exp2_backward", "g", "y"),),
    "expm1": (Rule("expm1_backward", "g", "a"),),
    "log1p": (Rule("log1p_backward", "g", "a"),),
    "log2": (Rule("log2_backward", "g", "a"),),
    "log10": (Rule("log10_backward", "g", "a"),),
    "logaddexp": (
        product("g", Rule("sigmoid", Rule("sub", "a", "b"))),
        product("g", Rule("sigmoid", Rule("sub", "b", "a"))),
    ),
    "erf": (Rule("erf_backward", "g", "a"),),
    "erfc": (Rule("neg", Rule("erf_backward", "g", "a")),),
    "tan": (Rule("tan_backward", "g", "y"),),
    "asin": (Rule("asin_backward", "g", "a"),),
    "acos": (Rule("neg", Rule("asin_backward", "g", "a")),),
    "atan": (Rule("atan_backward", "g", "a"),),
    "atan2": (
        Rule("atan2_backward", "g", "a", "b"),
        Rule("neg", Rule("atan2_backward", "g", "b", "a")),
    ),
    "hypot": (product("g", Rule("div", "a", "y")), product("g", Rule("div", "b", "y"))),
    "sinh": (product("g", Rule("cosh", "a")),),
    "cosh": (product("g", Rule("sinh", "a")),),
    "asinh": (Rule("asinh_backward", "g", "a"),),
    "acosh": (Rule("acosh_backward", "g", "a"),),
    "atanh": (Rule("atanh_backward", "g", "a"),),
    "nextafter": (SAME, ZERO),
    "copysign": (product("g", Rule("sign", "a"), Rule("sign", "y")), ZERO),
    "nan_to_num": (Rule("where", Rule("isfinite", "a"), "g", 0.0),),
    "lerp": (
        product("g", Rule("sub", 1.0, "c")),
        product("g", "c"),
        product("g", Rule("sub", "b", "a")),
    ),
    "remainder": (SAME, Rule("neg", product("g", Rule("floor_divide", "a", "b")))),
    "fmod": (SAME, Rule("neg", product("g", Rule("trunc", Rule("div", "a", "b"))))),
    "exp2_backward": (Rule("exp2_backward", "g", "b"), Rule("exp2_backward", "g", "a")),
    "expm1_backward": (Rule("expm1_backward", "g", "b"), _G_Y),
    "log1p_backward": (
        Rule("log1p_backward", "g", "b"),
        Rule("neg", Rule("log1p_backward", _G_Y, "b")),
    ),
    "log2_backward": (Rule("log2_backward", "g", "b"), Rule("neg", Rule("div", _G_Y, "b"))),
    "log10_backward": (Rule("log10_backward", "g", "b"), Rule("neg", Rule("div", _G_Y, "b"))),
    "erf_backward": (Rule("erf_backward", "g", "b"), product("g", "y", "b", -2.0)),
    "tan_backward": (
        Rule("tan_backward", "g", "b"),
        product("g", "a", "b", 2.0),
    ),
    "asin_backward": (
        Rule("asin_backward", "g", "b"),
        Rule("atanh_backward", product("g", "y", "b"), "b"),
    ),
    "atan_backward": (
        Rule("atan_backward", "g", "b"),
        Rule("atan_backward", product("g", "y", "b", -2.0), "b"),
    ),
    "asinh_backward": (
        Rule("asinh_backward", "g", "b"),
        Rule("neg", Rule("atan_backward", product("g", "y", "b"), "b")),
    ),
    "acosh_backward": (
        Rule("acosh_backward", "g", "b"),
        Rule("atanh_backward", product("g", "y", "b"), "b"),
    ),
    "atanh_backward": (
        Rule("atanh_backward", "g", "b"),
        Rule("atanh_backward", product("g", "y", "b", 2.0), "b"),
    ),
    "atan2_backward": (
        Rule("atan2_backward", "g", "b", "c"),
        Rule("div", product("g", "y", "b", -2.0), _SQUARES),
        Rule("div", Rule("sub", Rule("mul", "g", "a"), product("g", "y", "c", 2.0)), _SQUARES),
    ),
}
