"""The variants of the WGSL of matrix products."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from rumus.gpu import Kernel, Pipeline

from .elementwise_source import FRESH, Input, Step, compute_source, declare_params, param_fields
from .kernels import kernel
from .tiles import Tile
from .unroll import unroll
from .wgsl import REGISTER, declare_elements, declare_loads, declare_output, read_shader

_NAMES = (
    "m n k share tiles_m tiles_n batches splits a_offset a_batch a_step b_offset b_batch b_step "
    "c_offset bias_offset"
).split()
FIELDS = [f"{name}: u32" for name in _NAMES]
PARAMS = struct.Struct(f"<{len(_NAMES)}I")
"""The uniform block of ``matmul.wgsl``."""
SUMMING_PARAMS = struct.Struct(f"<{len(_NAMES) + 1}I")
"""The same with row sums, whose place comes last."""
N, SPLITS = _NAMES.index("n"), _NAMES.index("splits")
A_OFFSET, B_OFFSET = _NAMES.index("a_offset"), _NAMES.index("b_offset")
C_OFFSET, BIAS_OFFSET = _NAMES.index("c_offset"), _NAMES.index("bias_offset")


class Operand(NamedTuple):
    """How one operand lies: ``batch * batches + step * (its other axis) + (its unit axis)``."""

    along_k: bool
    batch: int
    step: int
    vectors: bool = False
    """Whether it is read by vectors: never along k."""


class Variant(NamedTuple):
    """A tile, dtypes, and ways to load and store."""

    tile: Tile
    dtypes: tuple[str, str]
    bias: str | None
    first: Operand
    second: Operand
    c_vectors: bool
    edges: tuple[bool, bool]
    """Whether tiles may reach past the end of an operand that lies along k."""
    row_sums: bool = False
    """Whether the sums of the rows of ``a`` go into the storage of ``c`` as well. Their number and
    place must be multiples of 4 if ``c_vectors`` is set."""


class Tail(NamedTuple):
    """A chain of elementwise operations on the product, which is among its inputs as ``GIVEN``."""

    inputs: tuple[Input, ...]
    steps: tuple[Step, ...]
    rank: int


@cache
def product_pipeline(variant: Variant, tail: Tail | None = None) -> Pipeline:
    """The variant of ``matmul.wgsl``, which may go on with elementwise operations."""
    tile, first, second = variant.tile, variant.first, variant.second
    return tiled_kernel(tile, "matmul", "matmul").variant(
        prelude=_product_prelude(variant, tail),
        T=REGISTER[variant.dtypes[0]],
        **tile_constants(tile),
        A_ALONG_K=first.along_k,
        B_ALONG_K=second.along_k,
        A_VECTORS=first.vectors,
        B_VECTORS=second.vectors,
        A_EDGE=variant.edges[0],
        B_EDGE=variant.edges[1],
        ROW_SUMS=variant.row_sums,
    )


@cache
def tiled_kernel(tile: Tile, first: str, second: str, points: str = "") -> Kernel:
    """The text of ``matmul.wgsl`` for a tile.

    Args:
        tile: what a workgroup makes.
        first: the file ``NAME_operand.wgsl`` by which ``a`` is read.
        second: the same of ``b``.
        points: WGSL to go with them.
    """
    sums = 4 * tile.a_chunks * tile.b_chunks
    lent = min(sums, tile.bm * tile.bk // 4 // (tile.tx * tile.ty))
    counts = {
        "K_OF_TEAM": tile.bk // tile.teams,
        "LENT": lent,
        "LENDINGS": sums // lent,
        "A_CHUNKS": tile.a_chunks,
        "B_CHUNKS": tile.b_chunks,
        "A_LOADS": tile.bm * tile.bk // 4 // tile.threads,
        "B_LOADS": tile.bn * tile.bk // 4 // tile.threads,
    }
    operands = _operand_source("a", first) + _operand_source("b", second)
    text = read_shader("matmul.wgsl") + operands + points
    return Kernel(unroll(text, counts), name="convolution" if points else "matmul", trusted=True)


def tile_constants(tile: Tile) -> dict[str, int]:
    """What ``matmul.wgsl`` wants to know of its tile."""
    return {
        "TX": tile.tx,
        "TY": tile.ty,
        "A_CHUNKS": tile.a_chunks,
        "B_CHUNKS": tile.b_chunks,
        "BK": tile.bk,
        "TEAMS": tile.teams,
        "WARP_X": tile.warp_x,
        "BUFFERS": tile.buffers,
    }


def _operand_source(side: str, kind: str) -> str:
    """How ``a`` or ``b`` gets into workgroup memory."""
    text = read_shader("matmul_slice.wgsl") + read_shader(f"{kind}_operand.wgsl")
    text = text.replace("side_", f"{side}_").replace("SIDE_", f"{side.upper()}_")
    return text.replace("Side", side.upper())


def _product_prelude(variant: Variant, tail: Tail | None) -> str:
    first, second = variant.dtypes
    binding = 2 if variant.bias is None else 3
    fields = [*FIELDS, "sums_offset: u32"] if variant.row_sums else FIELDS
    return (
        declare_loads(0, "a", first, variant.first.vectors)
        + declare_loads(1, "b", second, variant.second.vectors)
        + _bias_source(2, variant.bias)
        + result_source(binding, fields, variant.c_vectors, tail)
        + sums_source(variant.row_sums, variant.c_vectors)
        + multiply_source(first)
        + _PLACES
    )


_PLACES = """
fn c_start(split: u32, batch: u32) -> u32 {
  return params.c_offset + (split * params.batches + batch) * params.m * params.n;
}
fn c_place(tile: Tile, m: u32, n: u32) -> u32 { return tile.c_base + m * params.n + n; }
fn bias_of_row(tile: Tile, m: u32) -> T { return T(); }
"""


def multiply_source(dtype: str) -> str:
    """``mad(x, y, z)``, which is x * y + z."""
    multiply_add = "fma(vec4<T>(x), y, z)" if REGISTER[dtype] == "f32" else "x * y + z"
    return f"fn mad(x: T, y: vec4<T>, z: vec4<T>) -> vec4<T> {{ return {multiply_add}; }}\n"


def result_source(binding: int, fields: Sequence[str], vectors: bool, tail: Tail | None) -> str:
    """``c_store(tile, m, n, v)``: four neighbours of a row, where they are inside of it.

    Args:
        binding: of the result; ``params`` comes next.
        fields: of the uniform block.
        vectors: whether four neighbours are a vector of the result.
        tail: what is done with them first.
    """
    if tail is not None:
        return _tail_source(binding, fields, tail)
    if vectors:
        words, store = "vec4<T>", "if (n < params.n) { c[c_place(tile, m, n) / 4u] = v; }"
    else:
        words = "T"
        store = " ".join(
            f"if (n + {j}u < params.n) {{ c[c_place(tile, m, n + {j}u)] = v[{j}]; }}"
            for j in range(4)
        )
    return (
        f"@group(0) @binding({binding}) var<storage, read_write> c: array<{words}>;\n"
        + declare_params(binding + 1, fields)
        + f"fn c_store(tile: Tile, m: u32, n: u32, v: vec4<T>) {{ {store} }}\n"
    )


def sums_source(sums: bool, vectors: bool) -> str:
    """``sums_store(m, v)``: the sums of four neighbouring rows of a, where they are inside."""
    if not sums:
        store = ""
    elif vectors:
        store = "if (m < params.m) { c[(params.sums_offset + m) / 4u] = v; }"
    else:
        store = " ".join(
            f"if (m + {j}u < params.m) {{ c[params.sums_offset + m + {j}u] = v[{j}]; }}"
            for j in range(4)
        )
    return f"fn sums_store(m: u32, v: vec4<T>) {{ {store} }}\n"


def _tail_source(binding: int, fields: Sequence[str], tail: Tail) -> str:
    """The same for what the tail makes of four neighbours; rows are whole vectors."""
    inputs, steps, rank = tail
    answer = Input(steps[-1].dtype, FRESH)
    last = binding + sum(mode.bound for _, mode in inputs)
    return (
        compute_source(inputs, steps, rank, binding)
        + declare_output(last, "output", answer.dtype)
        + declare_params(last + 1, [*fields, *param_fields([*inputs, answer], rank)])
        + "fn c_store(tile: Tile, m: u32, n: u32, v: vec4<T>) {\n"
        "  if (n < params.n) {\n"
        "    let i = c_place(tile, m, n) / 4u;\n    output_store(i, compute(i, v));\n  }\n}\n"
    )


def _bias_source(binding: int, dtype: str | None) -> str:
    if dtype is None:
        return "fn bias_load(n: u32) -> vec4<T> { return vec4<T>(); }\n"
    at = ", ".join(
        f"bias_element(params.bias_offset + min(n + {j}u, params.n - 1u))" for j in range(4)
    )
    return (
        declare_elements(binding, "bias", dtype)
        + f"fn bias_load(n: u32) -> vec4<T> {{ return vec4<T>({at}); }}\n"
    )


@cache
def parts_pipeline(dtype: str, bias: str | None) -> Pipeline:
    """The variant of ``matmul_parts.wgsl`` for an accumulated dtype and a bias's."""
    value = (
        "T()"
        if bias is None
        else "bias_element(params.bias_offset + e / params.bias_step % params.n)"
    )
    binding = 1 if bias is None else 2
    source = (
        "@group(0) @binding(0) var<storage, read> parts: array<T>;\n"
        + ("" if bias is None else declare_elements(1, "bias", bias))
        + f"@group(0) @binding({binding}) var<storage, read_write> c: array<T>;\n"
        + f"@group(0) @binding({binding + 1}) var<uniform> params: Params;\n"
        + f"fn bias_of(e: u32) -> T {{ return {value}; }}\n"
    )
    return kernel("matmul_parts").variant(prelude=source, T=REGISTER[dtype])
