"""Ranges of an optimizer's elements: what one of several processes keeps and updates."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from rumus.optim._contract import Part, in_arena_order
from rumus.optim._errors import ParameterListError
from rumus.optim._groups import ParamGroup
from rumus.tensor import Arena, Slot, pack

ALIGNMENT = 256
"""Bytes at which a range may begin and end."""


def whole_parts(groups: Sequence[ParamGroup]) -> list[Part]:
    """All of every parameter."""
    return [Part(p, i, 0, p.size) for i, group in enumerate(groups) for p in group.params]


def in_order(parts: Sequence[Part]) -> list[Part]:
    """Parts in the order in which they lie in the arenas."""
    return sorted(parts, key=lambda part: part.parameter.dtype.itemsize)


def parts_of(groups: Sequence[ParamGroup], first: int, last: int, elementwise: bool) -> list[Part]:
    """The parts of the parameters in a range of their arenas, which are numbered through.

    Raises:
        ParameterListError: the range is none, or cuts where it may not.
    """
    everything = whole_parts(groups)
    arenas = pack(in_arena_order([part.parameter for part in everything]))
    starts = [0]
    for arena in arenas:
        starts.append(starts[-1] + arena.data.size)
    if not 0 <= first <= last <= starts[-1]:
        raise ParameterListError(
            f"the range {first} to {last} is not within the {starts[-1]} elements of the arenas"
        )
    for edge in (first, last):
        _check_edge(edge, arenas, starts, elementwise)
    at = {id(arena): start for arena, start in zip(arenas, starts, strict=False)}
    parts = []
    for part in everything:
        slot = part.parameter.slot
        assert isinstance(slot, Slot), "parameters were packed"
        begin = at[id(slot.arena)] + slot.offset
        start, stop = max(first - begin, 0), min(last - begin, slot.size)
        is_empty_and_here = not slot.size and (first <= begin < last or begin == last == starts[-1])
        if start < stop or is_empty_and_here:
            parts.append(Part(part.parameter, part.group, start, stop))
    return parts


def _check_edge(
    edge: int, arenas: Sequence[Arena], starts: Sequence[int], elementwise: bool
) -> None:
    for arena, (start, stop) in zip(arenas, pairwise(starts), strict=True):
        if not start < edge < stop:
            continue
        align = ALIGNMENT // arena.data.dtype.itemsize
        if elementwise and (edge - start) % align:
            raise ParameterListError(
                f"a range may be cut at every {align} elements ({ALIGNMENT} bytes) of an arena; "
                f"{edge} is {(edge - start) % align} beyond such an edge"
            )
        edges = [start + slot.offset for slot in arena.slots] + [stop]
        if not elementwise and edge not in edges:
            before = max(e for e in edges if e < edge)
            after = min(e for e in edges if e > edge)
            raise ParameterListError(
                f"this optimizer's formula takes whole parameters: a range may be cut at their "
                f"edges, {before} and {after}, and not at {edge} between them"
            )
