"""Moving averages of weights on the GPU, beside the arenas: a dispatch for what lies together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from itertools import groupby
from typing import NamedTuple

import numpy as np

from rumus import gpu
from rumus.gpu import GpuArray, Pipeline
from rumus.nn import Parameter
from rumus.optim._contract import F32
from rumus.optim._gpu import shaders
from rumus.optim._gpu.arrays import view
from rumus.tensor import Arena, Slot, Tensor, from_numpy, no_grad, pack

_MOST_GROUPS = 16384
_ALIGNED = 64
"""Elements: 256 bytes, where kernels may begin to read."""


class _Run(NamedTuple):
    """Averages of parameters that follow each other in an arena.

    Attributes:
        arena: Where the parameters lie.
        start: The first one's place.
        averages: From there on.
        slots: Of the parameters.
    """

    arena: Arena
    start: int
    averages: GpuArray
    slots: list[Slot]


class DeviceAverages:
    """Averages beside the arenas that the parameters lie in.

    Parameters that an optimizer has packed stay where they are; if one packs them later, the
    averages follow at the next update.
    """

    def __init__(self, params: list[Parameter]) -> None:
        self.device = params[0].device
        self._params = params
        self._runs: list[_Run] = []
        self._slots: list[Slot] = []
        self._lay_out()
        self._copy([p.detach() for p in params])

    def move(self, share: Callable[[], float]) -> None:
        """``a ← a + share · (p - a)``; a captured step asks for the share in every replay."""
        if any(p.slot is not s for p, s in zip(self._params, self._slots, strict=True)):
            before = self.tensors()
            with gpu.outside_capture():
                self._lay_out()
                self._copy(before)
        moved = gpu.host_value(
            lambda: np.array([share()], np.float32), (1,), np.float32, self.device.index
        )
        for run in self._runs:
            count, weights = run.averages.size // 4, run.arena.data
            half = weights.dtype == np.float16
            groups = min(-(-count // 256), _MOST_GROUPS)
            _pipeline(half).dispatch(
                [weights, run.averages, moved], (run.start // 4, count), groups
            )

    def tensors(self) -> list[Tensor]:
        """The averages, as they lie."""
        runs = {slot: run for run in self._runs for slot in run.slots}
        return [
            Tensor.from_array(view(runs[s].averages, p.shape, s.offset - runs[s].start))
            for p, s in zip(self._params, self._slots, strict=True)
        ]

    def read(self) -> list[F32]:
        """The averages on the host."""
        return [t.numpy() for t in self.tensors()]

    def write(self, arrays: list[F32]) -> None:
        """Replace the averages."""
        self._copy([from_numpy(a).to(self.device) for a in arrays])

    def _lay_out(self) -> None:
        with gpu.outside_capture():
            if not all(isinstance(p.slot, Slot) for p in self._params):
                pack(sorted(self._params, key=lambda p: p.dtype.itemsize))
            self._slots = [s for p in self._params for s in [p.slot] if isinstance(s, Slot)]
            self._runs = [_run(slots, self.device.index) for slots in _together(self._slots)]

    def _copy(self, values: list[Tensor]) -> None:
        with no_grad():
            for place, value in zip(self.tensors(), values, strict=True):
                place.copy_(value.to(np.float32))


@cache
def _pipeline(half: bool) -> Pipeline:
    prelude, word = shaders.words(half)
    return shaders.kernel("average.wgsl").variant(prelude=prelude, Word=word)


def _together(slots: list[Slot]) -> Iterator[list[Slot]]:
    """Slots in groups that follow each other in an arena."""
    chosen = set(slots)
    for arena in dict.fromkeys(slot.arena for slot in slots):
        for is_chosen, group in groupby(arena.slots, chosen.__contains__):
            if is_chosen:
                yield list(group)


def _run(slots: list[Slot], device_index: int) -> _Run:
    first, last = slots[0], slots[-1]
    length = -(-(last.offset + last.size - first.offset) // _ALIGNED) * _ALIGNED
    averages = gpu.persist(gpu.zeros((length,), np.float32, device_index))
    return _Run(first.arena, first.offset, averages, slots)
