"""Plans for convolutions: how planes meet, and by which kernel they are multiplied."""

from __future__ import annotations

from math import prod
from typing import NamedTuple

from rumus._backends.contract.convolution import Pair, Slide
from rumus._core.dtypes import float32
from rumus.gpu import GpuArray, Pipeline, limits

from .convolution_source import Gathered, Variant, convolution_pipeline
from .kernels import LARGEST_QUOTIENT, WORKGROUP, plane, reciprocal
from .matmul import turned
from .matmul_source import Operand
from .tiles import Choice, choose, turning_pays
from .wgsl import dtype_name

LEAST_ROWS, LEAST_SUMS = 4, 128
"""Rows of a group's product, and elements of its weight's gradient, that are worth a product."""


class Walk(NamedTuple):
    """The pixels of one plane, the taps, and where they meet another plane, the source."""

    source: Pair
    """Its rows and columns."""
    pixels: Pair
    step: Pair
    """From pixel to pixel, in the source."""
    start: Pair
    """Where the first tap of the first pixel is."""
    taps: Pair
    tap: Pair
    """From tap to tap, in the source."""

    @property
    def inside(self) -> bool:
        """Whether every tap of every pixel meets the source."""
        reach = [
            ((pixels - 1) * step, (taps - 1) * tap)
            for pixels, step, taps, tap in zip(
                self.pixels, self.step, self.taps, self.tap, strict=True
            )
        ]
        return all(
            start + min(0, taps) >= 0 and start + pixels + max(0, taps) < length
            for start, (pixels, taps), length in zip(self.start, reach, self.source, strict=True)
        )

    @property
    def same(self) -> bool:
        """Whether the pixels are the source's, each with one tap."""
        still = self.taps == (1, 1) and self.start == (0, 0) and self.step == (1, 1)
        return still and self.pixels == self.source


class Plan(NamedTuple):
    """A kernel, its grid, and its params with 0 for the offsets."""

    variant: Variant
    turned: bool
    """Whether the weight is transposed first."""
    pipeline: Pipeline
    groups: tuple[int, int]
    words: tuple[int, ...]


def forward_walk(x: GpuArray, slide: Slide, kernel: Pair, size: Pair) -> Walk:
    """Over the pixels of a result of that size, with x as the source."""
    up, left = slide.padding
    return Walk(kernel_of(x), size, slide.stride, (-up, -left), kernel, slide.dilation)


def kernel_of(a: GpuArray) -> Pair:
    """The last two lengths."""
    return a.shape[-2], a.shape[-1]


