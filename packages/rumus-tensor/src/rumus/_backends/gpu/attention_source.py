"""The variants of the WGSL of attention."""

from __future__ import annotations

import itertools
from functools import cache
from typing import NamedTuple

from rumus.gpu import Kernel, Pipeline

from .attention_tiles import TX, Tile
from .unroll import unroll
from .wgsl import declare_elements, declare_loads, math_source, read_shader, threefry_source

READS = {
    "forward": ("query", "key", "value"),
    "weights": ("query", "key"),
    "outputs": ("value",),
    "slopes": ("query", "key", "value", "grad"),
    "products": ("query", "key", "grad"),
    "delta": ("grad", "output"),
    "mask": (),
}
"""The arrays that a kernel reads by ``attention_operand.wgsl``, in the order of its bindings."""
KERNELS = "forward", "weights", "outputs", "slopes", "products"
SCORES = ("forward", "weights", "slopes")
"""The kernels that make scores."""
_PARTS = {
    "forward": ("attention_weight", "attention_scores"),
    "weights": ("attention_weight", "attention_scores", "attention_blocks", "attention_place"),
    "outputs": ("attention_weight", "attention_blocks", "attention_lines"),
    "slopes": ("attention_weight", "attention_scores", "attention_blocks", "attention_place"),
    "products": ("attention_blocks", "attention_lines"),
}
"""The files behind ``attention.wgsl`` that a kernel is made of."""
_PART = (
    *("first_line", "lines", "heads", "sharing", "queries", "keys"),
    *("first_row", "last_row", "first_column", "last_column", "triangle", "blocks", "beside"),
)
_SIZES = {
    "forward": ("batches", "heads", "sharing", "queries", "keys", "blocks"),
    "weights": _PART,
    "outputs": (*_PART, "wide", "groups"),
    "slopes": _PART,
    "products": (*_PART, "wide", "groups", "adds_to_queries", "adds_to_keys"),
    "delta": ("batches", "heads", "queries"),
    "mask": (*_PART, "mask_batches", "mask_heads", "mask_queries", "mask_keys"),
}
_TARGETS = {
    "forward": ("result",),
    "outputs": ("result",),
    "products": ("into_query", "into_key", "into_value"),
}
_ADDING = {
    "into_query": "adds_to_queries",
    "into_key": "adds_to_keys",
    "into_value": "adds_to_keys",
}
"""What tells whether a result is added to what is there."""
_OF_OPERANDS = ("offset", "batch", "head", "row", "rows", "size")
_OF_TARGETS = ("offset", "batch", "head", "row", "size")
_OF_MASKS = ("offset", "batch", "head", "row", "column")


class Given(NamedTuple):
    """How an array that a kernel reads lies."""

    dtype: str
    vectors: bool
    """Whether it is read by vectors."""
    whole: bool
    """Whether its heads fill the tiles."""


class Variant(NamedTuple):
    """A kernel, its tile, and what it is given."""

    kernel: str
    tile: Tile
    size: int
    """Of a head, padded."""
    given: tuple[Given, ...]
    causal: bool
    mask: str | None = None
    """The dtype of the mask, if there is one."""
    dropout: bool = False
    result_vectors: bool = True
    """Whether results are written by vectors."""
    edge: int = 0
    """Of the blocks that it makes or multiplies."""


@cache
def attention_pipeline(variant: Variant) -> Pipeline:
    """A variant of ``attention_NAME.wgsl``."""
    tile = variant.tile
    flags = {
        f"{name.upper()}_{flag}": getattr(given, flag.lower())
        for name, given in zip(READS[variant.kernel], variant.given, strict=True)
        for flag in ("VECTORS", "WHOLE")
    }
    return _kernel(variant.kernel, tile, variant.size).variant(
        prelude=_prelude(variant),
        TX=TX,
        TY=tile.ty,
        ROW_CHUNKS=tile.row_chunks,
        COLUMN_CHUNKS=tile.column_chunks,
        SIZE_CHUNKS=variant.size // (4 * TX),
        SLICE=tile.slice,
        STEP=tile.step,
        BUFFERS=tile.buffers,
        EDGE=variant.edge,
        CAUSAL=variant.causal,
        MASKED=variant.mask is not None,
        DROPOUT=variant.dropout,
        **flags,
    )


