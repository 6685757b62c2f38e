"""Optimizers, learning-rate schedules and gradient clipping."""

import typing as _typing

from rumus.optim import lr_scheduler
from rumus.optim.__about__ import __version__
from rumus.optim._accumulate import GradientAccumulator
from rumus.optim._average import WeightAverage
from rumus.optim._clip import clip_grad_norm_, clip_grad_value_
from rumus.optim._contract import GpuStep
from rumus.optim._cpu.work import CpuWork
from rumus.optim._errors import (
    HyperparameterError,
    NonFiniteGradientError,
    OptimizerStateError,
    ParameterListError,
    UnknownAttributeError,
)
from rumus.optim._groups import no_decay_groups
from rumus.optim._lbfgs import LBFGS
from rumus.optim._optimizer import Optimizer
from rumus.optim._rules.adadelta import Adadelta
from rumus.optim._rules.adafactor import Adafactor
from rumus.optim._rules.adagrad import Adagrad
from rumus.optim._rules.adam import Adam
from rumus.optim._rules.adamax import Adamax
from rumus.optim._rules.adamw import AdamW
from rumus.optim._rules.asgd import ASGD
from rumus.optim._rules.lamb import LAMB
from rumus.optim._rules.lars import LARS
from rumus.optim._rules.lion import Lion
from rumus.optim._rules.muon import Muon
from rumus.optim._rules.nadam import NAdam
from rumus.optim._rules.radam import RAdam
from rumus.optim._rules.rmsprop import RMSprop
from rumus.optim._rules.rprop import Rprop
from rumus.optim._rules.sgd import SGD
from rumus.optim._state_dict import join_states

if not _typing.TYPE_CHECKING:  # else checkers would take any name
    from rumus.optim._foreign import missing as __getattr__  # noqa: F401

__all__ = [
    "ASGD",
    "LAMB",
    "LARS",
    "LBFGS",
    "SGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "CpuWork",
    "GpuStep",
    "GradientAccumulator",
    "HyperparameterError",
    "Lion",
    "Muon",
    "NAdam",
    "NonFiniteGradientError",
    "Optimizer",
    "OptimizerStateError",
    "ParameterListError",
    "RAdam",
    "RMSprop",
    "Rprop",
    "UnknownAttributeError",
    "WeightAverage",
    "__version__",
    "clip_grad_norm_",
    "clip_grad_value_",
    "join_states",
    "lr_scheduler",
    "no_decay_groups",
]
