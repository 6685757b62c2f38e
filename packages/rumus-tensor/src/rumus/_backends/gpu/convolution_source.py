"""The variants of the WGSL of convolutions, which are matrix products with gathered operands."""

from __future__ import annotations

import struct
from functools import cache
from typing import NamedTuple

from rumus.gpu import Kernel, Pipeline

from .matmul_source import (
    FIELDS,
    Operand,
    Tail,
    multiply_source,
    result_source,
    sums_source,
    tile_constants,
    tiled_kernel,
)
from .tiles import Tile
from .wgsl import REGISTER, declare_elements, declare_loads, read_shader

_NAMES = (
    "c_batch pixels pixels_inverse columns columns_inverse height width plane image row_step "
    "row_start column_step column_start tap_row tap_column out_plane out_image out_row out_column"
).split()
_FIELDS = [*FIELDS, *(f"{name}: u32" for name in _NAMES)]
PARAMS = struct.Struct(f"<{len(_FIELDS)}I")
"""The uniform block: a product's, and that of ``convolution.wgsl``."""


class Gathered(NamedTuple):
    """How a convolution's source is read.

    Attributes:
        taps: Rows and columns of the kernel.
        vectors: Whether four neighbouring pixels are a vector of the source.
        bounded: Whether taps may reach past its edges.
        far: Whether there are too many images or rows to divide by float32.
    """

    taps: tuple[int, int]
    vectors: bool
    bounded: bool
    far: bool


class Variant(NamedTuple):
    """A convolution, by its tile, dtypes, and ways to load and store."""

    tile: Tile | None
    """None where the groups are too small for a product."""
    dtypes: tuple[str, str]
    bias: str | None
    weight: Operand | None
    """How the weight lies; None where the result is the weight's gradient."""
    source: Gathered
    c_vectors: bool
    edge: bool
    """Whether tiles may reach past the end of a weight that lies along k."""
    spread: bool
    """Whether the pixels of the result do not lie side by side."""


@cache
def convolution_pipeline(variant: Variant, tail: Tail | None = None) -> Pipeline:
    """The variant of ``convolution.wgsl``, which may go on with elementwise operations."""
    tile, weight, source = variant.tile, variant.weight, variant.source
    constants: dict[str, bool | int] = {
        "A_ALONG_K": weight is None or weight.along_k,
        "B_BOUNDED": source.bounded,
        "FOR_WEIGHT": weight is None,
        "TAP_ROWS": source.taps[0],
        "TAP_COLUMNS": source.taps[1],
        "SPREAD": variant.spread,
        "HUGE_QUOTIENTS": source.far,
    }
    prelude = _prelude(variant, tail)
    alias = REGISTER[variant.dtypes[0]]
    if tile is None:
        return _direct_kernel().variant(prelude=prelude, T=alias, **constants)
    first = "convolution" if weight is None else "matmul"
    kernel = tiled_kernel(tile, first, "convolution", _points())
    return kernel.variant(
        prelude=prelude,
        T=alias,
        **tile_constants(tile),
        **constants,
        B_ALONG_K=weight is None,
        A_VECTORS=weight is not None and weight.vectors,
        B_VECTORS=source.vectors,
        A_EDGE=variant.edge,
        A_BOUNDED=False,
        ROW_SUMS=False,
    )


def _points() -> str:
    return read_shader("quotient.wgsl") + read_shader("convolution.wgsl")


@cache
def _direct_kernel() -> Kernel:
    text = _points() + read_shader("convolution_direct.wgsl")
    return Kernel(text, name="convolution_direct", trusted=True)


def _prelude(variant: Variant, tail: Tail | None) -> str:
    first, second = variant.dtypes
    binding = 2 if variant.bias is None else 3
    return (
        declare_loads(0, "a", first, variant.weight is not None and variant.weight.vectors)
        + declare_loads(1, "b", second, variant.source.vectors)
        + _bias_source(variant.bias)
        + result_source(binding, _FIELDS, variant.c_vectors, tail)
        + sums_source(False, False)
        + multiply_source(first)
    )


def _bias_source(dtype: str | None) -> str:
    """``bias_of_row(tile, m)``, one number a channel of the result."""
    value = "bias_element(params.bias_offset + tile.batch * params.m + m)"
    return (
        ("" if dtype is None else declare_elements(2, "bias", dtype))
        + "fn bias_load(n: u32) -> vec4<T> { return vec4<T>(); }\n"
        + f"fn bias_of_row(tile: Tile, m: u32) -> T {{ return {value if dtype else 'T()'}; }}\n"
    )
