"""Arenas: the parameters of a model side by side in one array, and their gradients in another.

One dispatch then updates, clears or measures all of them. Each parameter has a slot, aligned to 256
bytes; between slots are zeros that stay zeros. Backward passes write gradients into their slots.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import groupby
from operator import attrgetter
from typing import Any

from rumus._backends.registry import backend_of
from rumus._core.devices import Device
from rumus._core.dtypes import is_float
from rumus._core.errors import ArgumentError, DeviceError, DTypeError

from ._leaf import Leaf
from ._slots import GradSlot

ALIGNMENT = 256
"""Bytes to which slots are aligned: WebGPU's largest offset alignment."""


class Slot(GradSlot):
    """The place of one parameter in an arena, and of its gradient.

    Arenas hold their slots, and parameters their slot and its arena; nothing holds them back, so
    that the memory of a model goes with its last parameter.

    Attributes:
        offset: the first element's position in ``arena.data`` and ``arena.grads``.
        size: the parameter's number of elements.

    Example:
        >>> from rumus.nn import Linear
        >>> (arena,) = pack(Linear(3, 2).parameters())
        >>> [slot.size for slot in arena.slots]
        [6, 2]
    """

    size: int

    def __init__(self, arena: Arena, parameter: Leaf, offset: int) -> None:
        be, on_cpu = backend_of(parameter.device), parameter.device.kind == "cpu"
        super().__init__(
            partial(be.place, arena.grads, parameter.shape, offset),
            attrgetter("base") if on_cpu else None,
        )
        self._arena = weakref.ref(arena)
        self.offset = offset
        self.size = parameter.size
        self._parameter = weakref.ref(parameter)

    @property
    def arena(self) -> Arena:
        """The arena, for as long as a parameter of it is alive.

        Raises:
            ReferenceError: none is.
        """
        arena = self._arena()
        if arena is None:
            raise ReferenceError("the arena of this slot is gone with its parameters")
        return arena

    @property
    def parameter(self) -> Leaf | None:
        """The parameter, while it is alive."""
        return self._parameter()


class Arena:
    """Leafs of one dtype on one device, contiguous in the order in which they were packed.

    Attributes:
        data: all parameters, flat, with the zeros between slots: the device's own array.
        grads: all gradients, in the same layout.
        slots: one a parameter, in order.

    Example:
        >>> from rumus.nn import Linear
        >>> (arena,) = pack(Linear(3, 2).parameters())
        >>> len(arena.slots)
        2
    """

    slots: tuple[Slot, ...]

    def __init__(self, params: Sequence[Leaf], offsets: Sequence[int], total: int) -> None:
        device, dtype = params[0].device, params[0].dtype
        be = backend_of(device)
        self.data: Any = be.flat(total, dtype)
        self.grads: Any = be.flat(total, dtype)
        self.slots = tuple(Slot(self, p, at) for p, at in zip(params, offsets, strict=True))
        for parameter, slot in zip(params, self.slots, strict=True):
            before, place = parameter.array, be.place(self.data, parameter.shape, slot.offset)
            be.assign(place, before)
            parameter._rebind(place, device, partial(be.elsewhere, before=before, after=place))
            parameter.slot, parameter.arena = slot, self


def pack(params: Sequence[Leaf]) -> tuple[Arena, ...]:
    """Move parameters into arenas, and give each a slot for its gradient.

    Leafs keep their order; a new arena begins where the dtype changes, and where one array would be
    larger than the adapter of a GPU lets a kernel bind. Leafs that are already side by side in
    arenas of exactly this order stay there. A parameter that was packed elsewhere moves.

    Args:
        params: float parameters on one device, each once.

    Raises:
        ArgumentError: there are none, or one comes twice.
        DTypeError: one is no float.
        DeviceError: they are not on one device.
        BorrowError: an optimizer step holds one.

    Example:
        >>> from rumus.nn import Linear
        >>> model = Linear(3, 2)
        >>> (arena,) = pack(model.parameters())
        >>> len(arena.slots)
        2
    """
    be = backend_of(_checked(params))
    packed = _packed_already(params)
    if packed is not None:
        return packed
    with be.at_once():
        return tuple(Arena(*part) for part in _parts(params, be.most_bytes()))


def _checked(params: Sequence[Leaf]) -> Device:
    if not params:
        raise ArgumentError("there are no parameters to pack")
    if len({id(p) for p in params}) < len(params):
        raise ArgumentError("a parameter comes twice among those to pack")
    device = params[0].device
    for p in params:
        if p.device is not device:
            raise DeviceError(
                f"parameters are packed on one device; {params[0].label} is on {device}, "
                f"{p.label} on {p.device}"
            )
        if not is_float(p.dtype):
            raise DTypeError(f"{p.label} is {p.dtype}; only floats are packed")
    return device


def _packed_already(params: Sequence[Leaf]) -> tuple[Arena, ...] | None:
    slots = [p.slot for p in params]
    arenas = dict.fromkeys(slot.arena for slot in slots if isinstance(slot, Slot))
    in_place = [slot for arena in arenas for slot in arena.slots]
    return tuple(arenas) if slots == in_place else None


def _parts(params: Sequence[Leaf], most: int) -> Iterator[tuple[list[Leaf], list[int], int]]:
    """The parameters, offsets and length in elements of each arena."""
    for dtype, run in groupby(params, key=lambda p: p.dtype):
        align = ALIGNMENT // dtype.itemsize
        members: list[Leaf] = []
        offsets: list[int] = []
        end = 0
        for p in run:
            room = -(-p.size // align) * align
            if members and (end + room) * dtype.itemsize > most:
                yield members, offsets, end
                members, offsets, end = [], [], 0
            members.append(p)
            offsets.append(end)
            end += room
        yield members, offsets, max(end, align)
