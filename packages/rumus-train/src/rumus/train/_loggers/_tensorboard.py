"""Values for TensorBoard."""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rumus.tensor import Tensor

from .._extras import extra
from ._sink import Logger, numbers, pixels

_numbers = itertools.count()


class TensorBoardLogger(Logger):
    """Event files that ``tensorboard --logdir`` shows: numbers, pictures, histograms, texts.

    Needs the extra ``rumus-train[tensorboard]``.

    Args:
        folder: Where the files go.

    Raises:
        MissingExtraError: tensorboardX is not installed.

    Example:
        >>> from rumus.train import Every, Log
        >>> logs = Log(TensorBoardLogger("events"), every=Every(steps=10))
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._folder = str(Path(folder))
        self._api = extra("tensorboardX", "tensorboard", "a TensorBoardLogger")
        self._writer: Any = None
        self._purged: int | None = None

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Write numbers."""
        for name, value in numbers(values).items():
            self._opened().add_scalar(name, value, step)

    def image(self, step: int, name: str, image: Any) -> None:
        """Write a picture."""
        self._opened().add_image(name, pixels(image), step, dataformats="HWC")

    def histogram(self, step: int, name: str, values: Any) -> None:
        """Write a distribution; numbers that are not finite are left out."""
        array = values.numpy() if isinstance(values, Tensor) else np.asarray(values)
        finite = array[np.isfinite(array)]
        if finite.size:
            self._opened().add_histogram(name, finite.astype(np.float64), step, bins="auto")

    def text(self, step: int, name: str, text: str) -> None:
        """Write a text."""
        self._opened().add_text(name, text, step)

    def resume(self, step: int) -> None:
        """Have TensorBoard hide what was written for later steps."""
        self.close()
        self._writer, self._purged = None, step + 1

    def flush(self) -> None:
        """Write to disk."""
        if self._writer is not None:
            self._writer.flush()

    def close(self) -> None:
        """Close the files."""
        if self._writer is not None:
            self._writer.close()

    def _opened(self) -> Any:
        """The writer, whose file is not made before: of several processes one alone writes."""
        if self._writer is None:
            # The file's name has whole seconds: another one within this one must not replace it.
            self._writer = self._api.SummaryWriter(
                self._folder,
                purge_step=self._purged,
                filename_suffix=f".{os.getpid()}.{next(_numbers):06}",
            )
        return self._writer
