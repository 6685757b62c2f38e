"""The errors of training, a branch of the tree in :mod:`rumus.tensor`.

::

    RumusError
    ├── EmptyEpochError (RuntimeError)   an epoch in which there was no batch
    ├── CheckpointError (ValueError)     a checkpoint that is damaged, or of something else
    ├── RunFolderError (ValueError)      a run folder that is in use, or holds another run
    ├── RunFileError (ValueError)        a file of a run or a checkpoint that cannot be read
    ├── NonFiniteError (ArithmeticError) a loss that is infinite or not a number
    ├── GroupError (RuntimeError)        ranks that are missing, or do not train the same
    └── MissingExtraError (ImportError)  an optional package that is not installed
"""

from rumus.tensor import RumusError


class EmptyEpochError(RumusError, RuntimeError):
    """The mean loss of an epoch was asked for in which no step was taken."""


class CheckpointError(RumusError, ValueError):
    """A checkpoint is damaged, of a newer format, or of another model, optimizer or data."""


class RunFolderError(RumusError, ValueError):
    """A run folder is in use by another process, or has a run that was not asked to go on."""


class NonFiniteError(RumusError, ArithmeticError):
    """A loss is infinite or not a number."""


class GroupError(RumusError, RuntimeError):
    """A rank is missing or has failed, ranks do not train the same, or they are no group."""


class MissingExtraError(RumusError, ImportError):
    """Something needs a package that only an extra of rumus-train installs."""


class RunFileError(RumusError, ValueError):
    """A file of a run or of a checkpoint is not what it should be."""
