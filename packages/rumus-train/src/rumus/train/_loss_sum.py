"""A sum of losses that is exact, however many they are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy.typing as npt

from rumus import gpu
from rumus.tensor import Device, Tensor, float32, int32, stack, zeros

from ._exact_sum import UNITS, WORDS, add_exactly, finite_before, units_of


class Read(NamedTuple):
    """What a sum came to.

    Attributes:
        units: That of the finite losses, in units of 2**-149.
        special: That of the others; 0 if there are none.
        before: How many losses came before the first of the others.
    """

    units: int
    special: float
    before: int


class LossSum:
    """The exact sum of losses on one device; on a GPU it is added there, without a read-back.

    Args:
        device: Where the losses are.
    """

    def __init__(self, device: Device) -> None:
        self._total = 0
        self._special = 0.0
        self._before = 0
        self._words: Tensor | None = None
        if device.kind == "gpu":
            with gpu.outside_capture():
                self._words = zeros((WORDS,), dtype=int32, device=device)
                gpu.persist(self._words.array)

    def add(self, loss: Tensor, times: int = 1) -> None:
        """Add a loss of shape ``()``, so many times."""
        loss = loss.to(float32)
        if self._words is not None:
            add_exactly(loss, self._words, times=times)
            return
        value = loss.item()
        if math.isfinite(value):
            self._total += times * int(math.ldexp(value, UNITS))
            self._before += not self._special
        else:
            self._special += value

    def clear(self) -> None:
        """Begin anew, from zero."""
        self._total, self._special, self._before = 0, 0.0, 0
        if self._words is not None:
            self._words.zero_()

    def read(self) -> Read:
        """What was added since the latest :meth:`clear`."""
        if self._words is None:
            return Read(self._total, self._special, self._before)
        return _read(self._words.numpy())


def read_all(sums: Sequence[LossSum]) -> list[Read]:
    """What :meth:`LossSum.read` gives of each, in one transfer from a GPU."""
    words = [s._words for s in sums if s._words is not None]
    if len(words) < 2 or len(words) < len(sums):
        return [s.read() for s in sums]
    return [_read(row) for row in stack(words).numpy()]


def _read(words: npt.NDArray[Any]) -> Read:
    return Read(*units_of(words), finite_before(words))
