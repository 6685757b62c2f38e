"""One optimizer step over one arena on a GPU: which gradients lie where, and the dispatches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from rumus.autograd import Borrowed
from rumus.gpu import GpuArray
from rumus.optim import _shaders
from rumus.optim._engine import MASTER
from rumus.optim._rooms import Room
from rumus.tensor import Tensor

if TYPE_CHECKING:
    from rumus.optim._optimizer import Optimizer

MOST_GROUPS = 65535
"""Workgroups of one dispatch that every adapter runs; a workgroup takes further tiles beyond it."""


class Run(NamedTuple):
    """Neighbouring slots whose gradients lie in one buffer, in the arena's layout.

    Attributes:
        first: the first tile.
        last: one past the last tile.
        shift: what to add to an index of the arena to find its gradient, in vectors of four.
        grads: the buffer.
    """

    first: int
    last: int
    shift: int
    grads: GpuArray


class Gradients:
    """Where the gradients of a step lie, and what they are to be multiplied by.

    A gradient in its arena's slot joins its neighbours' run; any other is bound as it is.

    Attributes:
        found: all gradients, in order.
        runs: for each room, its runs.
        control: a device array of scale, finiteness and norm, or None if nothing is pending.
    """

    def __init__(self, rooms: Sequence[Room], held: Borrowed) -> None:
        trained = [[p if p.requires_grad else None for p in room.params] for room in rooms]
        scales = [held.scale(p) for row in trained for p in row if p is not None]
        first = scales[0] if scales else None
        mixed = any(s is not first for s in scales) or not _is_control(first)
        self.control: GpuArray | None = None if mixed else first
        self._arenas = {id(room.arena.grads.storage) for room in rooms}
        self.found: list[GpuArray] = []
        self.runs: list[list[Run]] = []
        for room, row in zip(rooms, trained, strict=True):
            runs: list[Run] = []
            for k, parameter in enumerate(row):
                if parameter is None:
                    continue
                grad = held.grad(parameter)
                if mixed:
                    grad = scaled(grad, held.scale(parameter))
                run = _run(room, k, grad)
                self.found.append(run.grads if run.grads is not room.arena.grads else grad)
                if runs and _joins(runs[-1], run):
                    runs[-1] = runs[-1]._replace(last=run.last)
                elif run.first < run.last:
                    runs.append(run)
            self.runs.append(runs)

    def guard(self, skip: GpuArray) -> GpuArray:
        """Decide on the device whether the step is left out, count it, and pass on the scale.

        Args:
            skip: scale, finiteness, skipped steps, 0; kept from step to step.
        """
        from rumus.optim._gpu_clip import measure

        control = self.control
        if control is None:
            control = measure(self.found, self._arenas, most=np.inf, order=np.inf)
        _shaders.kernel("skip.wgsl").variant().dispatch([control, skip])
        return skip


@dataclass(slots=True)
class GpuStep:
    """What an optimizer's formula runs on.

    Attributes:
        room: arena and states.
        runs: where the gradients lie.
        table: the hyperparameters, a row a group, each followed by the number of the update.
        control: scale and finiteness on the device, if there are any.
        rule: the optimizer.
        skip: whether the control can leave the step out.
    """

    room: Room
    runs: Sequence[Run]
    table: GpuArray
    control: GpuArray | None
    rule: Optimizer
    skip: bool

    def elementwise(self) -> None:
        """Apply a formula whose elements do not depend on each other, in one pass."""
        rule, room = self.rule, self.room
        pipeline = _shaders.elementwise(
            rule.shader,
            rule.fields,
            rule.shader_states,
            rule.states,
            tuple(rule.shader_constants().items()),
            half=room.half,
            control=self.control is not None,
            skip=self.skip,
        )
        for run in self.runs:
            arrays = [room.tiles, self.table, run.grads]
            if self.control is not None:
                arrays.append(self.control)
            arrays += [room.arena.data, *(room.states[name] for name in rule.states)]
            if room.half:
                arrays.append(room.states[MASTER])
            self.dispatch(pipeline, arrays, run)

    def dispatch(self, pipeline: Any, arrays: Sequence[GpuArray], run: Run) -> None:
        """Run a kernel with a workgroup for each tile of a run."""
        sign = -1.0 if self.rule.maximize else 1.0
        groups = min(run.last - run.first, MOST_GROUPS)
        pipeline.dispatch(arrays, (run.first, run.last, run.shift, sign), groups)


def scaled(grad: GpuArray, scale: GpuArray | float | None) -> GpuArray:
    """A gradient multiplied by a number, or by the first element of a device array."""
    if scale is None:
        return grad
    factor: Tensor | float
    if isinstance(scale, float):
        factor = scale
    else:
        factor = Tensor.from_array(GpuArray(scale.storage, (), (), scale.offset, scale.dtype))
    product = Tensor.from_array(grad) * factor
    return product.to(grad.dtype).array  # type: ignore[no-any-return]


def _is_control(scale: GpuArray | float | None) -> bool:
    """Whether the kernels can take a pending scale as it is."""
    return scale is None or (
        isinstance(scale, GpuArray) and scale.shape == (4,) and scale.offset == 0
    )


def _run(room: Room, k: int, grad: GpuArray) -> Run:
    slot, tiles = room.arena.slots[k], room.edges
    if grad.is_contiguous:
        if grad.storage is room.arena.grads.storage and grad.offset == slot.offset:
            return Run(tiles[k], tiles[k + 1], 0, room.arena.grads)
        if grad.offset % 4 == 0:
            return Run(tiles[k], tiles[k + 1], (grad.offset - slot.offset) // 4, grad)
    packed = (Tensor.from_array(grad) * 1.0).contiguous().array
    return Run(tiles[k], tiles[k + 1], (packed.offset - slot.offset) // 4, packed)


def _joins(left: Run, right: Run) -> bool:
    return (
        left.last == right.first
        and left.shift == right.shift
        and left.grads.storage is right.grads.storage
    )
