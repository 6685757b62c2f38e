"""The backend contract over tensors: a backward pass that runs on it is recorded."""

from .backend import Recorder, recorder

__all__ = ["Recorder", "recorder"]
