"""Sums of gradients where these are computed: float32, in the layout of the arenas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from rumus.tensor import Arena, Slot, Tensor

from .layout import Span
from .rooms import Rooms

Array = npt.NDArray[Any]
Vector = list[Any]
"""An array for each span of an arena that is trained."""
Part = tuple[Any, int, int]
"""An array of a vector, and where in it something begins and ends."""


class Vectors(Protocol):
    """What a step does with arenas and sums on one device."""

    def weighted(self, spans: Sequence[Span], weight: float) -> Vector:
        """The arenas' gradients times a number."""
        ...

    def zeros(self, spans: Sequence[Span]) -> Vector:
        """Nothing."""
        ...

    def added(self, left: Vector, right: Vector) -> Vector:
        """The sum, possibly in the memory of the first one."""
        ...

    def free(self, vector: Vector) -> None:
        """Nobody needs a vector any more."""
        ...

    def part(self, array: Any, start: int, stop: int) -> Any:
        """Elements of a vector's array, where they are."""
        ...

    def of_host(self, values: Array) -> Any:
        """Elements that came from another rank."""
        ...

    def plus(self, left: Any, right: Any) -> Any:
        """The sum of parts, possibly in the memory of the first one."""
        ...

    def put_mean(self, span: Span, total: Any, share: float) -> None:
        """Let the arena's gradients be a sum times a number."""
        ...

    def gradient(self, slot: Slot) -> Tensor:
        """The arena's gradient of a parameter."""
        ...

    def read(self, parts: Sequence[Part]) -> Array:
        """Parts one after the other on the host."""
        ...

    def room(self, size: int) -> Array:
        """Memory of the host for so many float32, until :meth:`free_rooms`."""
        ...

    def weights(self, spans: Sequence[Span], is_own: bool) -> Array:
        """Parameters of one arena on the host, or the memory for those of another rank."""
        ...

    def put_weights(self, spans: Sequence[Span], values: Array) -> None:
        """Let parameters have the values that came from another rank."""
        ...

    def free_rooms(self) -> None:
        """Keep the host's memory for the next exchange."""
        ...


class HostVectors:
    """Sums on the CPU, in memory that is kept from step to step.

    Args:
        arenas: Of the parameters.
    """

    def __init__(self, arenas: Sequence[Arena]) -> None:
        self._arenas = arenas
        self._idle: dict[int, list[Array]] = {}
        self._rooms = Rooms()

    def weighted(self, spans: Sequence[Span], weight: float) -> Vector:
        """The arenas' gradients times a number."""
        vector = [self._buffer(span.size) for span in spans]
        with np.errstate(all="ignore"):
            for span, values in zip(spans, vector, strict=True):
                grads = self._arenas[span.arena].grads[span.start : span.stop]
                np.multiply(grads, np.float32(weight), out=values, dtype=np.float32)
        return vector

    def zeros(self, spans: Sequence[Span]) -> Vector:
        """Nothing."""
        vector = [self._buffer(span.size) for span in spans]
        for values in vector:
            values.fill(0)
        return vector

    def added(self, left: Vector, right: Vector) -> Vector:
        """The sum, in the memory of the first one."""
        for a, b in zip(left, right, strict=True):
            self.plus(a, b)
        self.free(right)
        return left

    def free(self, vector: Vector) -> None:
        """Keep the memory for another vector."""
        for values in vector:
            self._idle.setdefault(values.size, []).append(values)

    def part(self, array: Any, start: int, stop: int) -> Any:
        """A view."""
        return array[start:stop]

    def of_host(self, values: Array) -> Any:
        """The same."""
        return values

    def plus(self, left: Any, right: Any) -> Any:
        """The sum, in the memory of the first one."""
        with np.errstate(all="ignore"):
            return np.add(left, right, out=left)

    def put_mean(self, span: Span, total: Any, share: float) -> None:
        """Let the arena's gradients be a sum times a number."""
        grads = self._arenas[span.arena].grads[span.start : span.stop]
        with np.errstate(all="ignore"):
            np.multiply(total, np.float32(share), out=grads, casting="same_kind", dtype=np.float32)

    def gradient(self, slot: Slot) -> Tensor:
        """A view of the arena."""
        flat = slot.arena.grads[slot.offset : slot.offset + slot.size]
        parameter: Any = slot.parameter
        return Tensor.from_array(flat.reshape(parameter.shape))

    def read(self, parts: Sequence[Part]) -> Array:
        """Parts one after the other; a view of a single one."""
        found = [array[start:stop] for array, start, stop in parts]
        if len(found) == 1:
            view: Array = found[0]
            return view
        room = self.room(sum(values.size for values in found))
        return np.concatenate(found, out=room) if found else room

    def room(self, size: int) -> Array:
        """Memory that is kept."""
        return self._rooms.take(size, np.float32)

    def weights(self, spans: Sequence[Span], is_own: bool) -> Array:
        """Where the parameters lie, if they are in one place."""
        views = [self._arenas[s.arena].data[s.start : s.stop] for s in spans]
        if len(views) == 1:
            view: Array = views[0]
            return view
        dtype = self._arenas[spans[0].arena].data.dtype if spans else np.float32
        room = self._rooms.take(sum(view.size for view in views), dtype)
        return np.concatenate(views, out=room) if is_own and views else room

    def put_weights(self, spans: Sequence[Span], values: Array) -> None:
        """Let the parameters have the values, if they were not written there."""
        at = 0
        for span in spans if len(spans) > 1 else ():
            self._arenas[span.arena].data[span.start : span.stop] = values[at : at + span.size]
            at += span.size

    def free_rooms(self) -> None:
        """Keep the memory."""
        self._rooms.free()

    def _buffer(self, size: int) -> Array:
        idle = self._idle.get(size)
        return idle.pop() if idle else np.empty(size, np.float32)
