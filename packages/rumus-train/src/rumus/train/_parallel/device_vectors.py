"""Sums of gradients on a GPU, and their way over the host."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import prod
from typing import Any

import numpy as np

from rumus import gpu
from rumus.gpu import GpuArray
from rumus.tensor import Arena, Slot, Tensor, float32, from_numpy, zeros

from .layout import Span
from .rooms import Rooms
from .vectors import Array, Part, Reading, Vector


class DeviceVectors:
    """Sums on a GPU; products and sums are launches of their own, so that each is rounded.

    Args:
        arenas: Of the parameters.
    """

    is_apart = True

    def __init__(self, arenas: Sequence[Arena]) -> None:
        self._arenas = arenas
        self._device = Tensor.from_array(arenas[0].data).device
        self._rooms, self._weight_rooms = Rooms(), Rooms()
        self._idle: dict[int, list[Tensor]] = {}
        self._readers: dict[int, list[gpu.ReadAhead]] = {}
        self._lent: list[Tensor] = []

    def weighted(self, spans: Sequence[Span], weight: float) -> Vector:
        """The arenas' gradients times a number."""
        return [self._grads(span).to(float32) * weight for span in spans]

    def zeros(self, spans: Sequence[Span]) -> Vector:
        """Nothing."""
        return [zeros((span.size,), device=self._device) for span in spans]

    def added(self, left: Vector, right: Vector) -> Vector:
        """The sum."""
        return [a + b for a, b in zip(left, right, strict=True)]

    def free(self, vector: Vector) -> None:
        """The device's memory is given back by itself."""

    def part(self, array: Any, start: int, stop: int) -> Any:
        """A view."""
        return Tensor.from_array(_view(array.array, start, stop))

    def of_host(self, values: Array) -> Any:
        """Bring them to the device, into memory that is kept."""
        idle = self._idle.get(values.size)
        place = idle.pop() if idle else zeros((values.size,), device=self._device)
        self._lent.append(place)
        gpu.from_host(values, out=place.array)
        return place

    def plus(self, left: Any, right: Any) -> Any:
        """The sum."""
        return left + right

    def put_mean(self, span: Span, total: Any, share: float) -> None:
        """Let the arena's gradients be a sum times a number."""
        grads = self._grads(span)
        grads.copy_((total * share).to(grads.dtype))

    def gradient(self, slot: Slot) -> Tensor:
        """A view of the arena."""
        grads = slot.arena.grads
        parameter: Any = slot.parameter
        shape = parameter.shape
        steps = tuple(prod(shape[k + 1 :]) for k in range(len(shape)))
        at = grads.offset + slot.offset
        return Tensor.from_array(GpuArray(grads.storage, shape, steps, at, grads.dtype))

    def begin_read(self, parts: Sequence[Part]) -> Reading:
        """Parts one after the other, copied between what the device does before and behind."""
        views = [_view(array.array, start, stop) for array, start, stop in parts]
        return self._begin(views, self._rooms.take(sum(view.size for view in views), np.float32))

    def room(self, size: int) -> Array:
        """Memory that is kept."""
        return self._rooms.take(size, np.float32)

    def begin_weights(self, spans: Sequence[Span]) -> Reading:
        """Parameters, copied when the device has updated them."""
        return self._begin([self._data(span) for span in spans], self.room_for_weights(spans))

    def room_for_weights(self, spans: Sequence[Span]) -> Array:
        """Memory that is kept."""
        dtype = self._arenas[spans[0].arena].data.dtype if spans else np.float32
        return self._weight_rooms.take(sum(span.size for span in spans), dtype)

    def put_weights(self, spans: Sequence[Span], values: Array) -> None:
        """Bring parameters to the device."""
        at = 0
        for span in spans:
            part, target = values[at : at + span.size], self._data(span)
            # Halves that begin or end within a word: only whole words are written in place.
            if part.nbytes % 4 or target.offset * target.dtype.itemsize % 4:
                Tensor.from_array(target).copy_(from_numpy(part).to(self._device))
            else:
                gpu.from_host(part, out=target)
            at += span.size

    def free_rooms(self) -> None:
        """Keep the memory, of the host and of what came from other ranks."""
        self._rooms.free()
        for place in self._lent:
            self._idle.setdefault(place.size, []).append(place)
        self._lent.clear()

    def free_weight_rooms(self) -> None:
        """Keep the memory."""
        self._weight_rooms.free()

    def _begin(self, views: Sequence[GpuArray], room: Array) -> Reading:
        begun: list[Callable[[], object]] = []
        at = 0
        for view in views:
            begun.append(self._begin_one(view, room[at : at + view.size]))
            at += view.size

        def finish() -> Array:
            for wait in begun:
                wait()
            return room

        return finish

    def _begin_one(self, view: GpuArray, out: Array) -> Callable[[], object]:
        """Read one array: ahead, if it is made of whole words."""
        if view.nbytes % 4 or view.offset * view.dtype.itemsize % 4:
            return partial(gpu.to_host, view, out)
        idle = self._readers.setdefault(view.nbytes, [])
        reader = idle.pop() if idle else gpu.ReadAhead(view.nbytes, self._device.index)
        reader.begin(view)

        def finish() -> None:
            reader.wait(out)
            idle.append(reader)

        return finish

    def _grads(self, span: Span) -> Tensor:
        return Tensor.from_array(_view(self._arenas[span.arena].grads, span.start, span.stop))

    def _data(self, span: Span) -> GpuArray:
        return _view(self._arenas[span.arena].data, span.start, span.stop)


def _view(flat: GpuArray, start: int, stop: int) -> GpuArray:
    return GpuArray(flat.storage, (stop - start,), (1,), flat.offset + start, flat.dtype)
