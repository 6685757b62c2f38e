"""The errors of this package, a branch of :class:`rumus.tensor.RumusError`.

::

    RumusError
    ├── RecordError                          anything about a record file
    │   ├── RecordFormatError                no record file, or one that breaks the format's rules
    │   ├── RecordCorruptError               bytes that do not match their checksum
    │   ├── RecordFileIncompleteError        a file whose writer has not finished
    │   ├── RecordFileChangedError           a file that was cut or replaced since it was opened
    │   └── RecordWriteError (OSError)       the system refused to write, a full disk for example
    ├── DatasetError (RuntimeError)          a data set that does not keep its promises
    ├── LoaderStateError (ValueError)        a saved state that does not fit the loader
    ├── LoopInUseError (RuntimeError)        a loop asked for a batch while it is making one
    └── TokenizerError (ValueError)          what has no token, or a file that holds no tokenizer
"""

from rumus.tensor import RumusError


class RecordError(RumusError):
    """Anything that is wrong with a record file."""


class RecordFormatError(RecordError):
    """The file is no record file, or it breaks the rules of the format."""


class RecordCorruptError(RecordError):
    """Bytes of the file do not match their checksum."""


class RecordFileIncompleteError(RecordError):
    """The writer of the file has not finished, or was killed; see :func:`rumus.data.recover`."""


class RecordFileChangedError(RecordError):
    """The file is not what it was when it was opened: it was cut, or its path leads to another."""


class RecordWriteError(RecordError, OSError):
    """The system refused to write; what was flushed before can be recovered."""


class DatasetError(RumusError, RuntimeError):
    """A data set does not keep its promises, for example about its length."""


class LoaderStateError(RumusError, ValueError):
    """A saved state does not fit the loader that is to go on from it."""


class LoopInUseError(RumusError, RuntimeError):
    """A loop was asked for a batch by the very thread that it is making one for."""


class TokenizerError(RumusError, ValueError):
    """A character or a number has no token, or a file holds no tokenizer."""


def no_batch(epoch: int) -> DatasetError:
    """What is raised where a loader has nothing to look at."""
    return DatasetError(f"there is no batch to look at in what is left of epoch {epoch}")
