"""The WGSL that kernels of the sort family have in common: elements, keys and what is stored."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from rumus.gpu import Kernel, Pipeline

from .kernels import kernel
from .unroll import unroll
from .wgsl import read_shader

SHORT = 1024
"""Elements that a workgroup sorts by itself."""
_PER_INVOCATION = 14
TILE = 256 * _PER_INVOCATION
"""Elements of a tile: what fits the 16 KiB of workgroup memory that every adapter has."""
DIGIT = 8
"""Bits that a pass sorts by."""

BITS = {"float32": 32, "int32": 32, "float16": 16, "uint8": 8, "bool": 1}
_FETCH = {
    32: "{0}[e]",
    16: "({0}[e / 2u] >> (e % 2u * 16u)) & 0xffffu",
    8: "({0}[e / 4u] >> (e % 4u * 8u)) & 0xffu",
    1: "({0}[e / 4u] >> (e % 4u * 8u)) & 0xffu",
}
_FLOAT = (
    "let size = bits & {size}; "
    "let number = select(size | {sign}, {sign} - size, bits > {sign}); "
    "let ordered = select(number, {all}, size > {inf});"
)
_ORDERED = {
    "float32": _FLOAT.format(
        size="0x7fffffffu", sign="0x80000000u", inf="0x7f800000u", all="0xffffffffu"
    ),
    "float16": _FLOAT.format(size="0x7fffu", sign="0x8000u", inf="0x7c00u", all="0xffffu"),
    "int32": "let ordered = bits ^ 0x80000000u;",
    "uint8": "let ordered = bits;",
    "bool": "let ordered = bits;",
}


class Keys(NamedTuple):
    """How elements are ordered."""

    dtype: str
    bits: int
    """Bits of a key."""
    plain: bool
    """Whether the elements themselves, not negative, are the keys."""
    descending: bool


def _elements(keys: Keys, first: bool) -> str:
    """``fetch(e)`` of the array to be sorted, or of what a pass has written."""
    return _fetch(0, "input", "fetch", BITS[keys.dtype] if first else 32)


def _fetch(binding: int, name: str, function: str, bits: int) -> str:
    """An input whose elements are loaded as their bits."""
    return (
        f"@group(0) @binding({binding}) var<storage, read> {name}: array<u32>;\n"
        f"fn {function}(e: u32) -> u32 {{ return {_FETCH[bits].format(name)}; }}\n"
    )


def _key(keys: Keys) -> str:
    ordered = "let ordered = bits;" if keys.plain else _ORDERED[keys.dtype]
    result = f"{(1 << keys.bits) - 1}u - ordered" if keys.descending else "ordered"
    return f"fn key(bits: u32) -> u32 {{ {ordered} return {result}; }}\n"


def _word(keys: Keys, last: bool) -> str:
    """Bits as they are stored: halves become float32 at last."""
    half = last and keys.dtype == "float16"
    word = "bitcast<u32>(unpack2x16float(bits).x)" if half else "bits"
    return f"fn word(bits: u32) -> u32 {{ return {word}; }}\n"


def _places(first: bool, tables: tuple[str, ...]) -> str:
    """The bindings behind the elements, ``origin_at`` and ``write``."""
    names = (*(() if first else ("before",)), *tables, "values", "columns")
    source = ""
    for binding, name in enumerate(names, 1):
        access = "read_write" if name in ("values", "columns") else "read"
        source += f"@group(0) @binding({binding}) var<storage, {access}> {name}: array<u32>;\n"
    return (
        f"{source}@group(0) @binding({len(names) + 1}) var<uniform> params: Params;\n"
        "fn origin_at(e: u32, column: u32) -> u32 "
        f"{{ return {'column' if first else 'before[e]'}; }}\n"
        "fn write(e: u32, bits: u32, origin: u32) "
        "{ values[e] = word(bits); columns[e] = origin; }\n"
    )


@cache
def rows_pipeline(keys: Keys, span: int, first: bool, last: bool) -> Pipeline:
    """A variant of ``sort_rows.wgsl``; in the first round an element's column is its origin."""
    prelude = _elements(keys, first) + _key(keys) + _word(keys, last) + _places(first, ())
    return kernel("sort_rows").variant(prelude=prelude, SPAN=span)


@cache
def count_pipeline(keys: Keys, width: int, first: bool) -> Pipeline:
    """A variant of ``sort_count.wgsl`` for a digit of so many bits."""
    prelude = _elements(keys, first) + _key(keys)
    return kernel("sort_count").variant(prelude=prelude, DIGITS=1 << width)


@cache
def scan_pipeline(lanes: int) -> Pipeline:
    """A variant of ``sort_scan.wgsl``."""
    return kernel("sort_scan").variant(LANES=lanes)


@cache
def scatter_pipeline(keys: Keys, width: int, first: bool, last: bool) -> Pipeline:
    """A variant of ``sort_scatter.wgsl``; in the first pass an element's column is its origin."""
    prelude = _elements(keys, first) + _key(keys) + _word(keys, last)
    prelude += _places(first, ("table", "totals"))
    return _scatter_kernel().variant(prelude=prelude, KEYS=_PER_INVOCATION, BITS=width)


@cache
def _scatter_kernel() -> Kernel:
    source = unroll(read_shader("sort_scatter.wgsl"), {"KEYS": _PER_INVOCATION})
    return Kernel(source, name="sort_scatter", trusted=True)


@cache
def search_pipeline(dtype: str, right: bool) -> Pipeline:
    """A variant of ``search.wgsl``."""
    bits = BITS[dtype]
    prelude = _fetch(0, "edges", "fetch_edges", bits) + _fetch(1, "values", "fetch_values", bits)
    prelude += _key(Keys(dtype, bits, plain=False, descending=False))
    return kernel("search").variant(prelude=prelude, RIGHT=right)
