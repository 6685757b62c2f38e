"""Sums of gradients on the CPU, in memory that is kept from step to step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rumus.tensor import Arena, Slot, Tensor

from .._group.contract import Array, Delivery, Pending
from .layout import Span
from .rooms import Empty, Quarry, Rooms
from .vectors import Landing, Part, Vector


class Here:
    """Elements of the host: a :class:`Sending`, and a :class:`Landing`.

    Args:
        array: The elements.
    """

    ready = None

    def __init__(self, array: Array) -> None:
        self.array = self.room = array

    def wait(self) -> None:
        """They are there."""


class Called:
    """A call that brings something to where it is needed: an :class:`Arrival`.

    Args:
        pending: The call.
    """

    def __init__(self, pending: Pending) -> None:
        self.wait = self.finish = pending.wait

    def is_over(self) -> bool:
        """There is nothing else to do meanwhile."""
        return True


class HostVectors:
    """Sums on the CPU, in memory that is kept from step to step.

    Args:
        arenas: Of the parameters.
        empty: Gives the memory.
    """

    is_apart = False

    def __init__(self, arenas: Sequence[Arena], empty: Empty) -> None:
        self._arenas = arenas
        self._idle: dict[int, list[Array]] = {}
        self._quarry = Quarry(empty)
        self._rooms, self._weight_rooms = Rooms(self._quarry), Rooms(self._quarry)

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

    def begin_read(self, parts: Sequence[Part], room: Array | None = None) -> Here:
        """Parts one after the other; a view of a single one."""
        views = [array[start:stop] for array, start, stop in parts]
        return _joined(views, self._rooms, np.float32)

    def landing(self, size: int) -> Here:
        """Memory that is kept."""
        return Here(self._rooms.take(size, np.float32))

    def landed(self, landing: Landing) -> Any:
        """The memory."""
        return landing.room

    def begin_weights(self, spans: Sequence[Span]) -> Here:
        """Where the parameters lie, if they are in one place."""
        return _joined(self._views(spans), self._weight_rooms, self._dtype(spans))

    def landing_of_weights(self, spans: Sequence[Span]) -> Here:
        """Where the parameters lie, if they are in one place."""
        views = self._views(spans)
        if len(views) == 1:
            return Here(views[0])
        size = sum(view.size for view in views)
        return Here(self._weight_rooms.take(size, self._dtype(spans)))

    def put_weights(self, spans: Sequence[Span], landing: Landing) -> None:
        """Let the parameters have the values, if they were not written there."""
        at = 0
        for span in spans if len(spans) > 1 else ():
            part = landing.room[at : at + span.size]
            self._arenas[span.arena].data[span.start : span.stop] = part
            at += span.size

    def carry(self, delivery: Delivery, landings: Mapping[int, Landing]) -> Called:
        """Nothing has to be brought on."""
        return Called(delivery)

    def go_on(self) -> None:
        """It does."""

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
        return idle.pop() if idle else self._quarry.take(size, np.float32)


def _joined(views: Sequence[Array], rooms: Rooms, dtype: Any) -> Here:
    """Views one after the other; a single one as it is."""
    if len(views) == 1:
        return Here(views[0])
    room = rooms.take(sum(view.size for view in views), dtype)
    if views:
        np.concatenate(views, out=room)
    return Here(room)
