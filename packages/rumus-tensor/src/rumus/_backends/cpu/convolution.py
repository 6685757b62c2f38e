"""Convolutions: strided views of the source, copied into columns block by block, and BLAS.

With a stride of one, a tap meets a plane's rows in one run of memory: what the run has between the
rows is computed too and left out, which costs less than to copy row by row. Blocks of images are
spread over threads, and each of them goes through its rows in pieces of bounded size; both depend
on the shapes alone, and so do the results.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import as_strided

from rumus._backends.contract.convolution import Pair, Slide
from rumus._core.pool import products_in_parallel

from .movement import written

Array = npt.NDArray[Any]

_CACHED = 1 << 18
"""Elements of the columns of a block, where its images are small: they stay in cache."""
_BLOCKS = 16
"""Blocks at least, of small images: something for each thread."""
_LARGEST = 1 << 22
"""Elements of the columns that are held at a time, where one image has more."""
_WEIGHT_BLOCKS = 16
"""Blocks whose weight gradients are held at a time."""


class _Geometry(NamedTuple):
    """What the three passes know of shapes."""

    x: tuple[int, ...]
    weight: tuple[int, ...]
    slide: Slide
    size: Pair

    @property
    def runs(self) -> bool:
        """Whether a tap meets rows in one run."""
        return self.slide.stride == (1, 1)

    @property
    def padded(self) -> Pair:
        """The rows and columns that taps can meet, zeros and the plane's own."""
        reach = zip(self.size, self.slide.stride, self.weight[2:], self.slide.dilation, strict=True)
        needed = [(n - 1) * stride + (k - 1) * dilation + 1 for n, stride, k, dilation in reach]
        given = [n + p for n, p in zip(self.x[2:], self.slide.padding, strict=True)]
        return max(needed[0], given[0]), max(needed[1], given[1])

    @property
    def taps(self) -> int:
        """What is summed over for an element of the result."""
        return prod(self.weight[1:])

    @property
    def work(self) -> int:
        """Multiplications of a pass."""
        return self.x[0] * prod(self.size) * prod(self.weight)

    def length(self, rows: int) -> int:
        """Columns of a piece of so many rows of the result."""
        columns = self.size[1]
        return (rows - 1) * self.padded[1] + columns if self.runs else rows * columns

    def blocks(self, most: int | None = None) -> list[slice]:
        """Images that are taken together."""
        each = self.taps * self.slide.groups * self.length(self.size[0])
        images = max(1, min(_CACHED // each, self.x[0] // _BLOCKS))
        if most is not None:
            images = max(images, -(-self.x[0] // most))
        return [slice(i, min(i + images, self.x[0])) for i in range(0, self.x[0], images)]

    def pieces(self, images: int) -> Iterator[tuple[int, int]]:
        """The first row and the end of the pieces of a block."""
        each = images * self.slide.groups * self.taps * self.length(1)
        rows = max(1, _LARGEST // each)
        for first in range(0, self.size[0], rows):
            yield first, min(first + rows, self.size[0])


def convolution(x: Array, weight: Array, bias: Array | None, slide: Slide, size: Pair) -> Array:
    """See ``Backend.convolution``."""
    dtype = x.dtype
    g = _Geometry(x.shape, weight.shape, slide, size)
    out = np.empty((x.shape[0], weight.shape[0], *size), np.float32)
    lines = _grouped(weight, g)
    blocks = g.blocks() if out.size else []

    def run(number: int) -> None:
        images = blocks[number]
        source = _padded(x[images], g)
        result = out[images]
        with np.errstate(all="ignore"):
            for first, end in g.pieces(len(result)):
                columns = _columns(source, g, first, end)
                product = np.matmul(lines, columns.reshape(*columns.shape[:2], g.taps, -1))
                into = _split(result[:, :, first:end], slide.groups)
                into[...] = _rows(product, g, end - first)
            if bias is not None:
                result += bias[:, None, None]

    products_in_parallel(run, len(blocks), g.work)
    return out.astype(dtype, copy=False)


def convolution_input(
    grad: Array, weight: Array, bias: Array | None, slide: Slide, size: Pair
) -> Array:
    """See ``Backend.convolution_input``."""
    if _mirrors(slide, weight.shape):
        return _mirrored(grad, weight, bias, slide, size)
    dtype = grad.dtype
    channels = slide.groups * weight.shape[1]
    g = _Geometry((grad.shape[0], channels, *size), weight.shape, slide, pair(grad))
    out = np.zeros(g.x, np.float32)
    lines = _grouped(weight, g).swapaxes(-1, -2)
    blocks = g.blocks() if grad.size else []

    def run(number: int) -> None:
        images = blocks[number]
        source = grad[images]
        whole = np.zeros((len(source), channels, *g.padded), np.float32)
        with np.errstate(all="ignore"):
            for first, end in g.pieces(len(source)):
                given = _spread(_split(source[:, :, first:end], slide.groups), g)
                product = np.matmul(lines, given)
                views = _columns(whole, g, first, end, copies=False)
                parts = product.reshape(views.shape)
                for i in range(views.shape[3]):
                    for j in range(views.shape[4]):
                        views[:, :, :, i, j] += parts[:, :, :, i, j]
            out[images] = _inner(whole, g)

    products_in_parallel(run, len(blocks), g.work)
    if bias is not None:
        with np.errstate(all="ignore"):
            out += bias[:, None, None]
    return out.astype(dtype, copy=False)


def _mirrors(slide: Slide, weight: tuple[int, ...]) -> bool:
    """Whether the gradient of the input is a convolution itself, with the kernel mirrored."""
    reach = zip(weight[2:], slide.dilation, slide.padding, strict=True)
    return slide.stride == (1, 1) and all((k - 1) * d >= p for k, d, p in reach)


def _mirrored(grad: Array, weight: Array, bias: Array | None, slide: Slide, size: Pair) -> Array:
    """The gradient of the input in few long calls: it gathers, and adds to nothing."""
    out, channels, *kernel = weight.shape
    parts = weight.reshape(slide.groups, out // slide.groups, channels, *kernel)
    turned = parts.swapaxes(1, 2)[..., ::-1, ::-1].reshape(-1, out // slide.groups, *kernel)
    reach = zip(kernel, slide.dilation, slide.padding, strict=True)
    up, left = ((k - 1) * d - p for k, d, p in reach)
    return convolution(grad, turned, bias, slide._replace(padding=(up, left)), size)


def convolution_weight(
    x: Array, grad: Array, slide: Slide, kernel: Pair, out: Array | None = None
) -> Array:
    """See ``Backend.convolution_weight``."""
    shape = (grad.shape[1], x.shape[1] // slide.groups, *kernel)
    g = _Geometry(x.shape, shape, slide, pair(grad))
    blocks = g.blocks(_WEIGHT_BLOCKS) if grad.size else []
    parts = np.zeros((max(1, len(blocks)), *shape), np.float32)

    def run(number: int) -> None:
        images = blocks[number]
        source, given = _padded(x[images], g), grad[images]
        part = parts[number].reshape(slide.groups, -1, g.taps)
        with np.errstate(all="ignore"):
            for first, end in g.pieces(len(given)):
                columns = np.moveaxis(_columns(source, g, first, end, copies=False), 0, 4)
                lying = np.ascontiguousarray(columns).reshape(slide.groups, g.taps, -1)
                spread = _spread(_split(given[:, :, first:end], slide.groups), g)
                rows = np.ascontiguousarray(spread.transpose(1, 2, 0, 3))
                rows = rows.reshape(*rows.shape[:2], -1)
                part += np.matmul(rows, lying.swapaxes(-1, -2))

    products_in_parallel(run, len(blocks), g.work)
    with np.errstate(all="ignore"):
        total = parts[0] if len(parts) == 1 else parts.sum(axis=0)
    return total if out is None else written(out, total)


def pair(a: Array) -> Pair:
    """The last two lengths."""
    return a.shape[-2], a.shape[-1]


def _grouped(weight: Array, g: _Geometry) -> Array:
    """The weight as (groups, out channels, taps)."""
    lines = np.ascontiguousarray(weight, np.float32)
    return lines.reshape(g.slide.groups, -1, g.taps)


def _split(a: Array, groups: int) -> Array:
    """The channels as (groups, channels)."""
    images, channels, *rest = a.shape
    steps = a.strides
    return as_strided(
        a,
        (images, groups, channels // groups, *rest),
        (steps[0], channels // groups * steps[1], *steps[1:]),
    )


def _padded(x: Array, g: _Geometry) -> Array:
    """Contiguous float32, with the zeros that taps meet."""
    if pair(x) == g.padded:
        return np.ascontiguousarray(x, np.float32)
    whole = np.zeros((*x.shape[:2], *g.padded), np.float32)
    _inner(whole, g)[...] = x
    return whole


def _inner(whole: Array, g: _Geometry) -> Array:
    """The part of a padded source that is no zero."""
    (up, left), (rows, columns) = g.slide.padding, g.x[2:]
    return whole[:, :, up : up + rows, left : left + columns]


def _columns(source: Array, g: _Geometry, first: int, end: int, copies: bool = True) -> Array:
    """What the taps meet, (images, groups, channels, rows, columns of the kernel, …pixels).

    Args:
        source: padded, contiguous.
        g: the shapes.
        first: row of the result.
        end: where its rows end.
        copies: whether a contiguous array is wanted.
    """
    parts = _split(source[:, :, first * g.slide.stride[0] :], g.slide.groups)
    image, group, channel, row, column = parts.strides
    (down, along), (step, side) = g.slide.dilation, g.slide.stride
    pixels = (g.length(end - first),) if g.runs else (end - first, g.size[1])
    steps = (column,) if g.runs else (row * step, column * side)
    view = as_strided(
        parts,
        (*parts.shape[:3], *g.weight[2:], *pixels),
        (image, group, channel, row * down, column * along, *steps),
    )
    return np.ascontiguousarray(view) if copies else view


def _rows(product: Array, g: _Geometry, rows: int) -> Array:
    """The rows of the result within a product's columns."""
    steps = product.strides
    width = g.padded[1] if g.runs else g.size[1]
    shape = (*product.shape[:-1], rows, g.size[1])
    return as_strided(product, shape, (*steps[:-1], width * steps[-1], steps[-1]))


def _spread(given: Array, g: _Geometry) -> Array:
    """Rows of a gradient as the columns of a product, with zeros between them where it has any."""
    rows = given.shape[-2]
    spread = np.zeros((*given.shape[:-2], g.length(rows)), np.float32)
    _rows(spread, g, rows)[...] = given
    return spread


class Convolution:
    """The family's part of the backend."""

    def convolution(
        self, x: Array, weight: Array, bias: Array | None, slide: Slide, size: Pair
    ) -> Array:
        return convolution(x, weight, bias, slide, size)

    def convolution_input(
        self, grad: Array, weight: Array, bias: Array | None, slide: Slide, size: Pair
    ) -> Array:
        return convolution_input(grad, weight, bias, slide, size)

    def convolution_weight(
        self, x: Array, grad: Array, slide: Slide, kernel: Pair, out: Array | None = None
    ) -> Array:
        return convolution_weight(x, grad, slide, kernel, out)
