"""Which tensors there are, and how much memory they hold."""

from __future__ import annotations

import gc
from typing import Any, NamedTuple

import numpy as np

from rumus.nn import Module
from rumus.tensor import TensorBase


class Held(NamedTuple):
    """Tensors of a kind.

    Attributes:
        name: The path in the model, or nothing.
        what: Device, dtype and shape.
        tensors: How many.
        nbytes: Of all of them; memory that several tensors share is counted once.
    """

    name: str
    what: str
    tensors: int
    nbytes: int


def tensors_alive(model: Module | None = None) -> list[Held]:
    """The tensors that Python holds now, the largest kinds first.

    Args:
        model: Whose parameters and buffers come by name.
    """
    names = {}
    if model is not None:
        names = {_place(value): path for path, value in model.state_dict().items()}
    seen: set[Any] = set()
    kinds: dict[tuple[str, str], list[int]] = {}
    # By type: isinstance asks objects for their __class__, and proxies of others do things then
    for x in [x for x in gc.get_objects() if issubclass(type(x), TensorBase)]:
        place = _place(x)
        if place in seen:
            continue
        seen.add(place)
        what = f"{x.device} {x.dtype} {'×'.join(map(str, x.shape)) or '()'}"
        entry = kinds.setdefault((names.get(place, ""), what), [0, 0])
        entry[0] += 1
        entry[1] += x.size * x.dtype.itemsize
    found = [Held(name, what, *entry) for (name, what), entry in kinds.items()]
    return sorted(found, key=lambda held: -held.nbytes)


def _place(x: Any) -> tuple[Any, ...]:
    """Where a tensor's memory is, the same for those that share it."""
    array = x.array
    if isinstance(array, np.ndarray):
        return x.device, array.__array_interface__["data"][0], x.size
    return x.device, id(array.storage), array.offset, x.size
