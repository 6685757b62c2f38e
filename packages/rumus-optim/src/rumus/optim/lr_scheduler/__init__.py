"""Learning-rate schedules: the rate as a function of the step, kept apart from the optimizer."""

import typing as _typing

from rumus.optim.lr_scheduler._base import LRScheduler, MetricScheduler, Schedule
from rumus.optim.lr_scheduler._chained import ChainedScheduler
from rumus.optim.lr_scheduler._constant import ConstantLR
from rumus.optim.lr_scheduler._cosine import CosineAnnealingLR
from rumus.optim.lr_scheduler._cyclic import CyclicLR
from rumus.optim.lr_scheduler._exponential import ExponentialLR
from rumus.optim.lr_scheduler._lambda import LambdaLR
from rumus.optim.lr_scheduler._linear import LinearLR
from rumus.optim.lr_scheduler._multi_step import MultiStepLR
from rumus.optim.lr_scheduler._multiplicative import MultiplicativeLR
from rumus.optim.lr_scheduler._one_cycle import OneCycleLR
from rumus.optim.lr_scheduler._plateau import ReduceLROnPlateau
from rumus.optim.lr_scheduler._polynomial import PolynomialLR
from rumus.optim.lr_scheduler._sequential import SequentialLR
from rumus.optim.lr_scheduler._step import StepLR
from rumus.optim.lr_scheduler._warm_restarts import CosineAnnealingWarmRestarts
from rumus.optim.lr_scheduler._warmup_cosine import WarmupCosine

if not _typing.TYPE_CHECKING:  # else checkers would take any name
    from rumus.optim._foreign import missing_schedule as __getattr__  # noqa: F401

__all__ = [
    "ChainedScheduler",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MetricScheduler",
    "MultiStepLR",
    "MultiplicativeLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "Schedule",
    "SequentialLR",
    "StepLR",
    "WarmupCosine",
]
