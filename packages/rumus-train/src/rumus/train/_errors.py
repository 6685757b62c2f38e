"""The errors of training, a branch of the tree in :mod:`rumus.tensor`.

::

    RumusError
    ├── EmptyEpochError (RuntimeError)   the mean of an epoch in which no step was taken
    ├── RunFileError (ValueError)        a file of a run or a checkpoint that cannot be read
    └── MissingExtraError (ImportError)  an optional package that is not installed
"""

from rumus.tensor import RumusError


class EmptyEpochError(RumusError, RuntimeError):
    """The mean loss of an epoch was asked for in which no step was taken."""


class MissingExtraError(RumusError, ImportError):
    """Something needs a package that only an extra of rumus-train installs."""


class RunFileError(RumusError, ValueError):
    """A file of a run or of a checkpoint is not what it should be."""
