"""Gradients that share a buffer, worked on as a whole: one dispatch for each buffer.

What is computed from a whole buffer has its layout, so that whatever reads it next takes one
dispatch too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from rumus.autograd import ParamId
from rumus.gpu import GpuArray
from rumus.optim._contract import Shape
from rumus.optim._gpu.arrays import view
from rumus.tensor import Tensor

SLOT_BYTES = 256
"""What an arena aligns its slots to."""


class Place(NamedTuple):
    """Where an array lies in a buffer."""

    shape: Shape
    strides: Shape
    offset: int
    dtype: Any


class FlatView(GpuArray):
    """A part of a buffer that was computed, element by element, from whole buffers of one layout.

    Attributes:
        origin: the storage that the layout is of. Where it holds zeros between its arrays, and they
            stay zeros, so does this one's.
    """

    __slots__ = ("origin",)

    def __init__(self, whole: GpuArray, place: Place, origin: Any) -> None:
        super().__init__(whole.storage, place.shape, place.strides, place.offset, whole.dtype)
        self.origin = origin


def origin(array: GpuArray) -> Any:
    """The storage that says what lies between an array and its neighbours."""
    return array.origin if isinstance(array, FlatView) else array.storage


@dataclass(frozen=True, slots=True)
class Layout:
    """Where gradients lie in a buffer.

    Attributes:
        origin: the storage that had the layout first.
        places: by parameter.
    """

    origin: Any
    places: Mapping[ParamId, Place]

    def views(self, computed: Tensor) -> dict[ParamId, Tensor]:
        """The places of a tensor that was computed from a whole buffer."""
        whole = computed.array
        return {
            id: Tensor.from_array(FlatView(whole, place, self.origin))
            for id, place in self.places.items()
        }


class Flat:
    """Gradients that share a buffer.

    Attributes:
        whole: all of the buffer.
        layout: where they lie in it.
    """

    def __init__(self, arrays: dict[ParamId, GpuArray]) -> None:
        first = next(iter(arrays.values()))
        size = first.storage.nbytes // first.dtype.itemsize
        self.whole = Tensor.from_array(view(first, (size,), 0))
        places = {id: Place(a.shape, a.strides, a.offset, a.dtype) for id, a in arrays.items()}
        self.layout = Layout(origin(first), places)


def find_flats(grads: Mapping[ParamId, Tensor]) -> list[Flat]:
    """The buffers that two or more of some gradients fill at least half of, padding included."""
    by_storage: dict[int, dict[ParamId, GpuArray]] = {}
    for key, grad in grads.items():
        if grad.device.kind == "gpu":
            by_storage.setdefault(id(grad.array.storage), {})[key] = grad.array
    return [Flat(arrays) for arrays in by_storage.values() if _fill(list(arrays.values()))]


def _fill(arrays: list[GpuArray]) -> bool:
    first = arrays[0]
    slots = sum(-(-a.nbytes // SLOT_BYTES) for a in arrays if a.dtype == first.dtype)
    return len(arrays) > 1 and 2 * slots * SLOT_BYTES >= first.storage.nbytes
