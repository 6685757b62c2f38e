"""The training loop: a step that never waits for the device, and the mean loss of an epoch."""

from .__about__ import __version__
from ._errors import CheckpointError, EmptyEpochError, NonFiniteError, RunFolderError
from ._evaluate import Validate
from ._events import Callback, Event
from ._every import Every
from ._keep import Keep, KeepBest, KeepEvery, KeepLast, Saved
from ._progress import Progress
from ._run import Run
from ._run_folder import RunFolder, load_checkpoint
from ._trainer import OptimizerLike, Trainer

__all__ = [
    "Callback",
    "CheckpointError",
    "EmptyEpochError",
    "Event",
    "Every",
    "Keep",
    "KeepBest",
    "KeepEvery",
    "KeepLast",
    "NonFiniteError",
    "OptimizerLike",
    "Progress",
    "Run",
    "RunFolder",
    "RunFolderError",
    "Saved",
    "Trainer",
    "Validate",
    "__version__",
    "load_checkpoint",
]
