"""Moving averages of weights on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from rumus.nn import Parameter
from rumus.optim._contract import F32
from rumus.optim._cpu.blocks import Span, flat, for_spans, spans
from rumus.tensor import Tensor, from_numpy


class HostAverages:
    """Averages in arrays of their own."""

    def __init__(self, params: list[Parameter]) -> None:
        self.device = params[0].device
        self._params = params
        self._arrays: list[F32] = [np.array(p.array, np.float32, order="C") for p in params]

    def move(self, share: Callable[[], float]) -> None:
        """``a ← a + share · (p - a)``."""
        moved = share()
        weights = [np.ascontiguousarray(p.array) for p in self._params]

        def body(span: Span, scratch: list[Any]) -> None:
            index, start, stop = span
            x, a = scratch[0], flat(self._arrays[index])[start:stop]
            np.subtract(flat(weights[index])[start:stop], a, out=x)
            np.multiply(x, moved, out=x)
            np.add(a, x, out=a)

        for_spans(spans([a.size for a in self._arrays]), "f", body)

    def tensors(self) -> list[Tensor]:
        """The averages, as they lie."""
        return [from_numpy(a) for a in self._arrays]

    def read(self) -> list[F32]:
        """Copies of the averages."""
        return [a.copy() for a in self._arrays]

    def write(self, arrays: list[F32]) -> None:
        """Replace the averages."""
        self._arrays = [np.array(a, np.float32, order="C") for a in arrays]
