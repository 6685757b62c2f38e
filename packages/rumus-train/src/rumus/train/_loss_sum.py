"""A sum of losses that is exact, however many they are."""

from __future__ import annotations

import math
from functools import cache
from importlib.resources import files

from rumus import gpu
from rumus.tensor import Device, Tensor, float32, int32, zeros

UNITS = 149
"""Sums are whole numbers of 2**-UNITS, the smallest float32."""
_LIMBS = 10  # of 32 bits: 277 for the largest float32, and room for 2**42 of them
_SPECIALS = (math.nan, math.inf, -math.inf)


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
            self._words = zeros((_LIMBS + 1,), dtype=int32, device=device)
            gpu.persist(self._words.array)

    def add(self, loss: Tensor) -> None:
        """Add a loss of shape ``()``."""
        loss = loss.to(float32)
        if self._words is not None:
            arrays = [loss.array, self._words.array]
            _kernel().dispatch(arrays, [array.offset for array in arrays])
            return
        value = loss.item()
        if math.isfinite(value):
            self._total += int(math.ldexp(value, UNITS))
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
        words = self._words.numpy().astype("<u4")
        total = int.from_bytes(words[:_LIMBS].tobytes(), "little", signed=True)
        seen = [value for k, value in enumerate(_SPECIALS) if words[_LIMBS] >> k & 1]
        return total, sum(seen)


@cache
def _kernel() -> gpu.Pipeline:
    source = files("rumus.train") / "shaders" / "loss_sum.wgsl"
    return gpu.Kernel(source, name="loss_sum", trusted=True).variant(LIMBS=_LIMBS)
