"""``rumus-data peek``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rumus.tensor import ArgumentError

from .. import RecordDataset

_PRINTED = 1000  # elements


def peek(path: Path, index: int, out: Path | None) -> None:
    """Draw a sample that looks like an image as PNG; print another one.

    Args:
        path: A record file.
        index: The number of the sample.
        out: Where to draw it; by default in the current folder.
    """
    input, target = RecordDataset(path).read(index)
    print(f"input: {input.dtype} {input.shape}; target: {target.dtype} {target.shape}")
    pixels = pixels_of(input)
    if pixels is None:
        print(np.array2string(input, threshold=_PRINTED))
    else:
        from PIL import Image

        out = out or Path(f"{path.stem}-{index}.png")
        try:
            Image.fromarray(pixels).save(out)
        except ValueError:
            raise ArgumentError(
                f"{out} says no format of images; take a name such as {out.stem}.png"
            ) from None
        print(f"drawn to {out}")
    print("target:", np.array2string(target, threshold=_PRINTED))


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
    values = np.nan_to_num(array.astype(np.float64))
    low, high = values.min(), values.max()
    return np.asarray((values - low) / max(high - low, 1e-12) * 255, np.uint8)
