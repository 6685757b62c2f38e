"""An arena with what an optimizer keeps beside it: state arrays and a table of tiles."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from rumus import gpu
from rumus.gpu import GpuArray
from rumus.nn import Parameter
from rumus.optim._contract import F32, MASTER, Part, state_shapes
from rumus.optim._gpu.arrays import contiguous_strides, overwrite, view
from rumus.optim._gpu.flats import SLOT_BYTES
from rumus.optim._gpu.rule import GpuRule
from rumus.tensor import Arena, Slot, Tensor, where

L = TypeVar("L")

TILE = 2048
"""Elements that one workgroup updates: two vectors a thread, the best size measured."""
SPAN = 8 * TILE
"""Elements of a longer tile, for a pass that only sums: fewer sums, whose barriers it waits for."""
_SPANNED = 1 << 20
"""Elements of a parameter from which on it is cut into enough of those."""


class Cut(NamedTuple):
    """Slots cut into tiles; a tile never spans two slots.

    Attributes:
        tiles: on the device, one row a tile: first vector of four, elements, slot, group.
        slots: on the device, one row a slot: first tile, one past the last, elements, group.
        edges: the first tile of each slot, and the number of tiles at the end.
    """

    tiles: GpuArray
    slots: GpuArray
    edges: list[int]

    @property
    def total(self) -> int:
        """The number of tiles."""
        return self.edges[-1]


class Room:
    """The state of one arena's parameters.

    Attributes:
        arena: parameters and gradients.
        params: those of the arena's parameters that are updated, in order.
        first: the number of the first of them among all of the optimizer's, as it ordered them.
        groups: each one's parameter group.
        places: where the part of each that is updated begins in the arena.
        sizes: the elements of each such part.
        begin: the first element of the arena that states are kept of.
        most_bindings: storage buffers that one kernel can have.
        tiles: what workgroups update.
        states: arrays by name, each laid out like the arena or as :attr:`offsets` says.
    """

    def __init__(
        self,
        rule: GpuRule,
        arena: Arena,
        parts: Sequence[Part],
        first: int,
    ) -> None:
        self.arena = arena
        self.params = params = [part.parameter for part in parts]
        self.first = first
        self.groups = [part.group for part in parts]
        self._parts = list(parts)
        self._numbers = {p.id: k for k, p in enumerate(params)}
        self._strides = [contiguous_strides(p.shape) for p in params]
        self.slots = [_slot_of(p) for p in params]
        self._offsets = [slot.offset for slot in self.slots]
        self.places = [at + p.start for at, p in zip(self._offsets, parts, strict=True)]
        self.sizes = [part.size for part in parts]
        align = SLOT_BYTES // arena.data.dtype.itemsize
        whole = len(parts) == len(arena.slots) and all(part.is_whole for part in parts)
        self.begin = 0 if whole else self.places[0]
        end = self.places[-1] + -(-self.sizes[-1] // align) * align
        self._length: int = arena.data.size if whole else max(end - self.begin, align)
        self._rule = rule
        self._shapes = [state_shapes(rule, part) for part in parts]
        self.tiles = self._cut([TILE] * len(parts))
        index = arena.data.device_index
        self.most_bindings = gpu.limits(index)["max-storage-buffers-per-shader-stage"]
        self.offsets: dict[str, list[int]] = {}
        self.states: dict[str, GpuArray] = {}
        self._layout: Any = None
        lengths: dict[str, int] = {}
        for name in dict.fromkeys(name for shapes in self._shapes for name in shapes):
            lengths[name] = self._lay_out(name)
        self._allocate(lengths, index)
        self._per_slot: dict[str, GpuArray] = {}

    @property
    def device_index(self) -> int:
        """The number of the GPU."""
        return int(self.arena.data.device_index)

    @cached_property
    def spans(self) -> Cut:
        """Longer tiles. How a parameter is cut does not depend on others in the arena."""
        return self._cut([SPAN if size >= _SPANNED else TILE for size in self.sizes])

    @property
    def half(self) -> bool:
        """Whether the parameters are float16."""
        return bool(self.arena.data.dtype == np.float16)

    def is_current(self) -> bool:
        """Whether every parameter is still where it was packed."""
        return all(p.slot is s for p, s in zip(self.params, self.slots, strict=True))

    def follow(self) -> None:
        """Go where the parameters were packed anew, in the same order."""
        self.slots = [_slot_of(p) for p in self.params]
        self.arena = self.slots[0].arena

    def in_layout(self, grads: Sequence[GpuArray]) -> bool:
        """Whether the gradients of all parameters lie in one buffer, like those of an arena."""
        place = grads[0].storage
        return all(
            g.storage is place and g.offset == offset and g.strides == strides
            for g, offset, strides in zip(grads, self._offsets, self._strides, strict=True)
        )

    def renew_masters(self) -> None:
        """Let masters that do not round to their parameters' values start from these."""
        if self.half:
            master = Tensor.from_array(self.states[MASTER])
            values = self._values()
            same = master.to(np.float16) == values
            master.copy_(where(same, master, values.to(np.float32)))

    def round_masters(self) -> None:
        """Give float16 parameters the values of their float32 masters."""
        self._values().copy_(Tensor.from_array(self.states[MASTER]))

    def _values(self) -> Tensor:
        """The arena's elements that states are kept of, in place."""
        return Tensor.from_array(view(self.arena.data, (self._length,), self.begin))

    def read(self) -> list[dict[str, F32]]:
        """Each parameter's state arrays, on the host: its parts of what was read as a whole."""
        flat = {name: gpu.to_host(self.states[name]) for name in self.offsets}
        return [
            {
                name: flat[name][at : at + math.prod(shape)].reshape(shape)
                for (name, shape), at in zip(shapes.items(), self._starts(k), strict=True)
            }
            for k, shapes in enumerate(self._shapes)
        ]

    def write(self, states: Sequence[dict[str, F32]] | None) -> None:
        """Overwrite the state arrays; with None, as they were before the first step."""
        for name, offsets in self.offsets.items():
            array = self.states[name]
            start = 0.0 if name == MASTER else self._rule.state_start(name)
            flat = np.full(array.shape, start, np.float32)
            for state, at in zip(states or (), offsets, strict=False):
                if name in state:
                    flat[at : at + state[name].size] = state[name].reshape(-1)
            overwrite(array, flat)

    def place(self, name: str, k: int) -> int:
        """Where a parameter's state begins in the storage of its array."""
        return self.states[name].offset + self.offsets[name][k]

    def state(self, name: str, parameter: Parameter) -> Tensor:
        """A parameter's state array, in place; a workspace's is of the parameter's shape."""
        k = self._numbers[parameter.id]
        shape = self._shapes[k].get(name, self._parts[k].shape)
        offset = self.offsets[name][k] if name in self.offsets else self.places[k] - self.begin
        array = self.states[name]
        return Tensor.from_array(view(array, shape, array.offset + offset))

    def layout(self, make: Callable[[Room], L]) -> L:
        """What an optimizer works out of the room once."""
        if self._layout is None:
            with gpu.outside_capture():
                self._layout = make(self)
        result: L = self._layout
        return result

    def per_slot(self, name: str, number: Callable[[Parameter], float]) -> GpuArray:
        """A number for each slot that follows from the parameter's shape, on the device."""
        if name not in self._per_slot:
            values = np.array([number(p) for p in self.params], np.float32)
            self._per_slot[name] = self._upload(values)
        return self._per_slot[name]

    def _cut(self, lengths: Sequence[int]) -> Cut:
        slots = list(zip(self.places, self.sizes, strict=True))
        table, edges = tile_table(slots, self.groups, lengths)
        rows = np.array([edges[:-1], edges[1:], self.sizes, self.groups], np.int32).T
        return Cut(self._upload(table), self._upload(np.ascontiguousarray(rows)), edges)

    def _upload(self, values: npt.NDArray[Any]) -> GpuArray:
        with gpu.outside_capture():
            return gpu.persist(gpu.from_host(values, self.device_index))

    def _allocate(self, lengths: dict[str, int], index: int) -> None:
        rule = self._rule
        together = {n: size for n, size in lengths.items() if n != MASTER and rule.one_buffer}
        if rule.one_buffer:
            together["means"] = sum(math.prod(p.shape[:-2]) for p in self.params)
            whole = gpu.persist(gpu.zeros((sum(together.values()) + 4,), np.float32, index))
            at = 0
            for name, size in together.items():
                self.states[name] = view(whole, (size,), at)
                at += size
        for name, size in lengths.items():
            if name not in together:
                start = rule.state_start(name) if name != MASTER else 0.0
                self.states[name] = gpu.persist(gpu.full((size,), start, np.float32, index))
        for name in rule.workspaces:
            array = gpu.zeros((self._length,), np.float32, index)
            self.states[name] = gpu.persist(array)

    def _starts(self, k: int) -> list[int]:
        return [self.offsets[name][k] for name in self._shapes[k]]

    def _lay_out(self, name: str) -> int:
        """Place one state's arrays: like the arena where the shapes are those of the parameters."""
        shapes = [s.get(name, (0,)) for s in self._shapes]
        if all(shape == p.shape for shape, p in zip(shapes, self._parts, strict=True)):
            self.offsets[name] = [place - self.begin for place in self.places]
            return self._length
        sizes = [-(-math.prod(shape) // 4) * 4 for shape in shapes]
        ends = np.cumsum(sizes)
        self.offsets[name] = [int(end) - size for end, size in zip(ends, sizes, strict=True)]
        return max(int(ends[-1]), 4)


def make_rooms(rule: GpuRule, arenas: Sequence[Arena], parts: Sequence[Part]) -> list[Room]:
    """A room for each arena of which there are parts; these are in the arenas' order."""
    rooms, first = [], 0
    for arena in arenas:
        inside = [part for part in parts if part.parameter.arena is arena]
        if inside:
            rooms.append(Room(rule, arena, inside, first))
            first += len(inside)
    return rooms


def _slot_of(parameter: Parameter) -> Slot:
    slot = parameter.slot
    assert isinstance(slot, Slot), "a room's parameters are packed"
    return slot


def tile_table(
    slots: Sequence[tuple[int, int]], groups: Sequence[int], lengths: Sequence[int]
) -> tuple[npt.NDArray[np.int32], list[int]]:
    """The tiles and the edges of a :class:`Cut`.

    Args:
        slots: offset and size of each, in elements; offsets are multiples of 4.
        groups: each slot's parameter group.
        lengths: the elements of each slot's tiles, multiples of 4; its last may have fewer.
    """
    counts = [-(-size // length) for (_, size), length in zip(slots, lengths, strict=True)]
    edges = [0, *(int(e) for e in np.cumsum(counts))]
    table = np.zeros((max(edges[-1], 1), 4), np.int32)
    for k, ((offset, size), group, length) in enumerate(zip(slots, groups, lengths, strict=True)):
        rows = table[edges[k] : edges[k + 1]]
        starts = np.arange(len(rows), dtype=np.int64) * length
        rows[:, 0] = (offset + starts) // 4
        rows[:, 1] = np.minimum(size - starts, length)
        rows[:, 2], rows[:, 3] = k, group
    return table, edges
