"""What holds the memory of a GPU, for the error that says that there is no more."""

from __future__ import annotations

import gc

from rumus._core.base import TensorBase
from rumus.gpu._array import GpuArray


def largest(index: int, count: int = 5) -> list[str]:
    """The largest arrays on a GPU in words, those of parameters by their names."""
    found: dict[int, tuple[int, str]] = {}
    objects = gc.get_objects()
    for held in objects:
        if isinstance(held, TensorBase):
            _note(found, index, getattr(held, "_array", None), _label(held))
    for held in objects:
        if isinstance(held, GpuArray):
            _note(found, index, held, "kept by a backward pass, an optimizer or a capture")
    ordered = sorted(found.values(), key=lambda entry: -entry[0])
    return [f"{nbytes:,} bytes {text}" for nbytes, text in ordered[:count]]


def _note(found: dict[int, tuple[int, str]], index: int, array: object, label: str) -> None:
    try:
        if isinstance(array, GpuArray) and array.device_index == index:
            what = f"of {label} of shape {array.shape}, {array.dtype}"
            found.setdefault(id(array.storage), (array.storage.nbytes, what))
    except AttributeError:  # one that is just being made
        return


def _label(tensor: TensorBase) -> str:
    label = getattr(tensor, "label", None)
    return label if isinstance(label, str) else "a tensor"
