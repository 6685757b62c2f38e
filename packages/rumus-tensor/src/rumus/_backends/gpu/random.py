"""Random numbers: the Threefry kernel, fed with the generator's state."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from rumus._backends.generator import Generator
from rumus._core.dtypes import float32, int32
from rumus.gpu import GpuArray, Pipeline, empty, host_value

from .elementwise import elementwise
from .fusion import State
from .kernels import WORKGROUP, grid, kernel
from .layout import Shape
from .wgsl import math_source, threefry_source

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
    return elementwise("dropout", [a, State(draw), float(p), float(scale)])


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
    prelude += threefry_source()
    return kernel("random").variant(prelude=prelude, KIND=_KINDS.index(kind))


class Random:
    """The family's part of the backend."""

    index: int

    def random(self, kind: str, shape: Shape, generator: Generator) -> GpuArray:
        return random(kind, shape, generator, self.index)

    def random_integers(self, shape: Shape, low: int, span: int, generator: Generator) -> GpuArray:
        return random("integer", shape, generator, self.index, low, span % 2**32)

    dropout = staticmethod(dropout)
    dropout_again = staticmethod(dropout_again)
