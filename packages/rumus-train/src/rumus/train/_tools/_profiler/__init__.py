"""Where the time and the memory of steps go."""

from ._profiler import Profiler

__all__ = ["Profiler"]
