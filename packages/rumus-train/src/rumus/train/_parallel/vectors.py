"""Sums of gradients where these are computed: float32, in the layout of the arenas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from rumus.tensor import Slot, Tensor

from .._group.contract import Array, Delivery, Pending, Ready
from .layout import Span

Vector = list[Any]
"""An array for each span of an arena that is trained."""
Part = tuple[Any, int, int]
"""An array of a vector, and where in it something begins and ends."""


class Sending(Protocol):
    """Elements on their way to the host, for other ranks."""

    @property
    def array(self) -> Array:
        """Where they come."""
        ...

    @property
    def ready(self) -> Ready | None:
        """Says whether they are there; None on a device on which they are there at once."""
        ...

    def wait(self) -> None:
        """Return when they are there.

        Raises:
            GpuError: Whatever went wrong on the device.
        """
        ...


class Landing(Protocol):
    """The host's memory for elements that come from another rank, on their way to the device."""

    @property
    def room(self) -> Array:
        """The memory."""
        ...


class Arrival(Pending, Protocol):
    """What waits for what a call has brought to be in the device's reach."""

    def is_over(self) -> bool:
        """Whether nobody would wait."""
        ...

    def finish(self) -> None:
        """Return when the other ranks have got what the call takes to them.

        Raises:
            GroupError: They do not take it.
        """
        ...


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

    def plus(self, left: Any, right: Any) -> Any:
        """The sum of parts, possibly in the memory of the first one."""
        ...

    def put_mean(self, span: Span, total: Any, share: float) -> None:
        """Let the arena's gradients be a sum times a number."""
        ...

    def gradient(self, slot: Slot) -> Tensor:
        """The arena's gradient of a parameter."""
        ...

    def begin_read(self, parts: Sequence[Part], room: Array | None = None) -> Sending:
        """Parts one after the other, as they are now, for the host.

        Args:
            parts: Of vectors.
            room: Where a device brings them (default: memory that is kept until
                :meth:`free_rooms`).
        """
        ...

    def landing(self, size: int) -> Landing:
        """For so many float32, until :meth:`free_rooms`."""
        ...

    def landed(self, landing: Landing) -> Any:
        """What has come, as an array of a vector."""
        ...

    def begin_weights(self, spans: Sequence[Span]) -> Sending:
        """Parameters of one arena, as they are now, for the host."""
        ...

    def landing_of_weights(self, spans: Sequence[Span]) -> Landing:
        """For parameters of one arena, until :meth:`free_weight_rooms`."""
        ...

    def put_weights(self, spans: Sequence[Span], landing: Landing) -> None:
        """Let parameters have the values that came from another rank."""
        ...

    def carry(self, delivery: Delivery, landings: Mapping[int, Landing]) -> Arrival:
        """Bring what comes by a call, of :attr:`is_apart` one that lends, on its way at once.

        Args:
            delivery: The call.
            landings: Where what comes goes, by rank.
        """
        ...

    def go_on(self) -> None:
        """Let the device begin what it has to do, before somebody waits."""
        ...

    def free_rooms(self) -> None:
        """Keep the host's memory of sums for the next exchange."""
        ...

    def free_weight_rooms(self) -> None:
        """Keep the host's memory of weights for the next exchange."""
        ...