@cache
def delta_pipeline(grad: Given, output: Given) -> Pipeline:
    """A variant of ``attention_delta.wgsl``."""
    names = READS["delta"]
    source = "".join(_operand_source(name) for name in names) + read_shader("attention_delta.wgsl")
    prelude = (
        _declared("delta", (grad, output))
        + "@group(0) @binding(2) var<storage, read> normalisers: array<f32>;\n"
        + "@group(0) @binding(3) var<storage, read_write> statistics: array<vec2<f32>>;\n"
        + _params(4, "delta")
    )
    return Kernel(unroll(source, {}), name="attention_delta", trusted=True).variant(
        prelude=prelude,
        GRAD_VECTORS=grad.vectors,
        GRAD_WHOLE=grad.whole,
        OUTPUT_VECTORS=output.vectors,
        OUTPUT_WHOLE=output.whole,
    )


@cache
def mask_pipeline(edge: int) -> Pipeline:
    """A variant of ``attention_mask.wgsl``."""
    prelude = (
        "@group(0) @binding(0) var<storage, read> blocks: array<vec4<f32>>;\n"
        "@group(0) @binding(1) var<storage, read_write> result: array<f32>;\n"
    )
    source = read_shader("attention_blocks.wgsl") + read_shader("attention_mask.wgsl")
    found = Kernel(source, name="attention_mask", trusted=True)
    return found.variant(prelude=prelude + _params(2, "mask"), EDGE=edge)


