"""The elementwise family: one expression a row, and the WGSL that wraps expressions in a kernel.

A kernel is a list of inputs and a chain of steps in single assignment form: values are numbered,
the inputs first, then one a step. A plain operation is a chain of one step.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rumus._backends.table import KINDS

from .layout import Mode
from .wgsl import (
    MATH,
    REGISTER,
    convert,
    declare_element_output,
    declare_elements,
    declare_output,
    declare_vectors,
    element_load,
    math_source,
    threefry_source,
    vector_load,
)

EXPRESSIONS: dict[str, str] = {
    # The arguments are a, b, c, d, e: vectors of 4. `V` is their type and `_T` its element's type.
    "add": "a + b",
    "sub": "a - b",
    "mul": "a * b",
    "div": "divide(a, b)",
    "pow": "power_T(a, b)",
    "neg": "-a",
    "abs": "abs(a)",
    "sign": "sign_T(a)",
    "square": "a * a",
    "floor": "floor_T(a)",
    "ceil": "ceil_T(a)",
    "trunc": "trunc_T(a)",
    "round": "round_T(a)",
    "floor_divide": "floor_divide_T(a, b)",
    "remainder": "remainder_T(a, b)",
    "fmod": "fmod_T(a, b)",
    "sqrt": "sqrt(a)",
    "rsqrt": "inverseSqrt(a)",
    "reciprocal": "divide(V(1.0), a)",
    "exp": "exponential(a)",
    "log": "logarithm(a)",
    "exp2": "exponential_2(a)",
    "expm1": "exponential_less_1(a)",
    "log1p": "logarithm_1p(a)",
    "log2": "logarithm_2(a)",
    "log10": "logarithm_10(a)",
    "logaddexp": "log_add_exp(a, b)",
    "erf": "error_function(a)",
    "erfc": "complementary_error_function(a)",
    "sin": "sine(a)",
    "cos": "cosine(a)",
    "tan": "tangent(a)",
    "asin": "arc_sine(a)",
    "acos": "arc_cosine(a)",
    "atan": "arc_tangent(a)",
    "atan2": "arc_tangent_2(a, b)",
    "hypot": "hypotenuse(a, b)",
    "sinh": "hyperbolic_sine(a)",
    "cosh": "hyperbolic_cosine(a)",
    "asinh": "inverse_hyperbolic_sine(a)",
    "acosh": "inverse_hyperbolic_cosine(a)",
    "atanh": "inverse_hyperbolic_tangent(a)",
    "nextafter": "next_after(a, b)",
    "copysign": "with_sign_of(a, b)",
    "nan_to_num": (
        "select(select(a, select(c, d, a < V(0.0)), is_infinite_f32(a)), b, is_nan_f32(a))"
    ),
    "lerp": "select(a + c * (b - a), b - (1.0 - c) * (b - a), abs(c) >= V(0.5))",
    "bitwise_and": "a & b",
    "bitwise_or": "a | b",
    "bitwise_xor": "a ^ b",
    "bitwise_not": "~a",
    "left_shift": "select(a << bitcast<vec4<u32>>(b & V(31)), V(0), b > V(31))",
    "right_shift": "a >> bitcast<vec4<u32>>(min(b, V(31)))",
    "tanh": "tanh_safe(a)",
    "sigmoid": "sigmoid(a)",
    "relu": "relu_T(a)",
    "leaky_relu": "select(b * a, a, less_f32(V(0.0), a))",
    "gelu": "gelu(a)",
    "gelu_tanh": "a * sigmoid(gelu_inner(a))",
    "silu": "a * sigmoid(a)",
    "softplus": "softplus(a)",
    "maximum": "maximum_T(a, b)",
    "minimum": "minimum_T(a, b)",
    "clamp": "minimum_T(maximum_T(a, b), c)",
    "where": "select(c, b, a)",
    "eq": "equal_T(a, b)",
    "ne": "!equal_T(a, b)",
    "lt": "less_T(a, b)",
    "le": "at_most_T(a, b)",
    "gt": "less_T(b, a)",
    "ge": "at_most_T(b, a)",
    "matches": "equal_T(a, b) | (is_nan_T(a) & is_nan_T(b))",
    "isclose": (
        "equal_T(a, b) | (is_finite_T(a) & is_finite_T(b) & (abs(a - b) <= d + c * abs(b)))"
    ),
    "isnan": "is_nan_T(a)",
    "isinf": "is_infinite_T(a)",
    "signbit": "sign_bit_T(a)",
    "isfinite": "is_finite_T(a)",
    "logical_not": "!a",
    "logical_and": "a & b",
    "logical_or": "a | b",
    "logical_xor": "a != b",
    "cast": "a",
    "squared_difference": "(a - b) * (a - b)",
    "dropout": "dropped(a, b, c, d)",
    "binary_cross_entropy": "binary_cross_entropy(a, b)",
    "div_backward": "-divide(a, c) * divide(b, c)",
    "pow_backward": "select(V(0.0), a * c * power_f32(b, c - 1.0), truth_f32(c))",
    "pow_exponent_backward": (
        "select(a * power_f32(b, c) * logarithm(b), V(0.0), !truth_f32(b) & at_most_f32(V(0.0), c))"
    ),
    "abs_backward": "a * sign_T(b)",
    "square_backward": "2.0 * a * b",
    "sqrt_backward": "a / (2.0 * b)",
    "rsqrt_backward": "-0.5 * a * b * b * b",
    "reciprocal_backward": "-a * b * b",
    "exp2_backward": "0.69314718055994531 * a * b",
    "expm1_backward": "a * exponential(b)",
    "log1p_backward": "divide(a, 1.0 + b)",
    "log2_backward": "divide(1.4426950408889634 * a, b)",
    "log10_backward": "divide(0.43429448190325183 * a, b)",
    "erf_backward": "a * error_function_slope(b)",
    "tan_backward": "a * (1.0 + b * b)",
    "asin_backward": "a / sqrt((1.0 - b) * (1.0 + b))",
    "atan_backward": "divide(a, 1.0 + b * b)",
    "atan2_backward": "divide(a * divide(c, hypotenuse(b, c)), hypotenuse(b, c))",
    "asinh_backward": "divide(a, hypotenuse(b, V(1.0)))",
    "acosh_backward": "divide(a, sqrt(b - 1.0) * sqrt(b + 1.0))",
    "atanh_backward": "divide(a, (1.0 - b) * (1.0 + b))",
    "sin_backward": "a * cosine(b)",
    "cos_backward": "-a * sine(b)",
    "tanh_backward": "a * (1.0 - b * b)",
    "sigmoid_backward": "a * b * (1.0 - b)",
    "relu_backward": "select(a, V(0.0), at_most_f32(b, V(0.0)))",
    "leaky_relu_backward": "select(c * a, a, less_f32(V(0.0), b))",
    "gelu_backward": "a * gelu_slope(b)",
    "gelu_tanh_backward": "a * gelu_tanh_slope(b)",
    "silu_backward": "a * sigmoid(b) * (1.0 + b * (1.0 - sigmoid(b)))",
    "softplus_backward": "a * sigmoid(b)",
    "maximum_backward": "select(select(a, 0.5 * a, equal_f32(b, c)), V(0.0), less_f32(b, c))",
    "minimum_backward": "select(select(a, 0.5 * a, equal_f32(b, c)), V(0.0), less_f32(c, b))",
    "clamp_backward": "select(a, V(0.0), less_f32(b, c) | less_f32(d, b))",
    "squared_difference_backward": "2.0 * a * (b - c)",
    "binary_cross_entropy_backward": "a * binary_cross_entropy_slope(b, c)",
    "binary_cross_entropy_target_backward": "-a * b",
    # Layers and their backward rows
    "elu": "elu(a, b, c, d)",
    "elu_backward": "a * elu_slope(b, c, d, e)",
    "mish": "mish(a)",
    "mish_backward": "a * mish_slope(b)",
    "hardswish": "a * (minimum_f32(maximum_f32(a + 3.0, V(0.0)), V(6.0)) * 0.16666667)",
    "hardswish_backward": (
        "select(select(a * (b * 0.33333334 + 0.5), a, b >= V(3.0)), V(0.0), b <= V(-3.0))"
    ),
    "hardsigmoid": "minimum_f32(maximum_f32(a + 3.0, V(0.0)), V(6.0)) * 0.16666667",
    "hardsigmoid_backward": "select(a * 0.16666667, V(0.0), at_most_f32(V(3.0), abs(b)))",
    "hardtanh": "minimum_T(maximum_T(a, b), c)",
    "hardtanh_backward": "select(a, V(0.0), at_most_f32(b, c) | at_most_f32(d, b))",
    "glu": "a * sigmoid(b)",
    "glu_backward": "a * b * (sigmoid(c) * sigmoid(-c))",
    "swiglu": "a * sigmoid(a) * b",
    "swiglu_backward": "a * c * sigmoid(b) * (1.0 + b * sigmoid(-b))",
    "logsigmoid": "-softplus(-a)",
    "logsigmoid_backward": "a * sigmoid(-b)",
    "softsign": "divide(a, 1.0 + abs(a))",
    "softsign_backward": "a * softsign_slope(b)",
    "prelu_backward": "select(a * b, V(0.0), less_f32(V(0.0), b))",
    "normalize": "(a - b) * c * d + e",
}


EXACT = frozenset(
    "abs bitwise_and bitwise_not bitwise_or bitwise_xor cast ceil clamp clamp_backward copysign eq "
    "floor ge gt hardtanh hardtanh_backward isfinite isinf isnan le logical_and logical_not "
    "logical_or logical_xor lt matches maximum minimum nan_to_num ne neg relu relu_backward round "
    "sign signbit trunc where".split()
)
"""Operations that only choose among values, or round them as a store does."""

SEALED = frozenset({"dropout"})
"""Operations of which compilers cannot join a part with what stands before or behind them."""


_FILES: dict[str, str] = {
    "logarithm": "exp2 expm1 log1p log2 log10 logaddexp",
    "hyperbolic": "sinh cosh asinh acosh atanh",
    "arcs": "tan asin acos atan atan2 hypot atan2_backward asinh_backward",
    "error_function": "erf erfc erf_backward",
    "remainder": "floor_divide remainder fmod",
    "neighbour": "nextafter",
    "activation": "elu elu_backward mish mish_backward softsign_backward",
    "dropout": "dropout",
}
"""Files of functions that few operations need, and these: others compile without them."""


class Input(NamedTuple):
    """An array or a number that a kernel reads."""

    dtype: str
    """Its name; of a number, ``"float32"`` or ``"int32"``."""
    mode: Mode


FRESH = Mode.VECTOR
"""How a new output is written."""


class Step(NamedTuple):
    """One operation on values of the chain."""

    op: str
    operands: tuple[int, ...]
    compute: str
    """The dtype that its arguments are taken to, where the row's kind does so."""
    dtype: str
    """The dtype of its result."""


