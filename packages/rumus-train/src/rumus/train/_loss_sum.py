"""A sum of losses that is exact, however many they are."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rumus import gpu
from rumus.tensor import Device, Tensor, float32, int32, stack, zeros

from ._exact_sum import UNITS, WORDS, add_exactly, units_of


class LossSum:
    """The exact sum of losses on one device; on a GPU it is added there, without a read-back.

    Args:
        device: Where the losses are.
    """

    def __init__(self, device: Device) -> None:
        self._total = 0
        self._special = 0.0
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
        else:
            self._special += value

    def clear(self) -> None:
        """Begin anew, from zero."""
        self._total, self._special = 0, 0.0
        if self._words is not None:
            self._words.zero_()

    def read(self) -> tuple[int, float]:
        """The sum of the finite losses in units of 2**-149, and that of the others, else 0."""
        if self._words is None:
            return self._total, self._special
        return units_of(self._words.numpy())


def read_all(sums: Sequence[LossSum]) -> list[tuple[int, float]]:
    """What :meth:`LossSum.read` gives of each, in one transfer from a GPU."""
    words = [s._words for s in sums if s._words is not None]
    if len(words) < 2 or len(words) < len(sums):
        return [s.read() for s in sums]
    return [units_of(row) for row in stack(words).numpy()]
