"""``rumus-data peek``."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rumus.tensor import ArgumentError

from .. import RecordDataset
from .._convert._naming import naming
from ._text import say

_PRINTED = 1000  # elements


def peek(path: Path, index: int, out: Path | None, overwrite: bool) -> None:
    """Draw a sample that looks like an image as PNG; print another one.

    Args:
        path: A record file.
        index: The number of the sample.
        out: Where to draw it; by default in the current folder.
        overwrite: Whether a picture that exists is replaced.
    """
    with naming(path):
        input, target = RecordDataset(path, mapped=False).read(index)
    parts = {"input": input, "target": target}
    if input.dtype.names and not target.size:  # a sample of several parts
        parts = {name: input[name] for name in input.dtype.names}
    say("; ".join(f"{name}: {array.dtype} {array.shape}" for name, array in parts.items()))
    drawn = next((n for n, a in parts.items() if a is not target and _is_image(a)), None)
    for name, array in parts.items():
        pixels = pixels_of(array) if name == drawn else None
        if pixels is None:
            print(f"{name}:", np.array2string(array, threshold=_PRINTED))
        else:
            out = out or Path(f"{path.stem}-{index}.png")
            _draw(pixels, out, overwrite)
            say(f"drawn to {out}")


def _is_image(array: npt.NDArray[Any]) -> bool:
    return pixels_of(array) is not None


def _draw(pixels: npt.NDArray[np.uint8], out: Path, overwrite: bool) -> None:
    """Make a picture, or nothing.

    Raises:
        ArgumentError: The file exists, or its name or the pixels fit no format.
    """
    from PIL import Image

    kind = Image.registered_extensions().get(out.suffix.lower())
    if kind is None:
        raise ArgumentError(f"{out} says no format of images; take a name such as {out.stem}.png")
    if os.path.lexists(out) and not (overwrite and out.is_file()):
        raise ArgumentError(f"{out} exists; --overwrite replaces it if it is a file")
    picture = io.BytesIO()
    try:
        Image.fromarray(pixels).save(picture, kind)
    except Exception as error:  # each format has limits, and errors, of its own
        raise ArgumentError(f"the sample cannot be drawn as {kind}: {error}") from error
    out.write_bytes(picture.getbuffer())


def pixels_of(array: npt.NDArray[Any]) -> npt.NDArray[np.uint8] | None:
    """The array as grey (h, w) or coloured (h, w, 3) pixels; None if it does not look like them."""
    if array.ndim == 3 and array.shape[0] in (1, 3):
        array = array.transpose(1, 2, 0)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    grey, coloured = array.ndim == 2, array.ndim == 3 and array.shape[2] == 3
    if not (grey or coloured) or min(array.shape[:2]) < 4 or array.dtype.kind not in "uif":
        return None
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array)
    values = array.astype(np.float64) / 2  # so that no difference of two is infinite
    finite = values[np.isfinite(values)]
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 0.0)
    shown = np.nan_to_num(values, nan=low, posinf=high, neginf=low)
    return np.asarray((shown - low) / max(high - low, 1e-300) * 255, np.uint8)
