"""The WGSL around the kernels of the scan family."""

from __future__ import annotations

from functools import cache

from rumus.gpu import Pipeline

from .kernels import kernel
from .wgsl import REGISTER, declare_loads, math_source

_COMBINE = {
    "sum": "a + b",
    "prod": "a * b",
    "max": "maximum_{0}(a, b)",
    "min": "minimum_{0}(a, b)",
    "logaddexp": "log_add_exp(a, b)",
}
_LOG_ADD_EXP = """
fn log_add_exp(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
  let larger = maximum_f32(a, b);
  return select(larger, larger + log_1p(decay(-abs(a - b))), is_finite_f32(larger));
}
"""


@cache
def rows_pipeline(
    op: str,
    dtype: str,
    lanes: int,
    vectors: bool,
    reverse: bool,
    totals: bool = False,
    carried: bool = False,
) -> Pipeline:
    """A variant of ``scan_rows.wgsl``: of the totals of parts, or with what is before them."""
    kind = REGISTER[dtype]
    whole = vectors and not totals
    before = "if (line % params.parts > 0u) { return carries[line - 1u]; } " if carried else ""
    prelude = (
        _combine(op, kind)
        + declare_loads(0, "input", dtype, vectors)
        + _bindings("output", f"vec4<{kind}>" if whole else kind, kind, carried)
        + f"fn carry(line: u32) -> T {{ {before}return params.identity; }}\n"
        + f"fn store_total(line: u32, v: T) {{ {'' if whole else 'output[line] = v;'} }}\n"
        + f"fn store_vector(i: u32, v: vec4<T>) {{ {'output[i] = v;' if whole else ''} }}\n"
        + f"fn store_element(e: u32, v: T) {{ {'' if whole else 'output[e] = v;'} }}\n"
    )
    return kernel("scan_rows").variant(
        prelude=prelude, T=kind, LANES=lanes, VECTORS=vectors, REVERSE=reverse, TOTALS=totals
    )


@cache
def columns_pipeline(
    op: str,
    dtype: str,
    vectors: bool,
    reverse: bool,
    totals: bool = False,
    carried: bool = False,
) -> Pipeline:
    """A variant of ``scan_columns.wgsl``, as :func:`rows_pipeline`."""
    kind = REGISTER[dtype]
    words = f"vec4<{kind}>" if vectors else kind
    merged = "combine(a, b)" if vectors else f"combine(vec4<{kind}>(a), vec4<{kind}>(b)).x"
    before = "carries[i]" if carried else "V(params.identity)"
    prelude = (
        f"alias V = {words};\n"
        + _combine(op, kind)
        + declare_loads(0, "input", dtype, vectors)
        + _bindings("output", words, words, carried)
        + f"fn merge(a: V, b: V) -> V {{ return {merged}; }}\n"
        + f"fn load(i: u32) -> V {{ return load_input_{'vector' if vectors else 'element'}(i); }}\n"
        + "fn store(i: u32, v: V) { output[i] = v; }\n"
        + f"fn carry(i: u32) -> V {{ return {before}; }}\n"
    )
    return kernel("scan_columns").variant(prelude=prelude, T=kind, REVERSE=reverse, TOTALS=totals)


def _combine(op: str, kind: str) -> str:
    source = math_source("math")
    if op == "logaddexp":
        source += math_source("exponential") + _LOG_ADD_EXP
    combined = _COMBINE[op].format(kind)
    return (
        f"{source}fn combine(a: vec4<{kind}>, b: vec4<{kind}>) -> vec4<{kind}> "
        f"{{ return {combined}; }}\n"
    )


def _bindings(output: str, words: str, carry_words: str, carried: bool) -> str:
    carries = (
        f"@group(0) @binding(1) var<storage, read> carries: array<{carry_words}>;\n"
        if carried
        else ""
    )
    return (
        f"{carries}@group(0) @binding({1 + carried}) "
        f"var<storage, read_write> {output}: array<{words}>;\n"
        f"@group(0) @binding({2 + carried}) var<uniform> params: Params;\n"
    )
