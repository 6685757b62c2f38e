"""One parameter during a step on the CPU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rumus.optim._contract import F32
from rumus.optim._cpu.blocks import flat, read_block


@dataclass(slots=True)
class CpuWork:
    """One parameter during a step on the CPU.

    Attributes:
        shape: the parameter's shape.
        p: its float32 values as one axis, to be updated in place (the master's for float16).
        grad: its gradient as it lies in the store.
        scale: what the gradient is to be multiplied by.
        states: its state arrays, each as one axis, in the order of the optimizer's names.
        row: the numbers of its group.
        step: the number of this update among the parameter's own, from 1.
        target: where to write the new values if that is not ``p`` itself.
    """

    shape: tuple[int, ...]
    p: F32
    grad: npt.NDArray[Any]
    scale: float
    states: tuple[F32, ...]
    row: Any
    step: int
    target: npt.NDArray[Any] | None

    @property
    def plain(self) -> bool:
        """Whether the gradient can be read as it lies."""
        return self.scale == 1.0 and self.grad.dtype == np.float32 and self.grad.flags.c_contiguous

    def gradient(self, start: int, stop: int, scratch: Sequence[F32]) -> F32:
        """Scaled elements of the gradient: a view of it, or the last scratch array."""
        if self.plain:
            return flat(self.grad)[start:stop]
        read_block(self.grad, start, stop, self.scale, scratch[-1])
        return scratch[-1]

    def whole_gradient(self) -> F32:
        """A copy of all of the gradient, scaled, float32 and in the parameter's shape."""
        values = np.empty(self.p.size, np.float32)
        read_block(self.grad, 0, values.size, self.scale, values)
        return values.reshape(self.shape)

    def finish(self, start: int, stop: int) -> None:
        """Write new values to a float16 parameter."""
        if self.target is not None and self.target.flags.c_contiguous:
            flat(self.target)[start:stop] = self.p[start:stop]