def gather_plan(
    weight: GpuArray,
    along_k: bool,
    source: GpuArray,
    bias: GpuArray | None,
    walk: Walk,
    result: GpuArray,
    offset: int,
    steps: Pair,
    choice: Choice | None = None,
) -> Plan:
    """A weight times the gathered source; ``choice`` overrides the model's, for measurements."""
    groups = weight.shape[0]
    m = result.shape[1] // groups
    k = weight.size // groups // m
    images, pixels = source.shape[0], prod(walk.pixels)
    n = images * pixels
    spread = steps != (1, 1)
    direct = groups > 1 and m < LEAST_ROWS and choice is None
    choice = choice or _chosen(m, n, k, groups, source.device_index, spread or direct)
    tile, splits, share = choice
    lying = Operand(
        along_k, m * k, k if along_k else m, not (along_k or m % 4 or weight.offset % 4)
    )
    turns = along_k and not m % 4 and weight.dtype == float32
    turns = turns and not direct and turning_pays(choice, m, n, groups, weight.nbytes)
    if turns:
        lying, _ = turned(lying, groups, m, k)
    size, width = prod(walk.source), walk.source[1]
    same = walk.same and not (direct or pixels % 4 or source.offset % 4)
    c_vectors = not (direct or spread or pixels % 4 or (splits == 1 and offset % 4))
    variant = Variant(
        None if direct else tile,
        (dtype_name(weight.dtype), dtype_name(source.dtype)),
        dtype_name(bias.dtype) if bias is not None and splits == 1 else None,
        lying,
        Gathered(walk.taps, same, not walk.inside, _far(images, walk.pixels)),
        c_vectors,
        lying.along_k and m % tile.bm > 0,
        spread,
    )
    tiles_m, tiles_n = -(-m // tile.bm), -(-n // tile.bn)
    rows, columns = result.shape[2:]
    words = (
        m, n, k, share, tiles_m, tiles_n, groups, splits,
        0, lying.batch, lying.step, 0, source.shape[1] // groups * size, 0, 0, 0,
        m * rows * columns, *_places(walk), width, size, source.shape[1] * size,
        *_steps(walk), rows * columns, result.shape[1] * rows * columns, columns * steps[0],
        steps[1],
    )  # fmt: skip
    work = -(-m * n * groups // WORKGROUP) if direct else tiles_m * tiles_n * groups * splits
    grid_of = plane(work, source.device_index)
    return Plan(variant, turns, convolution_pipeline(variant), grid_of, _wrapped(words))


def weight_plan(
    x: GpuArray, grad: GpuArray, slide: Slide, kernel: Pair, choice: Choice | None = None
) -> Plan:
    """A gradient times the gathered x, whose pixels are summed over in parts."""
    groups = slide.groups
    images, out = grad.shape[:2]
    size = kernel_of(grad)
    walk = forward_walk(x, slide, kernel, size)
    pixels = prod(size)
    m, n, k = out // groups, x.shape[1] // groups * prod(kernel), images * pixels
    direct = groups > 1 and m * n < LEAST_SUMS and choice is None
    choice = choice or _chosen(m, n, k, groups, x.device_index, direct, weight=True)
    tile, splits, share = choice
    variant = Variant(
        None if direct else tile,
        (dtype_name(grad.dtype), dtype_name(x.dtype)),
        None,
        None,
        Gathered(kernel, False, not walk.inside, _far(images, size)),
        not (direct or n % 4),
        False,
        False,
    )
    tiles_m, tiles_n = -(-m // tile.bm), -(-n // tile.bn)
    source = prod(walk.source)
    words = (
        m, n, k, share, tiles_m, tiles_n, groups, splits,
        0, m * pixels, (out - 1) * pixels, 0, x.shape[1] // groups * source, 0, 0, 0,
        m * n, *_places(walk), walk.source[1], source, x.shape[1] * source, *_steps(walk),
        0, 0, 0, 0,
    )  # fmt: skip
    work = m * n * groups if direct else tiles_m * tiles_n * groups * splits
    grid_of = plane(work, x.device_index)
    return Plan(variant, False, convolution_pipeline(variant), grid_of, _wrapped(words))


def _chosen(
    m: int, n: int, k: int, groups: int, index: int, whole: bool = False, weight: bool = False
) -> Choice:
    """A tile and parts of k, or with ``whole`` one part."""
    most = limits(index)
    parts_bytes = 0 if whole else most["max-storage-buffer-binding-size"]
    memory = most["max-compute-workgroup-storage-size"]
    return choose(m, n, k, groups, memory, parts_bytes, weight)


def _places(walk: Walk) -> tuple[int, ...]:
    """``pixels`` to ``height`` of the params."""
    pixels, columns = prod(walk.pixels), walk.pixels[1]
    return pixels, reciprocal(pixels), columns, reciprocal(columns), walk.source[0]


def _steps(walk: Walk) -> tuple[int, ...]:
    """``row_step`` to ``tap_column`` of the params."""
    return walk.step[0], walk.start[0], walk.step[1], walk.start[1], *walk.tap


def _wrapped(words: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(word & 0xFFFFFFFF for word in words)


def _far(images: int, pixels: Pair) -> bool:
    return max(images, pixels[0]) >= LARGEST_QUOTIENT
