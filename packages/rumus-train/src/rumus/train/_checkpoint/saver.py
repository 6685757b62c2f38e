"""Saving beside the training: a snapshot on the host, and a thread that writes it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rumus.tensor import Tensor

from .._keep import Keep
from .._progress import Progress
from . import folder
from .files import Array
from .split import split_state

_BLOCK = 16 << 20  # bytes
_COPIES = ("optimizers/", "average/")
"""Where the arrays of a state are copies already."""


class Saver:
    """Writes checkpoints into a folder, one at a time.

    Args:
        root: The folder.
        keep: What stays once a newer one is on disk.
    """

    def __init__(self, root: Path, keep: Keep) -> None:
        self._root, self._keep = root, keep
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None

    def save(
        self, state: Mapping[str, Any], progress: Progress, metrics: Mapping[str, float]
    ) -> None:
        """Take a snapshot, and let a thread write it; a save before is waited for.

        Raises:
            OSError: That save failed.
        """
        self.wait()
        arrays, rest = split_state(state)
        snapshot = host_copies(arrays)
        self._thread = threading.Thread(
            target=self._write,
            args=(progress, dict(metrics), snapshot, rest),
            name="rumus-checkpoint",
        )
        self._thread.start()

    def wait(self) -> None:
        """Wait until everything is on disk.

        Raises:
            OSError: The save failed, as with a full disk.
        """
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _write(
        self, progress: Progress, metrics: dict[str, float], arrays: dict[str, Array], rest: Any
    ) -> None:
        try:
            folder.clean(self._root)
            folder.write(self._root, progress, metrics, arrays, rest)
            folder.clean(self._root, self._keep)
        except BaseException as error:  # comes out of the next call
            self._error = error
            folder.clean(self._root)


def host_copies(arrays: Mapping[str, Array | Tensor]) -> dict[str, Array]:
    """A state's arrays on the host, which nobody else has."""
    return {
        name: array
        if isinstance(array, np.ndarray) and name.startswith(_COPIES)
        else host_copy(array)
        for name, array in arrays.items()
    }


def host_copy(array: Array | Tensor) -> Array:
    """A copy of an array on the host that nobody else has.

    From a GPU it comes in blocks, since a copy on a small one may not fit.
    """
    if isinstance(array, np.ndarray):
        return array.copy()
    if array.device.kind == "cpu" or array.size * array.dtype.itemsize <= _BLOCK:
        return np.array(array.numpy())
    flat = array.detach().reshape(-1)
    result = np.empty(array.size, array.dtype)
    length = _BLOCK // array.dtype.itemsize
    for start in range(0, array.size, length):
        result[start : start + length] = flat[start : start + length].numpy()
    return result.reshape(array.shape)