@cache
def _kernel(name: str, tile: Tile, size: int) -> Kernel:
    threads = TX * tile.ty
    lines = size if name == "forward" else tile.columns
    counts = {
        "TX": TX,
        "STEP": tile.step,
        "ROW_CHUNKS": tile.row_chunks,
        "COLUMN_CHUNKS": tile.column_chunks,
        "SIZE_CHUNKS": size // (4 * TX),
        "SUMS": 4 * tile.row_chunks * tile.column_chunks,
        "LEFT_LOADS": -(-tile.rows * tile.slice // 16 // threads),
        "RIGHT_LOADS": -(-tile.columns * tile.slice // 16 // threads),
        "LINE_LOADS": -(-tile.slice * lines // 4 // threads),
    }
    ways = ["attention_operand"] + ["attention_fetch"] * (name in SCORES)
    operands = "".join(_operand_source(side, way) for side in READS[name] for way in ways)
    parts = (read_shader(f"{part}.wgsl") for part in ("attention", *_PARTS[name]))
    text = "".join(parts) + operands + read_shader(f"attention_{name}.wgsl")
    return Kernel(unroll(text, counts), name=f"attention_{name}", trusted=True)


def _operand_source(side: str, file: str = "attention_operand") -> str:
    text = read_shader(f"{file}.wgsl")
    return text.replace("side_", f"{side}_").replace("SIDE_", f"{side.upper()}_")


def _declared(kernel: str, given: tuple[Given, ...]) -> str:
    return "".join(
        declare_loads(at, name, array.dtype, array.vectors)
        for at, (name, array) in enumerate(zip(READS[kernel], given, strict=True))
    )


def _prelude(variant: Variant) -> str:
    kernel = variant.kernel
    texts = [_declared(kernel, variant.given)]
    binding = itertools.count(len(variant.given))

    def bind(access: str, name: str, words: str) -> None:
        at = f"@group(0) @binding({next(binding)})"
        texts.append(f"{at} var<storage, {access}> {name}: array<{words}>;\n")

    if kernel in SCORES:
        if kernel == "slopes":
            bind("read", "statistics", "vec2<f32>")
        if variant.mask is not None:
            texts.append(declare_elements(next(binding), "mask", variant.mask))
        if variant.dropout:
            bind("read", "state", "u32")
            texts.append(threefry_source())
        texts.append(_mask_source(variant.mask) + _dropout_source(variant.dropout))
    if kernel != "forward":
        bind("read_write" if kernel in SCORES else "read", "blocks", "vec4<f32>")
    if kernel in ("forward", "outputs"):
        bind("read_write", "normalisers", "f32")
        texts.append(math_source("math", "exponential"))
    if kernel in _TARGETS:
        bind("read_write", "result", "vec4<f32>" if variant.result_vectors else "f32")
        texts.append(_stores(kernel, variant.result_vectors))
    return "".join(texts) + _params(next(binding), kernel, variant.dropout)


def _params(binding: int, kernel: str, dropout: bool = False) -> str:
    fields = [*_SIZES[kernel]]
    fields += [f"{name}_{field}" for name in READS[kernel] for field in _OF_OPERANDS]
    fields += [f"{name}_{field}" for name in _TARGETS.get(kernel, ()) for field in _OF_TARGETS]
    scored = kernel in SCORES
    fields += [f"mask_{field}" for field in _OF_MASKS] if scored else []
    fields += ["state_offset"] if dropout else []
    declared = [f"{field}: u32" for field in fields]
    declared += ["slope_scale: f32"] if kernel == "slopes" else []
    declared += ["scale: f32", "none: f32"] if scored else []
    declared += ["probability: f32", "kept_scale: f32"] if dropout else []
    block = f"@group(0) @binding({binding}) var<uniform> params: Params;\n"
    return "struct Params { " + ", ".join(declared) + " }\n" + block


def _stores(kernel: str, vectors: bool) -> str:
    """``NAME_start(batch, head)`` and ``NAME_store(start, row, column, v)``, of 4 neighbours."""
    by = 4 if vectors else 1
    text = ""
    for name in _TARGETS[kernel]:
        stores = ""
        for e in range(0, 4, by):
            place, value = (f"at / {by}u", "v") if vectors else (f"at + {e}u", f"v[{e}]")
            if name in _ADDING:
                value = f"select({value}, result[{place}] + {value}, params.{_ADDING[name]} != 0u)"
            stores += f"if (column + {e}u < params.{name}_size) {{ result[{place}] = {value}; }} "
        text += (
            f"fn {name}_start(batch: u32, head: u32) -> u32 {{ return params.{name}_offset + "
            f"batch * params.{name}_batch + head * params.{name}_head; }}\n"
            f"fn {name}_store(start: u32, row: u32, column: u32, v: vec4<f32>) {{ "
            f"let at = start + row * params.{name}_row + column; {stores}}}\n"
        )
    return text


def _mask_source(dtype: str | None) -> str:
    """``mask_start(batch, head)``, ``mask_at(e)`` and ``with_mask(scores, given)``."""
    if dtype is None:
        return (
            "fn mask_start(batch: u32, head: u32) -> u32 { return 0u; }\n"
            "fn mask_at(e: u32) -> f32 { return 0.0; }\n"
            "fn with_mask(scores: vec4<f32>, given: vec4<f32>) -> vec4<f32> { return scores; }\n"
        )
    joined = "scores + given"
    if dtype == "bool":
        joined = "select(vec4<f32>(params.none), scores, given != vec4<f32>(0.0))"
    return (
        "fn mask_start(batch: u32, head: u32) -> u32 { return params.mask_offset + "
        "batch * params.mask_batch + head * params.mask_head; }\n"
        "fn mask_at(e: u32) -> f32 { return f32(mask_element(e)); }\n"
        "fn with_mask(scores: vec4<f32>, given: vec4<f32>) -> vec4<f32> "
        f"{{ return {joined}; }}\n"
    )


def _dropout_source(dropout: bool) -> str:
    """``kept_at(index)``: what weight ``index`` of all is multiplied by."""
    body = (
        "let at = params.state_offset; "
        "let words = threefry(vec2<u32>(index / 2u, state[at + 2u]), "
        "vec2<u32>(state[at], state[at + 1u])); "
        "let word = select(words.x, words.y, index % 2u == 1u); "
        "return select(0.0, params.kept_scale, f32(word >> 8u) * TO_UNIT >= params.probability);"
    )
    return f"fn kept_at(index: u32) -> f32 {{ {body if dropout else 'return 1.0;'} }}\n"
