"""The errors that a user's mistake in rumus.optim can raise.

::

    rumus.tensor.RumusError
    ├── ArgumentError
    │   ├── HyperparameterError      a learning rate, beta, step size … outside its range
    │   ├── ParameterListError       no parameters, a parameter twice, something that is none
    │   └── NonFiniteGradientError   an infinite or NaN norm with ``error_if_nonfinite=True``
    ├── StateDictError
    │   └── OptimizerStateError      a state dict of another optimizer, scheduler or shape
    └── UnknownAttributeError (AttributeError)  a name that optimizers of other frameworks have
"""

from rumus.tensor import ArgumentError, RumusError, StateDictError


class HyperparameterError(ArgumentError):
    """A hyperparameter outside the range that the formula is defined for."""


class ParameterListError(ArgumentError):
    """An optimizer was given no parameters, one of them twice, or something else."""


class NonFiniteGradientError(ArgumentError):
    """The norm of the gradients is infinite or NaN and the caller asked to be told."""


class OptimizerStateError(StateDictError):
    """A state dict that belongs to another optimizer, scheduler or set of parameters."""


class UnknownAttributeError(RumusError, AttributeError):
    """A name that optimizers of other frameworks have; the message says what to do instead."""
