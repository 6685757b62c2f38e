"""Moving averages of weights on the GPU, laid out like the arenas: a dispatch for each arena."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from rumus import gpu
from rumus.gpu import GpuArray, Pipeline
from rumus.nn import Parameter
from rumus.optim._contract import F32
from rumus.optim._gpu import shaders
from rumus.optim._gpu.arrays import view
from rumus.tensor import Arena, Slot, Tensor, from_numpy, no_grad, pack

_MOST_GROUPS = 16384


class DeviceAverages:
    """Averages beside the arenas that the parameters lie in.

    Parameters that an optimizer has packed stay where they are; if one packs them later, the
    averages follow at the next update.
    """

    def __init__(self, params: list[Parameter]) -> None:
        self.device = params[0].device
        self._params = params
        self._averages: dict[Arena, GpuArray] = {}
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
        for arena, average in self._averages.items():
            count = average.size // 4
            half = arena.data.dtype == np.float16
            groups = min(-(-count // 256), _MOST_GROUPS)
            _pipeline(half).dispatch([arena.data, average, moved], (count,), groups)

    def tensors(self) -> list[Tensor]:
        """The averages, as they lie."""
        return [
            Tensor.from_array(view(self._averages[s.arena], p.shape, s.offset))
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
            arenas = dict.fromkeys(s.arena for s in self._slots)
            self._averages = {
                arena: gpu.persist(gpu.zeros(arena.data.shape, np.float32, self.device.index))
                for arena in arenas
            }

    def _copy(self, values: list[Tensor]) -> None:
        with no_grad():
            for place, value in zip(self.tensors(), values, strict=True):
                place.copy_(value.to(np.float32))


@cache
def _pipeline(half: bool) -> Pipeline:
    prelude, word = shaders.words(half)
    return shaders.kernel("average.wgsl").variant(prelude=prelude, Word=word)
