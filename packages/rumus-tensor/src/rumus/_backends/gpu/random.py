"""Random numbers: the Threefry kernel, fed with the generator's state."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from rumus._backends.generator import Generator
from rumus._core.dtypes import float32
from rumus.gpu import GpuArray, Kernel, Pipeline, empty, host_value

from .kernels import WORKGROUP, grid
from .layout import Shape
from .unroll import unroll
from .wgsl import math_source, read_shader


def random(kind: str, shape: Shape, generator: Generator, device_index: int) -> GpuArray:
    """See ``Backend.random``."""
    source = generator.source()

    def state() -> npt.NDArray[np.uint32]:
        seed, position = source.next()
        return np.array([seed & 0xFFFFFFFF, seed >> 32, position, 0], np.uint32)

    words = host_value(state, (4,), np.uint32, device_index)
    output = empty(shape, float32, device_index)
    groups = grid(-(-output.size // 4), WORKGROUP, device_index)
    random_pipeline(kind == "normal").dispatch([words, output], (output.size, words.offset), groups)
    return output


@cache
def random_pipeline(normal: bool) -> Pipeline:
    """A variant of ``random.wgsl``."""
    source = unroll(read_shader("random.wgsl"), {})
    kernel = Kernel(source, name="random", trusted=True)
    return kernel.variant(prelude=math_source("math", "exponential", "trigonometry"), NORMAL=normal)


class Random:
    """The family's part of the backend."""

    index: int

    def random(self, kind: str, shape: Shape, generator: Generator) -> GpuArray:
        return random(kind, shape, generator, self.index)
