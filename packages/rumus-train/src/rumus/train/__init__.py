"""The training loop: a step that never waits for the device, and the mean loss of an epoch."""

from ._errors import EmptyEpochError
from ._trainer import OptimizerLike, Trainer

__all__ = ["EmptyEpochError", "OptimizerLike", "Trainer"]