def build_source(
    inputs: Sequence[Input], steps: Sequence[Step], rank: int, target: Mode = FRESH
) -> str:
    """The prelude of ``elementwise.wgsl`` for a chain over inputs of given dtypes and modes.

    Declares the bindings (arrays in order, the output, the params), a load function an input, a
    function a step, ``compute(i)``, ``store(i, v)`` and ``run(i)``, where ``i`` counts vectors of 4
    elements.

    Args:
        inputs: values 0 to len(inputs) - 1. One that is ``GIVEN`` is what the output held before.
        steps: the values after them; the last one is stored.
        rank: the number of axes that strided inputs and outputs walk.
        target: how the output is written; ``STEP`` and ``STRIDED`` take 4-byte dtypes only.
    """
    output, answer = len(inputs), steps[-1].dtype
    binding = sum(mode.bound for _, mode in inputs)
    declare = declare_output if target.vectors else declare_element_output
    parts = [
        compute_source(inputs, steps, rank, 0),
        declare(binding, "output", answer),
        declare_params(binding + 1, param_fields([*inputs, Input(answer, target)], rank)),
        _index(output, rank) if target.walks else "",
        _store(output, answer, target, rank),
    ]
    given = ""
    if any(mode is Mode.GIVEN for _, mode in inputs):
        load = vector_load if target.vectors else element_load
        parts += [load("output", answer), _load(output, "output", answer, target, rank)]
        given = f", load{output}(i)"
    parts.append(f"fn run(i: u32) {{ store(i, compute(i{given})); }}\n")
    return "\n".join(parts)


