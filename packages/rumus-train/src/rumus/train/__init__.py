"""The training loop: a step that never waits for the device, and the mean loss of an epoch."""

from .__about__ import __version__
from ._errors import EmptyEpochError
from ._trainer import OptimizerLike, Trainer

__all__ = ["EmptyEpochError", "OptimizerLike", "Trainer", "__version__"]
