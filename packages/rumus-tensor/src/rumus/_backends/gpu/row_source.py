"""What the kernels that work on rows share: their sizes and the WGSL around ``rows.wgsl``."""

from __future__ import annotations

from functools import cache

from rumus._core.dtypes import DType
from rumus.gpu import GpuArray, Kernel, Pipeline
from rumus.gpu._faults import Fault

from .elementwise import elementwise
from .kernels import WORKGROUP, plane
from .unroll import unroll
from .wgsl import declare_loads, read_shader

_SOFT = ("softmax", "cross_entropy", "cross_entropy_backward")
"""Those that need the largest of a row and the sum of its exponentials."""
MOST_CACHED = 8
"""Vectors of a row that an invocation keeps in registers."""


@cache
def lanes_and_cache(columns: int) -> tuple[int, int]:
    """Invocations a row, a power of two, and the vectors that each keeps: 0 if too many."""
    vectors = -(-columns // 4)
    lanes = 1
    while lanes < WORKGROUP and lanes * 4 < vectors:
        lanes *= 2
    each = -(-vectors // lanes)
    return lanes, each if each <= MOST_CACHED else 0


@cache
def row_kernel(name: str, cached: int, fault: Fault | None = None) -> Kernel:
    """The kernel of ``shaders/NAME.wgsl``, with its loops over the cache written out."""
    parts = ("rows", "soft", name) if name in _SOFT else ("rows", name)
    text = unroll("".join(read_shader(f"{part}.wgsl") for part in parts), {"CACHE": cached})
    return Kernel(text, name=name, fault=fault, trusted=True)


def caching_variant(
    name: str,
    prelude: str,
    lanes: int,
    cached: int,
    fault: Fault | None = None,
    **constants: bool,
) -> Pipeline:
    """The variant of a kernel whose invocations keep so many vectors of a row, or 0."""
    cache_size = max(cached, 1)
    return row_kernel(name, cache_size, fault).variant(
        prelude=prelude, LANES=lanes, CACHE=cache_size, CACHED=cached > 0, **constants
    )


def fetch(binding: int, name: str, dtype: str, vectors: bool) -> str:
    """``fetch_NAME(base, i)``: vector i of the row that starts at ``base``."""
    if vectors:
        body = f"return load_{name}_vector(base / 4u + i);"
    else:
        body = (
            "let e = vec4<u32>(base) + min(vec4<u32>(4u * i) + vec4<u32>(0u, 1u, 2u, 3u), "
            "vec4<u32>(params.columns - 1u)); return vec4<f32>("
            + ", ".join(f"load_{name}_element(e.{axis})" for axis in "xyzw")
            + ");"
        )
    return (
        declare_loads(binding, name, dtype, vectors)
        + f"fn fetch_{name}(base: u32, i: u32) -> vec4<f32> {{ {body} }}\n"
    )


def store(binding: int, vectors: bool) -> str:
    """``store_row(row, i, v)``: vector i of a row of the contiguous float32 output."""
    if vectors:
        words, body = "vec4<f32>", "output[row * params.columns / 4u + i] = v;"
    else:
        words = "f32"
        body = " ".join(
            f"if (4u * i + {j}u < params.columns) "
            f"{{ output[row * params.columns + 4u * i + {j}u] = v[{j}]; }}"
            for j in range(4)
        )
    return (
        f"@group(0) @binding({binding}) var<storage, read_write> output: array<{words}>;\n"
        f"fn store_row(row: u32, i: u32, v: vec4<f32>) {{ {body} }}\n"
    )


def aligned(*arrays: GpuArray) -> bool:
    """Whether every row of these matrices, or these vectors, begin and end on a vector."""
    return not any(a.shape[-1] % 4 or a.offset % 4 for a in arrays)


def row_groups(rows: int, lanes: int, device_index: int) -> tuple[int, int]:
    """Workgroups for rows of so many invocations each."""
    return plane(-(-rows * lanes // WORKGROUP), device_index)


def as_dtype(a: GpuArray, dtype: DType) -> GpuArray:
    """The array, or its elements in another dtype."""
    return a if a.dtype == dtype else elementwise("cast", [a], dtype)
