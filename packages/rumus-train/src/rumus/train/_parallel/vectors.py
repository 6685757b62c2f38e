"""Sums of gradients where these are computed: float32, in the layout of the arenas."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from rumus.tensor import Arena, Slot, Tensor

from .layout import Span
from .rooms import Rooms

Array = npt.NDArray[Any]
Vector = list[Any]
"""An array for each span of an arena that is trained."""
Reading = Callable[[], Array]
"""Gives what is read once it is on the host."""
Part = tuple[Any, int, int]
"""An array of a vector, and where in it something begins and ends."""


class Vectors(Protocol):
    """What a step does with arenas and sums on one device."""

    @property
    def is_apart(self) -> bool:
        """Whether the device works on while the host does something else."""
        ...

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

    def begin_read(self, parts: Sequence[Part]) -> Reading:
        """Parts one after the other, as they are now, for the host."""
        ...

    def room(self, size: int) -> Array:
        """Memory of the host for so many float32, until :meth:`free_rooms`."""
        ...

    def begin_weights(self, spans: Sequence[Span]) -> Reading:
        """Parameters of one arena, as they are now, for the host."""
        ...

    def room_for_weights(self, spans: Sequence[Span]) -> Array:
        """The host's memory for parameters of one arena that come from another rank."""
        ...

    def put_weights(self, spans: Sequence[Span], values: Array) -> None:
        """Let parameters have the values that came from another rank."""
        ...

    def free_rooms(self) -> None:
        """Keep the host's memory of sums for the next exchange."""
        ...

    def free_weight_rooms(self) -> None:
        """Keep the host's memory of weights for the next exchange."""
        ...


class HostVectors:
    """Sums on the CPU, in memory that is kept from step to step.

    Args:
        arenas: Of the parameters.
    """

    is_apart = False

    def __init__(self, arenas: Sequence[Arena]) -> None:
        self._arenas = arenas
        self._idle: dict[int, list[Array]] = {}
        self._rooms, self._weight_rooms = Rooms(), Rooms()

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

    def begin_read(self, parts: Sequence[Part]) -> Reading:
        """Parts one after the other; a view of a single one."""
        views = [array[start:stop] for array, start, stop in parts]
        return _joined(views, self._rooms, np.float32)

    def room(self, size: int) -> Array:
        """Memory that is kept."""
        return self._rooms.take(size, np.float32)

    def begin_weights(self, spans: Sequence[Span]) -> Reading:
        """Where the parameters lie, if they are in one place."""
        return _joined(self._views(spans), self._weight_rooms, self._dtype(spans))

    def room_for_weights(self, spans: Sequence[Span]) -> Array:
        """Where the parameters lie, if they are in one place."""
        views = self._views(spans)
        if len(views) == 1:
            return views[0]
        return self._weight_rooms.take(sum(view.size for view in views), self._dtype(spans))

    def put_weights(self, spans: Sequence[Span], values: Array) -> None:
        """Let the parameters have the values, if they were not written there."""
        at = 0
        for span in spans if len(spans) > 1 else ():
            self._arenas[span.arena].data[span.start : span.stop] = values[at : at + span.size]
            at += span.size

    def free_rooms(self) -> None:
        """Keep the memory."""
        self._rooms.free()

    def free_weight_rooms(self) -> None:
        """Keep the memory."""
        self._weight_rooms.free()

    def _views(self, spans: Sequence[Span]) -> list[Array]:
        return [self._arenas[s.arena].data[s.start : s.stop] for s in spans]

    def _dtype(self, spans: Sequence[Span]) -> Any:
        return self._arenas[spans[0].arena].data.dtype if spans else np.float32

    def _buffer(self, size: int) -> Array:
        idle = self._idle.get(size)
        return idle.pop() if idle else np.empty(size, np.float32)


def _joined(views: Sequence[Array], rooms: Rooms, dtype: Any) -> Reading:
    """Views one after the other; a single one as it is."""
    if len(views) == 1:
        return lambda: views[0]
    room = rooms.take(sum(view.size for view in views), dtype)
    if views:
        np.concatenate(views, out=room)
    return lambda: room
