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
from .._warn import warn
from . import folder
from .files import Array
from .split import split_state

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
        self._said = False
        self._error: BaseException | None = None

    def save(
        self, state: Mapping[str, Any], progress: Progress, metrics: Mapping[str, float]
    ) -> None:
        """Take a snapshot, and let a thread write it; a save before is waited for.

        Where there is no memory for the snapshot, the arrays are written one by one instead, before
        the training goes on, and a warning says so once.

        Raises:
            OSError: That save failed, or this one without a snapshot did.
        """
        self.wait()
        arrays, rest = split_state(state)
        try:
            snapshot = host_copies(arrays)
        except MemoryError:
            self._say()
            self._write(progress, dict(metrics), arrays, rest)
            self.wait()
            return
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

    def _say(self) -> None:
        if not self._said:
            self._said = True
            warn(
                "there is no memory for a copy of the run on the host: checkpoints are written "
                "while the training waits"
            )

    def _write(
        self,
        progress: Progress,
        metrics: dict[str, float],
        arrays: Mapping[str, Array | Tensor],
        rest: Any,
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

    From a GPU it comes in pieces, since a copy on a small one may not fit.
    """
    if isinstance(array, Tensor) and array.device.kind == "gpu":
        return array.numpy()
    return np.array(array if isinstance(array, np.ndarray) else array.numpy())
