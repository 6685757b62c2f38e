"""Where the time and the memory of steps go."""

from ._callback import ProfileSteps
from ._profiler import Profiler

__all__ = ["ProfileSteps", "Profiler"]
