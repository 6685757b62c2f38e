"""What a sink of values is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from rumus.tensor import ArgumentError, Tensor

from .._extras import extra


class Logger:
    """A sink of a run's values. The step is that of the run's progress, on every axis.

    A subclass takes numbers with :meth:`log`; pictures, histograms and texts are dropped where it
    has no place for them. ``with`` closes it.

    Example:
        >>> class Memory(Logger):
        ...     def __init__(self):
        ...         self.lines = []
        ...     def log(self, step, values):
        ...         self.lines.append((step, dict(values)))
        >>> logger = Memory()
        >>> logger.log(1, {"loss": 0.5})
        >>> logger.lines
        [(1, {'loss': 0.5})]
    """

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Take in numbers by name."""
        raise NotImplementedError

    def image(self, step: int, name: str, image: Any) -> None:
        """Take in a picture: of shape (height, width), or with 1, 3 or 4 channels behind.

        Args:
            step: Of the run.
            name: Of the picture.
            image: uint8, or floats from 0 to 1; a tensor, an array or a matplotlib ``Figure``.
        """

    def histogram(self, step: int, name: str, values: Any) -> None:
        """Take in the distribution of a tensor's or an array's numbers."""

    def text(self, step: int, name: str, text: str) -> None:
        """Take in a text."""

    def resume(self, step: int) -> None:
        """Forget what was logged after a step, which the run goes on from."""

    def flush(self) -> None:
        """Let readers see everything."""

    def close(self) -> None:
        """Write what is left, and close the sink."""

    def __enter__(self) -> Logger:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def numbers(values: Mapping[str, Any]) -> dict[str, float]:
    """Values as floats by name; whole numbers, as of epochs and samples, stay so.

    Raises:
        ArgumentError: One is no single number, or a tensor.
    """
    found = {}
    for name, value in values.items():
        if isinstance(value, Tensor) or np.ndim(value) != 0:
            raise ArgumentError(
                f"a logger takes numbers, and {name!r} is of shape {np.shape(value)}"
                if not isinstance(value, Tensor)
                else f"a logger takes numbers, and {name!r} is a tensor; item() reads it, and waits"
            )
        try:
            found[name] = value if type(value) is int else float(value)
        except (TypeError, ValueError):
            raise ArgumentError(f"a logger takes numbers, and {name!r} is {value!r}") from None
    return found


_CHANNELS = (1, 3, 4)


def pixels(image: Any) -> npt.NDArray[np.uint8]:
    """A picture as uint8 of shape (height, width, channels).

    Whole numbers are from 0 to 255 and others from 0 to 1. Channels may come first, as in a batch.

    Raises:
        ArgumentError: It is none.
    """
    if hasattr(image, "canvas"):
        agg = extra("matplotlib.backends.backend_agg", "plots", "a picture")
        canvas = agg.FigureCanvasAgg(image)
        canvas.draw()
        return np.asarray(canvas.buffer_rgba())[..., :3].copy()
    array: npt.NDArray[Any] = image.numpy() if isinstance(image, Tensor) else np.asarray(image)
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim == 3 and array.shape[-1] not in _CHANNELS and array.shape[0] in _CHANNELS:
        array = array.transpose(1, 2, 0)
    if array.ndim != 3 or array.shape[-1] not in _CHANNELS:
        raise ArgumentError(
            "a picture has the shape (height, width), or with 1, 3 or 4 channels last or first, "
            f"not {array.shape}"
        )
    is_whole = array.dtype.kind in "iu"
    levels = np.clip(array, 0, 255) if is_whole else np.round(np.clip(array, 0, 1) * 255)
    return np.asarray(levels, np.uint8)
