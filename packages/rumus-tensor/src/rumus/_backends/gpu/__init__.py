"""The primitives in WGSL: plans in Python, kernels in ``shaders/tensor``."""

from functools import cache

from rumus._backends.contract import Backend
from rumus.gpu import GpuArray

from .backend import GpuBackend

__all__ = ["GpuBackend", "get_gpu_backend"]


@cache
def get_gpu_backend(index: int) -> Backend[GpuArray]:
    """The primitives on the device ``"gpu:index"``."""
    return GpuBackend(index)
