"""Looking at data for mistakes, which are reported when the host next waits."""

from __future__ import annotations

from functools import cache

from rumus._core.errors import ArgumentError
from rumus.gpu import GpuArray, Pipeline, _faults

from .kernels import WORKGROUP, grid, kernel
from .movement import contiguous
from .wgsl import declare_loads


def check(mask: GpuArray, message: str) -> None:
    """See ``Backend.check``."""
    mask = contiguous(mask)
    words = mask.size, mask.offset, _code(message)
    groups = grid(mask.size, WORKGROUP, mask.device_index)
    if mask.size:
        check_pipeline().dispatch([mask], words, groups)


@cache
def check_pipeline() -> Pipeline:
    """``check.wgsl``."""
    return kernel("check").variant(prelude=declare_loads(0, "mask", "bool", vectors=False))


@cache
def _code(message: str) -> int:
    return _faults.register((message, ArgumentError))


class Check:
    """The family's part of the backend."""

    check = staticmethod(check)
