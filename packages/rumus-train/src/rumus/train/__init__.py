"""The training loop: a step that never waits for the device, and the mean loss of an epoch."""

from .__about__ import __version__
from ._callbacks.bar import ProgressBar
from ._callbacks.limits import StopOnNonFinite, TimeLimit
from ._callbacks.logger import Log, Sink
from ._callbacks.monitors import LearningRateMonitor, OnEvent, Timing, WeightNorms
from ._callbacks.watching import EarlyStopping
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
    "EarlyStopping",
    "EmptyEpochError",
    "Event",
    "Every",
    "Keep",
    "KeepBest",
    "KeepEvery",
    "KeepLast",
    "LearningRateMonitor",
    "Log",
    "NonFiniteError",
    "OnEvent",
    "OptimizerLike",
    "Progress",
    "ProgressBar",
    "Run",
    "RunFolder",
    "RunFolderError",
    "Saved",
    "Sink",
    "StopOnNonFinite",
    "TimeLimit",
    "Timing",
    "Trainer",
    "Validate",
    "WeightNorms",
    "__version__",
    "load_checkpoint",
]
