"""Adafactor's formula in tensor operations on the GPU."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rumus.gpu import GpuArray
from rumus.optim._engine import MASTER
from rumus.optim._gpu_step import GpuStep, scaled
from rumus.optim._rooms import contiguous_strides
from rumus.tensor import Tensor, maximum, minimum, no_grad, where


class _Numbers(NamedTuple):
    """A group's row on the device, the number of the update, and whether to make it."""

    lr: Tensor
    beta2_decay: Tensor
    eps1: Tensor
    eps2: Tensor
    d: Tensor
    shrink: Tensor
    step: Tensor


def move(step: GpuStep) -> None:
    """Update every parameter of a room; nothing is read back, so it can be captured."""
    with no_grad():
        keep = None if not step.skip or step.control is None else _scalar(step.control, 1) > 0.5
        for k in range(len(step.room.params)):
            grad = step.gradient(k)
            if grad is not None and grad.size:
                _move(step, k, grad, keep)


def _move(step: GpuStep, k: int, grad: GpuArray, keep: Tensor | None) -> None:
    room, h = step.room, _numbers(step, k)
    shape = room.params[k].shape
    g = Tensor.from_array(scaled(grad, step.control)).to(np.float32)
    if step.rule.maximize:
        g = -g
    at = room.arena.slots[k].offset
    p = _view(room.states[MASTER] if room.half else room.arena.data, at, shape)
    new_share = h.step**h.beta2_decay
    alpha = maximum(h.eps2, (p * p).mean().sqrt()) * minimum(h.lr, h.step.rsqrt())
    states = {
        name: _view(room.states[name], room.offsets[name][k], s)
        for name, s in step.rule.state_shapes(room.params[k]).items()
    }
    if len(shape) > 1:
        means = {"row": (g * g).mean(-1, keepdims=True), "column": (g * g).mean(-2, keepdims=True)}
    else:
        means = {"v": g * g}
    for name, mean in means.items():
        _write(states[name], states[name] + (mean - states[name]) * new_share, keep)
    if len(shape) > 1:
        row = states["row"]
        v = row / maximum(row.mean(-2, keepdims=True), h.eps1) * states["column"]
    else:
        v = states["v"]
    u = g / maximum(v, h.eps1 * h.eps1).sqrt()
    size = alpha / maximum((u * u).mean().sqrt() / h.d, 1.0)
    _write(p, p * h.shrink - u * size, keep)
    if room.half:
        _view(room.arena.data, at, shape).copy_(p)


def _write(place: Tensor, value: Tensor, keep: Tensor | None) -> None:
    place.copy_(value if keep is None else where(keep, value, place))


def _numbers(step: GpuStep, k: int) -> _Numbers:
    width = step.table.shape[1]
    first = step.room.groups[k] * width
    values = [_scalar(step.table, first + i) for i in range(width)]
    if step.skip and step.control is not None:
        values[-1] = values[-1] - _scalar(step.control, 2)
    return _Numbers(*values)


def _scalar(array: GpuArray, place: int) -> Tensor:
    return Tensor.from_array(GpuArray(array.storage, (), (), array.offset + place, array.dtype))


def _view(flat: GpuArray, offset: int, shape: tuple[int, ...]) -> Tensor:
    strides = contiguous_strides(shape)
    return Tensor.from_array(GpuArray(flat.storage, shape, strides, offset, flat.dtype))
