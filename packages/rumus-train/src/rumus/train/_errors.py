"""The errors of training, a branch of the tree in :mod:`rumus.tensor`.

::

    RumusError
    └── EmptyEpochError (RuntimeError)   the mean of an epoch in which no step was taken
"""

from rumus.tensor import RumusError


class EmptyEpochError(RumusError, RuntimeError):
    """The mean loss of an epoch was asked for in which no step was taken."""
