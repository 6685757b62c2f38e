"""Sums of gradients in memory that captured steps know."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from rumus import gpu
from rumus.autograd import GradientStore, ParamId
from rumus.optim._gpu.flats import Flat, Layout, find_flats
from rumus.tensor import Tensor


class KeptSums:
    """A place for the sum of each parameter's gradients, the same for its whole life.

    Gradients that share a buffer have places that share one in the same layout, so that they are
    added in one dispatch.
    """

    def __init__(self) -> None:
        self._wholes: list[tuple[Layout, Tensor]] = []
        self._places: dict[ParamId, Tensor] = {}

    def adopt(self, sums: GradientStore) -> None:
        """Move sums that lie elsewhere to their places."""
        for id, total in list(sums.items()):
            place = self._places.get(id)
            if place is None or total.array.storage is not place.array.storage:
                with gpu.outside_capture():
                    self._place(id, total).copy_(total)
                sums.replace(id, self._places[id])

    def add(self, sums: GradientStore, given: Mapping[ParamId, Tensor]) -> None:
        """Add gradients; the first of a window is copied."""
        left = dict(given)
        for flat in find_flats(given):
            total = self._whole(flat)
            known = [id in sums for id in flat.layout.places]
            if total is not None and known.count(known[0]) == len(known):
                _add(total, flat.whole, known[0])
                for id in flat.layout.places:
                    sums.replace(id, self._places[id])
                    del left[id]
        for id, grad in left.items():
            place = self._place(id, grad)
            _add(place, grad, id in sums)
            sums.replace(id, place)

    def means(
        self, sums: GradientStore, dtypes: Mapping[ParamId, np.dtype[np.floating]], count: int
    ) -> GradientStore:
        """The means of a window, in memory of their own."""
        means, left = GradientStore(), dict(sums.items())
        for layout, total in self._wholes:
            if all(id in left for id in layout.places):
                dtype = dtypes[next(iter(layout.places))]
                for id, view in layout.views((total * (1 / count)).to(dtype)).items():
                    means.replace(id, view)
                    del left[id]
        for id, place in left.items():
            means.replace(id, (place * (1 / count)).to(dtypes[id]))
        return means

    def _whole(self, flat: Flat) -> Tensor | None:
        """The buffer for gradients that share one; None if they have places elsewhere."""
        layout = flat.layout
        for known, total in self._wholes:
            if known == layout:
                return total
        if any(id in self._places for id in layout.places):
            return None
        total = _room(flat.whole.shape, flat.whole.device.index)
        self._wholes.append((layout, total))
        self._places |= layout.views(total)
        return total

    def _place(self, id: ParamId, like: Tensor) -> Tensor:
        place = self._places.get(id)
        if place is None or place.device is not like.device:
            place = self._places[id] = _room(like.shape, like.device.index)
        return place


def _add(total: Tensor, grad: Tensor, known: bool) -> None:
    if known:
        total.add_(grad.to(np.float32))
    else:
        total.copy_(grad)


def _room(shape: tuple[int, ...], index: int) -> Tensor:
    with gpu.outside_capture():
        return Tensor.from_array(gpu.persist(gpu.zeros(shape, np.float32, index)))