def compute_source(inputs: Sequence[Input], steps: Sequence[Step], rank: int, binding: int) -> str:
    """The bindings of the inputs from ``binding`` on, and ``compute(i)`` of a chain.

    An input of the mode ``GIVEN``, of which there is one at most, is a second argument.
    """
    parts = [math_source(*_files(step.op for step in steps))]
    if any(mode is Mode.DRAWN for _, mode in inputs):
        parts.append(threefry_source())
    for k, (dtype, mode) in enumerate(inputs):
        if mode.bound:
            parts.append(_binding(k, binding, dtype, mode))
            binding += 1
        if mode.walks:
            parts.append(_index(k, rank))
        if mode is not Mode.GIVEN:
            parts.append(_load(k, f"input{k}", dtype, mode, rank))
    parts.append(_compute(inputs, steps))
    return "\n".join(parts)


def _binding(k: int, binding: int, dtype: str, mode: Mode) -> str:
    if mode is Mode.DRAWN:  # a state: key, key, position
        return f"@group(0) @binding({binding}) var<storage, read> input{k}: array<u32>;\n"
    declare = declare_vectors if mode.vectors else declare_elements
    return declare(binding, f"input{k}", dtype)


def _files(ops: Iterable[str]) -> list[str]:
    needed = set(ops)
    found = [name for name, users in _FILES.items() if needed.intersection(users.split())]
    if "hyperbolic" in found and "logarithm" not in found:
        found.insert(0, "logarithm")
    return [*MATH, *found]


