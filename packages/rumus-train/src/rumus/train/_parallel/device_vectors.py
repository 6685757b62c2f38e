"""Sums of gradients on a GPU, and their way over the host."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rumus import gpu
from rumus.gpu import GpuArray
from rumus.tensor import Arena, Tensor, float32, from_numpy, zeros

from .layout import Span
from .vectors import Array, Vector


class DeviceVectors:
    """Sums on a GPU; products and sums are launches of their own, so that each is rounded.

    Args:
        arenas: Of the parameters.
    """

    def __init__(self, arenas: Sequence[Arena]) -> None:
        self._arenas = arenas
        self._device = Tensor.from_array(arenas[0].data).device
        self._rooms: dict[Span, Array] = {}

    def weighted(self, spans: Sequence[Span], weight: float) -> Vector:
        """The arenas' gradients times a number."""
        return [self._grads(span).to(float32) * weight for span in spans]

    def zeros(self, spans: Sequence[Span]) -> Vector:
        """Nothing."""
        return [zeros((span.size,), device=self._device) for span in spans]

    def added(self, left: Vector, right: Vector) -> Vector:
        """The sum."""
        return [a + b for a, b in zip(left, right, strict=True)]

    def read(self, vector: Vector, k: int, start: int, stop: int) -> Array:
        """Elements of a vector's array on the host; waits for the device."""
        return gpu.to_host(_view(vector[k].array, start, stop))

    def put_mean(self, span: Span, total: Any, share: float) -> None:
        """Let the arena's gradients be a sum times a number, both rounded on the device."""
        if isinstance(total, np.ndarray):
            total = from_numpy(total).to(self._device)
        grads = self._grads(span)
        grads.copy_((total * share).to(grads.dtype))

    def weights(self, span: Span) -> Array:
        """Parameters on the host; waits for the device."""
        return gpu.to_host(_view(self._arenas[span.arena].data, span.start, span.stop))

    def room(self, span: Span) -> Array:
        """An array on the host, kept from step to step."""
        if span not in self._rooms:
            self._rooms[span] = np.empty(span.size, self._arenas[span.arena].data.dtype)
        return self._rooms[span]

    def put_weights(self, span: Span, values: Array) -> None:
        """Bring parameters to the device."""
        data = _view(self._arenas[span.arena].data, span.start, span.stop)
        Tensor.from_array(data).copy_(from_numpy(values).to(self._device))

    def free(self, vector: Vector) -> None:
        """The device's memory is given back by itself."""

    def _grads(self, span: Span) -> Tensor:
        return Tensor.from_array(_view(self._arenas[span.arena].grads, span.start, span.stop))


def _view(flat: GpuArray, start: int, stop: int) -> GpuArray:
    return GpuArray(flat.storage, (stop - start,), (1,), flat.offset + start, flat.dtype)
