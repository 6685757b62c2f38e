"""Random numbers: the Threefry kernel, fed with the generator's state."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from rumus._backends.generator import Generator
from rumus._core.dtypes import float32, int32
from rumus.gpu import GpuArray, Kernel, Pipeline, empty, host_value

from .kernels import WORKGROUP, grid
from .layout import Shape
from .movement import contiguous, copy
from .unroll import unroll
from .wgsl import declare_output, declare_vectors, dtype_name, math_source, read_shader

_KINDS = ("uniform", "normal", "integer")


def random(
    kind: str,
    shape: Shape,
    generator: Generator,
    device_index: int,
    low: int = 0,
    span: int = 0,
) -> GpuArray:
    """See ``Backend.random`` and ``Backend.random_integers``."""
    words = _state(generator, device_index)
    output = empty(shape, int32 if kind == "integer" else float32, device_index)
    groups = grid(-(-output.size // 4), WORKGROUP, device_index)
    params = output.size, words.offset, low, span
    random_pipeline(kind).dispatch([words, output], params, groups)
    return output


def dropout(a: GpuArray, p: float, scale: float, generator: Generator) -> tuple[GpuArray, GpuArray]:
    """See ``Backend.dropout``."""
    words = _state(generator, a.device_index)
    return dropout_again(a, words, p, scale), words


def dropout_again(a: GpuArray, draw: GpuArray, p: float, scale: float) -> GpuArray:
    """See ``Backend.dropout_again``: the numbers are drawn anew, and lie nowhere."""
    a = contiguous(a)
    a = copy(a) if a.offset % 4 else a
    y = empty(a.shape, a.dtype, a.device_index)
    if y.size:
        words = a.size, draw.offset, a.offset, float(p), float(scale)
        groups = grid(-(-a.size // 4), WORKGROUP, a.device_index)
        dropout_pipeline(dtype_name(a.dtype)).dispatch([a, draw, y], words, groups)
    return y


def _state(generator: Generator, device_index: int) -> GpuArray:
    """The generator's key and position, in each replay those of another call."""
    source = generator.source()

    def state() -> npt.NDArray[np.uint32]:
        seed, position = source.next()
        return np.array([seed & 0xFFFFFFFF, seed >> 32, position, 0], np.uint32)

    return host_value(state, (4,), np.uint32, device_index)


@cache
def random_pipeline(kind: str) -> Pipeline:
    """A variant of ``random.wgsl``."""
    prelude = math_source("math", "exponential", "trigonometry")
    return _kernel("random").variant(prelude=prelude, KIND=_KINDS.index(kind))


@cache
def dropout_pipeline(dtype: str) -> Pipeline:
    """A variant of ``dropout.wgsl``."""
    prelude = declare_vectors(0, "a", dtype) + declare_output(2, "y", dtype)
    return _kernel("dropout").variant(prelude=prelude)


@cache
def _kernel(name: str) -> Kernel:
    source = unroll(read_shader("threefry.wgsl") + read_shader(f"{name}.wgsl"), {})
    return Kernel(source, name=name, trusted=True)


class Random:
    """The family's part of the backend."""

    index: int

    def random(self, kind: str, shape: Shape, generator: Generator) -> GpuArray:
        return random(kind, shape, generator, self.index)

    def random_integers(self, shape: Shape, low: int, span: int, generator: Generator) -> GpuArray:
        return random("integer", shape, generator, self.index, low, span % 2**32)

    dropout = staticmethod(dropout)
    dropout_again = staticmethod(dropout_again)