def param_fields(values: Sequence[Input], rank: int) -> list[str]:
    """The uniform block of a chain: its values are the inputs, and the output last."""
    fields = ["size: u32"]
    if any(mode.walks for _, mode in values):
        fields += [f"d{axis}: u32" for axis in range(rank)]
    for k, (dtype, mode) in enumerate(values):
        if mode is Mode.PARAM:
            fields.append(f"value{k}: {REGISTER[dtype]}")
        elif mode is not Mode.GIVEN:
            fields.append(f"offset{k}: u32")
        if mode.walks:
            fields += [f"s{k}_{axis}: u32" for axis in range(rank)]
    return fields


def declare_params(binding: int, fields: Sequence[str]) -> str:
    """The uniform block ``params``."""
    return (
        "struct Params { " + ", ".join(fields) + " }\n"
        f"@group(0) @binding({binding}) var<uniform> params: Params;\n"
    )


def _load(k: int, name: str, dtype: str, mode: Mode, rank: int) -> str:
    """``load{k}(i)``: the elements of value k, bound by a name, for outputs 4*i to 4*i + 3."""
    vector = f"vec4<{REGISTER[dtype]}>"
    if mode is Mode.PARAM:
        body = f"return {vector}(params.value{k});"
    elif mode is Mode.VECTOR:
        body = f"return {name}_vector(i + params.offset{k} / 4u);"
    elif mode is Mode.DRAWN:
        key, position = (f"{name}[params.offset{k} + {n}u]" for n in (0, 2))
        second = f"{name}[params.offset{k} + 1u]"
        body = f"return unit(random_words(i, {position}, vec2<u32>({key}, {second})));"
    elif mode is Mode.SCALAR:
        body = f"return {vector}({name}_element(params.offset{k}));"
    elif mode is Mode.ROW:
        body = f"return {name}_vector(index{k}(4u * i) / 4u);"
    elif mode is Mode.SPLAT:
        body = f"return {vector}({name}_element(index{k}(4u * i)));"
    elif mode is Mode.STEP:
        at = ", ".join(f"{name}_element(e + {j}u * params.s{k}_{rank - 1})" for j in range(4))
        body = f"let e = index{k}(4u * i); return {vector}({at});"
    else:
        at = ", ".join(
            f"{name}_element(index{k}(min(4u * i + {j}u, params.size - 1u)))" for j in range(4)
        )
        body = f"return {vector}({at});"
    return f"fn load{k}(i: u32) -> {vector} {{ {body} }}\n"


