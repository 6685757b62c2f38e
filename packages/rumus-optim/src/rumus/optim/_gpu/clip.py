"""Clipping on the GPU: norms that stay there, and clamping."""

from __future__ import annotations

from collections.abc import Mapping

from rumus.autograd import ParamId
from rumus.gpu import GpuArray
from rumus.nn import Parameter
from rumus.optim._gpu.arrays import view
from rumus.optim._gpu.flats import find_flats
from rumus.optim._gpu.norm import Control, measure
from rumus.tensor import Slot, Tensor


def device_norm(
    gradients: Mapping[Parameter, Tensor], most: float, order: float
) -> tuple[Tensor, GpuArray]:
    """The norm as a scalar on the device, and the array that a store is scaled by."""
    slots = [p.slot for p in gradients]
    arenas = {id(s.arena.grads.storage) for s in slots if isinstance(s, Slot)}
    arrays = [g.array for g in gradients.values()]
    control = Control(measure(arrays, arenas, most, order), len(arrays))
    return Tensor.from_array(view(control, (), 2)), control


def clamp(gradients: Mapping[ParamId, Tensor], limit: float) -> dict[ParamId, Tensor]:
    """Gradients between ``-limit`` and ``limit``, those that share a buffer at once."""
    clamped: dict[ParamId, Tensor] = {}
    for flat in find_flats(gradients):
        clamped |= flat.layout.views(flat.whole.clamp(-limit, limit))
    for id, grad in gradients.items():
        if id not in clamped:
            clamped[id] = grad.clamp(-limit, limit)
    return clamped
