"""What one does before and around training, a file a tool."""

from ._batch_size import find_batch_size
from ._lr_range import LrRange, lr_range_test
from ._overfit import OverfitReport, overfit_one_batch
from ._profiler import Profiler, ProfileSteps
from ._seed import seed_everything
from ._shards import find_shards

__all__ = [
    "LrRange",
    "OverfitReport",
    "ProfileSteps",
    "Profiler",
    "find_batch_size",
    "find_shards",
    "lr_range_test",
    "overfit_one_batch",
    "seed_everything",
]
