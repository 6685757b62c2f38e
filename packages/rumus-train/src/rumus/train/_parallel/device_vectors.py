"""Sums of gradients on a GPU, and their way over the host."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from rumus import gpu
from rumus.gpu import GpuArray
from rumus.tensor import Arena, Slot, Tensor, float32, from_numpy, zeros

from .._group.contract import Array, Delivery
from .layout import Span
from .porter import Porter
from .rooms import Empty, Quarry, Rooms
from .transit import Carried, Nothing, Passed, Read, Staged
from .vectors import Arrival, Part, Sending, Vector


class DeviceVectors:
    """Sums on a GPU; products and sums are launches of their own, so that each is rounded.

    Args:
        arenas: Of the parameters.
        empty: Gives the host's memory.
        tell: Called when something has been read.
    """

    is_apart = True

    def __init__(self, arenas: Sequence[Arena], empty: Empty, tell: Callable[[], object]) -> None:
        self._arenas = arenas
        self._device = Tensor.from_array(arenas[0].data).device
        quarry = Quarry(empty)
        self._rooms, self._weight_rooms = Rooms(quarry), Rooms(quarry)
        self._idle: dict[int, list[Tensor]] = {}
        self._readers: dict[int, list[gpu.ReadAhead]] = {}
        self._writers: dict[int, list[gpu.WriteAhead]] = {}
        self._out, self._in = Porter("rumus porter out", tell), Porter("rumus porter in")
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

    def begin_read(self, parts: Sequence[Part], room: Array | None = None) -> Sending:
        """Parts one after the other, copied between what the device does before and behind."""
        views = [_view(array.array, start, stop) for array, start, stop in parts]
        if room is None:
            room = self._rooms.take(sum(view.size for view in views), np.float32)
        return self._begin(views, room)

    def landing(self, size: int) -> Staged:
        """Memory that is kept."""
        room = self._rooms.take(size, np.float32)
        return Staged(room, [self._writer(room.nbytes)], [size])

    def landed(self, landing: Any) -> Any:
        """Have it copied into memory of the device that is kept."""
        size = landing.room.size
        idle = self._idle.get(size)
        place = idle.pop() if idle else zeros((size,), device=self._device)
        self._lent.append(place)
        self._put(landing.writers[0], landing.room, place.array)
        return place

    def begin_weights(self, spans: Sequence[Span]) -> Sending:
        """Parameters, copied when the device has updated them."""
        return self._begin([self._data(span) for span in spans], self._room_for(spans))

    def landing_of_weights(self, spans: Sequence[Span]) -> Staged:
        """Memory that is kept."""
        targets = [self._data(span) for span in spans]
        writers = [self._writer(t.nbytes) if _has_whole_words(t) else None for t in targets]
        return Staged(self._room_for(spans), writers, [span.size for span in spans])

    def put_weights(self, spans: Sequence[Span], landing: Any) -> None:
        """Have parameters overwritten."""
        for span, writer, part in zip(spans, landing.writers, landing.parts, strict=True):
            self._put(writer, part, self._data(span))

    def carry(self, delivery: Delivery, landings: Mapping[int, Any]) -> Arrival:
        """Have a porter do it."""
        if not landings:
            return Passed(delivery)

        def bring() -> None:
            parts = delivery.parts()
            try:
                for rank, landing in landings.items():
                    landing.fill(parts[rank])
            finally:
                delivery.give_back()

        return Carried(delivery, self._in.send(bring))

    def go_on(self) -> None:
        """Submit it."""
        gpu.submit(self._device.index)

    def free_rooms(self) -> None:
        """Keep the memory, of the host and of what came from other ranks."""
        self._rooms.free()
        for place in self._lent:
            self._idle.setdefault(place.size, []).append(place)
        self._lent.clear()

    def free_weight_rooms(self) -> None:
        """Keep the memory."""
        self._weight_rooms.free()

    def _begin(self, views: Sequence[GpuArray], room: Array) -> Sending:
        if not views:
            return Nothing(room)
        begun: list[Callable[[], object]] = []
        at = 0
        for view in views:
            begun.append(self._begin_one(view, room[at : at + view.size]))
            at += view.size

        def finish() -> None:
            for wait in begun:
                wait()

        return Read(room, self._out.send(finish))

    def _begin_one(self, view: GpuArray, out: Array) -> Callable[[], object]:
        """Read the words of one array."""
        words = _words(view)
        idle = self._readers.setdefault(words.nbytes, [])
        reader = idle.pop() if idle else gpu.ReadAhead(words.nbytes, self._device.index)
        reader.begin(words)

        def finish() -> None:
            if words.size == view.size:
                reader.wait(out)
            else:
                first = view.offset - words.offset
                found = reader.wait(np.empty(words.size, words.dtype))
                np.copyto(out, found[first : first + view.size])
            idle.append(reader)

        return finish

    def _writer(self, nbytes: int) -> gpu.WriteAhead:
        idle = self._writers.get(nbytes)
        return idle.pop() if idle else gpu.WriteAhead(nbytes, self._device.index)

    def _put(self, writer: gpu.WriteAhead | None, part: Array, target: GpuArray) -> None:
        if writer is None:
            Tensor.from_array(target).copy_(from_numpy(part).to(self._device))
        else:
            writer.put(target)
            self._writers.setdefault(writer.nbytes, []).append(writer)

    def _room_for(self, spans: Sequence[Span]) -> Array:
        dtype = self._arenas[spans[0].arena].data.dtype if spans else np.float32
        return self._weight_rooms.take(sum(span.size for span in spans), dtype)

    def _grads(self, span: Span) -> Tensor:
        return Tensor.from_array(_view(self._arenas[span.arena].grads, span.start, span.stop))

    def _data(self, span: Span) -> GpuArray:
        return _view(self._arenas[span.arena].data, span.start, span.stop)


def _has_whole_words(array: GpuArray) -> bool:
    return not (array.nbytes % 4 or array.offset * array.dtype.itemsize % 4)


def _words(view: GpuArray) -> GpuArray:
    """The whole words in which an array lies; those of a storage are whole."""
    per_word = max(4 // view.dtype.itemsize, 1)
    start = view.offset // per_word * per_word
    stop = -(-(view.offset + view.size) // per_word) * per_word
    return GpuArray(view.storage, (stop - start,), (1,), start, view.dtype)


def _view(flat: GpuArray, start: int, stop: int) -> GpuArray:
    return GpuArray(flat.storage, (stop - start,), (1,), flat.offset + start, flat.dtype)