def _index(k: int, rank: int) -> str:
    """``index{k}(e)``: where output element ``e`` finds its element of input k."""
    lines = [f"fn index{k}(e: u32) -> u32 {{", f"  var at = params.offset{k};"]
    rest = "e"
    for axis in range(rank - 1, 0, -1):
        following = f"r{axis}"
        lines.append(f"  at += ({rest} % params.d{axis}) * params.s{k}_{axis};")
        lines.append(f"  let {following} = {rest} / params.d{axis};")
        rest = following
    lines += [f"  return at + {rest} * params.s{k}_0;", "}\n"]
    return "\n".join(lines)


def _compute(inputs: Sequence[Input], steps: Sequence[Step]) -> str:
    """The steps' functions, and ``compute(i)`` that runs them all."""
    functions: list[str] = []
    given = [k for k, (_, mode) in enumerate(inputs) if mode is Mode.GIVEN]
    taken = "".join(f", v{k}: vec4<{REGISTER[inputs[k].dtype]}>" for k in given)
    body = [f"  let v{k} = load{k}(i);" for k in range(len(inputs)) if k not in given]
    registers = [REGISTER[dtype] for dtype, _ in inputs]
    for number, step in enumerate(steps):
        wanted = _operand_registers(step)
        result = _result_register(step)
        arguments = ", ".join(
            _taken(step, f"v{operand}", registers[operand], register)
            for operand, register in zip(step.operands, wanted, strict=True)
        )
        parameters = ", ".join(
            f"{letter}: vec4<{register}>" for letter, register in zip("abcde", wanted, strict=False)
        )
        expression = EXPRESSIONS[step.op].replace("V(", f"vec4<{wanted[-1]}>(")
        expression = expression.replace("_T(", f"_{wanted[-1]}(")
        if step.dtype == "uint8":
            expression = f"({expression}) & vec4<i32>(255)"
        functions.append(
            f"fn step{number}({parameters}) -> vec4<{result}> {{ return {expression}; }}\n"
        )
        result_value = f"step{number}({arguments})"
        if step.dtype == "float16" and step is not steps[-1]:
            result_value = f"rounded_to_half({result_value})"
        body.append(f"  let v{len(registers)} = {result_value};")
        registers.append(result)
    stored = REGISTER[steps[-1].dtype]
    value = convert(f"v{len(registers) - 1}", registers[-1], stored)
    functions.append(f"fn compute(i: u32{taken}) -> vec4<{stored}> {{\n" + "\n".join(body))
    functions.append(f"  return {value};\n}}\n")
    return "\n".join(functions)


def _taken(step: Step, value: str, source: str, target: str) -> str:
    """An operand in the register that a step takes."""
    if step.op == "cast" and (source, target) == ("f32", "i32"):
        return f"to_{'uint8' if step.dtype == 'uint8' else 'int32'}({value})"
    return convert(value, source, target)


def _store(k: int, dtype: str, mode: Mode, rank: int) -> str:
    """``store(i, v)``: the results for elements 4*i to 4*i + 3, into value k."""
    if mode is Mode.VECTOR:
        body = f"  output_store(i + params.offset{k} / 4u, v);\n"
    elif mode is Mode.ROW:
        body = f"  output_store(index{k}(4u * i) / 4u, v);\n"
    elif mode is Mode.STEP:
        body = f"  let e = index{k}(4u * i);\n" + "".join(
            f"  output_store(e + {j}u * params.s{k}_{rank - 1}, v[{j}]);\n" for j in range(4)
        )
    else:
        body = "".join(
            f"  if (4u * i + {j}u < params.size) "
            f"{{ output_store(index{k}(4u * i + {j}u), v[{j}]); }}\n"
            for j in range(4)
        )
    return f"fn store(i: u32, v: vec4<{REGISTER[dtype]}>) {{\n{body}}}\n"


def _operand_registers(step: Step) -> tuple[str, ...]:
    kind, count = KINDS[step.op], len(step.operands)
    if kind == "logical":
        return ("bool",) * count
    if kind == "cast":
        return (_result_register(step),)
    compute = REGISTER[step.compute]
    return ("bool", *[compute] * (count - 1)) if kind == "where" else (compute,) * count


def _result_register(step: Step) -> str:
    if KINDS[step.op] in ("compare", "test", "logical") or (
        step.op == "cast" and step.dtype == "bool"
    ):
        return "bool"
    return REGISTER[step.dtype]
