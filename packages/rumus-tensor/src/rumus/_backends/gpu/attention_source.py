"""The variants of the WGSL of attention."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from rumus.gpu import Kernel, Pipeline

from .attention_tiles import TX, Tile
from .unroll import unroll
from .wgsl import declare_elements, declare_loads, math_source, read_shader, threefry_source

READS = {
    "forward": ("query", "key", "value"),
    "queries": ("query", "key", "value", "grad"),
    "keys": ("query", "key", "value", "grad"),
    "delta": ("grad", "output"),
}
"""The arrays that a kernel reads by ``attention_operand.wgsl``, in the order of its bindings."""
_SIZES = ("batches", "heads", "sharing", "queries", "keys", "blocks")
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
    mask: str | None
    """The dtype of the mask, if there is one."""
    causal: bool
    dropout: bool
    result_vectors: bool
    """Whether results are written by vectors."""


@cache
def attention_pipeline(variant: Variant) -> Pipeline:
    """A variant of ``attention_NAME.wgsl``."""
    tile = variant.tile
    in_keys = variant.kernel == "keys"
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
        KEYS_ARE_ROWS=in_keys,
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

    found = Kernel(unroll(source, {}), name="attention_delta", trusted=True)
    prelude = (
        declare_loads(0, "grad", grad.dtype, grad.vectors)
        + declare_loads(1, "output", output.dtype, output.vectors)
        + "@group(0) @binding(2) var<storage, read> normalisers: array<f32>;\n"
        + "@group(0) @binding(3) var<storage, read_write> statistics: array<vec2<f32>>;\n"
        + _params(4, names, (), False)
    )
    return found.variant(
        prelude=prelude,
        GRAD_VECTORS=grad.vectors,
        GRAD_WHOLE=grad.whole,
        OUTPUT_VECTORS=output.vectors,
        OUTPUT_WHOLE=output.whole,
    )


@cache
def _kernel(name: str, tile: Tile, size: int) -> Kernel:
    threads = TX * tile.ty
    counts = {
        "TX": TX,
        "STEP": tile.step,
        "ROW_CHUNKS": tile.row_chunks,
        "COLUMN_CHUNKS": tile.column_chunks,
        "SIZE_CHUNKS": size // (4 * TX),
        "SUMS": 4 * tile.row_chunks * tile.column_chunks,
        "LEFT_LOADS": -(-tile.rows * tile.slice // 16 // threads),
        "RIGHT_LOADS": -(-tile.columns * tile.slice // 16 // threads),
        "LINE_LOADS": -(-tile.slice * size // 4 // threads),
    }
    ways = "attention_operand.wgsl", "attention_fetch.wgsl"
    operands = "".join(_operand_source(side, way) for side in READS[name] for way in ways)
    shared = read_shader("attention_scores.wgsl") + read_shader("attention.wgsl")
    text = shared + operands + read_shader(f"attention_{name}.wgsl")
    return Kernel(unroll(text, counts), name=f"attention_{name}", trusted=True)


def _operand_source(side: str, file: str = "attention_operand.wgsl") -> str:
    text = read_shader(file)
    return text.replace("side_", f"{side}_").replace("SIDE_", f"{side.upper()}_")


def _prelude(variant: Variant) -> str:
    names = READS[variant.kernel]
    text = "".join(
        declare_loads(at, name, given.dtype, given.vectors)
        for at, (name, given) in enumerate(zip(names, variant.given, strict=True))
    )
    binding = len(names)
    forward = variant.kernel == "forward"
    if not forward:
        text += f"@group(0) @binding({binding}) var<storage, read> statistics: array<vec2<f32>>;\n"
        binding += 1
    if variant.mask is not None:
        text += declare_elements(binding, "mask", variant.mask)
        binding += 1
    if variant.dropout:
        text += f"@group(0) @binding({binding}) var<storage, read> state: array<u32>;\n"
        text += threefry_source()
        binding += 1
    if forward:
        binds = f"@group(0) @binding({binding}) var<storage, read_write>"
        text += f"{binds} normalisers: array<f32>;\n"
        text += math_source("math", "exponential")
        binding += 1
    in_keys = variant.kernel == "keys"
    targets = ("result", "second") if in_keys else ("result",)
    words = _words(variant.result_vectors)
    text += f"@group(0) @binding({binding}) var<storage, read_write> result: array<{words}>;\n"
    text += _params(binding + 1, names, targets, variant.dropout)
    text += "".join(_store(name, variant.result_vectors) for name in targets)
    text += _before_source(variant.dropout) if in_keys else ""
    return text + _mask_source(variant.mask) + _dropout_source(variant.dropout)


def _params(
    binding: int,
    operands: tuple[str, ...],
    targets: tuple[str, ...],
    dropout: bool,
) -> str:
    fields = [*_SIZES]
    fields += [f"{name}_{field}" for name in operands for field in _OF_OPERANDS]
    fields += [f"{name}_{field}" for name in targets for field in _OF_TARGETS]
    fields += [f"mask_{field}" for field in _OF_MASKS]
    fields += ["state_offset"] if dropout else []
    declared = [f"{field}: u32" for field in fields] + ["scale: f32", "none: f32"]
    declared += ["probability: f32", "kept_scale: f32"] if dropout else []
    block = f"@group(0) @binding({binding}) var<uniform> params: Params;\n"
    return "struct Params { " + ", ".join(declared) + " }\n" + block


def _words(vectors: bool) -> str:
    return "vec4<f32>" if vectors else "f32"


def _store(name: str, vectors: bool) -> str:
    """``NAME_start(batch, head)`` and ``store_NAME(start, row, column, v)``, of 4 neighbours."""
    at = f"let at = start + row * params.{name}_row + column;"
    if vectors:
        body = f"if (column < params.{name}_size) {{ result[at / 4u] = v; }}"
    else:
        body = " ".join(
            f"if (column + {e}u < params.{name}_size) {{ result[at + {e}u] = v[{e}]; }}"
            for e in range(4)
        )
    return (
        f"fn {name}_start(batch: u32, head: u32) -> u32 {{ return params.{name}_offset + "
        f"batch * params.{name}_batch + head * params.{name}_head; }}\n"
        f"fn store_{name}(start: u32, row: u32, column: u32, v: vec4<f32>) {{ {at} {body} }}\n"
    )


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


def _before_source(dropout: bool) -> str:
    """``weight_before(at)``: the weight in front of dropout, which ``set_before(at, v)`` kept."""
    kept = "before" if dropout else "weights"
    declared = "var<workgroup> before: array<vec4<f32>, COLUMNS * ROW_VECTORS>;\n"
    return (
        (declared if dropout else "")
        + f"fn set_before(at: u32, v: vec4<f32>) {{ {kept}[at] = v; }}\n"
        + f"fn weight_before(at: u32) -> vec4<f32> {{ return {kept}[at]; }}\n"
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
