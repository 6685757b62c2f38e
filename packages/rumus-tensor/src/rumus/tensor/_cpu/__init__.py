"""The primitives in numpy."""

from ._backend import CpuBackend

__all__ = ["CpuBackend"]
