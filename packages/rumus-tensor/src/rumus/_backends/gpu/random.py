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
from .unroll import unroll
from .wgsl import math_source, read_shader

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
    source = generator.source()

    def state() -> npt.NDArray[np.uint32]:
        seed, position = source.next()
        return np.array([seed & 0xFFFFFFFF, seed >> 32, position, 0], np.uint32)

    words = host_value(state, (4,), np.uint32, device_index)
    output = empty(shape, int32 if kind == "integer" else float32, device_index)
    groups = grid(-(-output.size // 4), WORKGROUP, device_index)
    params = output.size, words.offset, low, span
    random_pipeline(kind).dispatch([words, output], params, groups)
    return output


@cache
def random_pipeline(kind: str) -> Pipeline:
    """A variant of ``random.wgsl``."""
    source = unroll(read_shader("random.wgsl"), {})
    kernel = Kernel(source, name="random", trusted=True)
    prelude = math_source("math", "exponential", "trigonometry")
    return kernel.variant(prelude=prelude, KIND=_KINDS.index(kind))


class Random:
    """The family's part of the backend."""

    index: int

    def random(self, kind: str, shape: Shape, generator: Generator) -> GpuArray:
        return random(kind, shape, generator, self.index)

    def random_integers(self, shape: Shape, low: int, span: int, generator: Generator) -> GpuArray:
        return random("integer", shape, generator, self.index, low, span % 2**32)
