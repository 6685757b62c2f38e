"""The primitives in numpy."""

from .backend import CpuBackend

__all__ = ["CpuBackend"]
