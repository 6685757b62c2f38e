"""One optimizer step over one arena on a GPU: which gradients lie where, and the dispatches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np

from rumus import gpu
from rumus.autograd import Borrowed
from rumus.gpu import GpuArray, Pipeline
from rumus.nn import Parameter
from rumus.optim._contract import MASTER
from rumus.optim._gpu import shaders
from rumus.optim._gpu.arrays import aligned, view
from rumus.optim._gpu.norm import Control, measure
from rumus.optim._gpu.rooms import Cut, Room
from rumus.optim._gpu.rule import GpuRule
from rumus.optim._gpu.shaders import Formula
from rumus.tensor import Tensor

MOST_GROUPS = 65535
"""Workgroups of one dispatch that every adapter runs; a workgroup takes further tiles beyond it."""


class Run(NamedTuple):
    """Neighbouring slots whose gradients lie in one buffer, in the arena's layout.

    Attributes:
        first: the first slot.
        last: one past the last slot.
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
        control: a device array that begins with the scale, or None if nothing is pending.
    """

    def __init__(self, rooms: Sequence[Room], trained: Sequence[bool], held: Borrowed) -> None:
        params = [p for room in rooms for p in room.params]
        scales = [held.scale(p) for p, takes in zip(params, trained, strict=True) if takes]
        first = scales[0] if scales else None
        mixed = any(s is not first for s in scales) or not isinstance(first, Control | None)
        self.control: Control | None = None if mixed else first
        self._arenas = {id(room.arena.grads.storage) for room in rooms}
        self._trained = trained
        self.found: list[GpuArray] = []
        self.runs = [self._find(room, held, mixed) for room in rooms]

    def _find(self, room: Room, held: Borrowed, mixed: bool) -> list[Run]:
        trained = self._trained[room.first : room.first + len(room.params)]
        if all(trained) and not mixed:
            grads = [held.grad(p) for p in room.params]
            if room.in_layout(grads):
                self.found += grads
                return [Run(0, len(grads), 0, grads[0])] if room.tiles.total else []
        runs: list[Run] = []
        for k, parameter in enumerate(room.params):
            if not trained[k]:
                continue
            grad = held.grad(parameter)
            if mixed:
                grad = scaled(grad, held.scale(parameter))
            run = _run_of_one(room, k, grad)
            self.found.append(grad)
            if runs and _joins(runs[-1], run):
                runs[-1] = runs[-1]._replace(last=run.last)
            elif parameter.size:
                runs.append(run)
        return runs

    def guard(self, skip: GpuArray, finite: bool) -> GpuArray:
        """Decide on the device whether the step is left out, count it, and pass on the scale.

        Args:
            finite: whether the gradients are known to be finite.
            skip: scale, finiteness, skipped steps, 0, each slot's own skipped steps; kept from step
                to step.
        """
        control = self.control
        if finite:
            measured: GpuArray = gpu.full((4,), 1.0, np.float32, skip.device_index)
        elif control is not None and control.covers == len(self.found):
            measured = control
        else:
            measured = measure(self.found, self._arenas, most=np.inf, order=np.inf)
        scale = measured if control is None else control
        kernel = shaders.kernel("skip.wgsl").variant()
        ranges = _ranges(self._trained)
        for first, last in ranges:
            groups = -(-(last - first) // 256)
            kernel.dispatch([scale, measured, skip], (first, last, first == ranges[0][0]), groups)
        return skip


@dataclass
class ArenaStep:
    """What an optimizer's formula runs on.

    Attributes:
        room: arena and states.
        runs: where the gradients lie.
        table: the hyperparameters, a row a group, and each parameter's number of this update.
        rows: the number of groups.
        control: scale and finiteness on the device, if there are any.
        rule: the optimizer.
        skip: whether the control can leave the step out.
    """

    room: Room
    runs: Sequence[Run]
    table: GpuArray
    rows: int
    control: GpuArray | None
    rule: GpuRule
    skip: bool

    @cached_property
    def formula(self) -> Formula:
        """The optimizer's WGSL, as this step needs it."""
        rule = self.rule
        states = rule.shader_states or rule.states
        return Formula(
            source=rule.shader,
            fields=rule.fields,
            states=states,
            kept=tuple(s for s in (*rule.states, *rule.workspaces) if s in states),
            constants=tuple(rule.shader_constants().items()),
            half=self.room.half,
            control=self.control is not None,
            skip=self.skip,
        )

    @property
    def params(self) -> list[Parameter]:
        """The parameters that the step changes."""
        return [p for p in self.room.params if p.requires_grad]

    def state(self, name: str, parameter: Parameter) -> Tensor:
        """A parameter's state array, in place."""
        return self.room.state(name, parameter)

    def per_parameter(self, name: str, number: Callable[[Parameter], float]) -> GpuArray:
        """A number for each parameter that follows from its shape."""
        return self.room.per_slot(name, number)

    def update(
        self,
        combined: GpuArray | None = None,
        *,
        grads: bool = True,
        stored: bool = True,
        extras: Sequence[GpuArray] = (),
    ) -> None:
        """Change the parameters, in one pass.

        Args:
            combined: one number for each slot, if the formula reads it.
            grads: whether gradients are read.
            stored: whether states are written.
            extras: what the formula gathers from.
        """
        room, formula = self.room, self.formula
        at_once = not room.half or shaders.fits(formula, grads, room.most_bindings)
        pipeline = shaders.update_pass(formula, grads=grads, stored=stored, rounded=at_once)
        places = [*self._states(), *([room.states[MASTER]] if room.half else [])]
        if at_once:
            places = [room.arena.data, *places]
        for run in self.runs:
            given = [combined] if combined is not None else []
            given += [run.grads] if grads else []
            self._over(room.tiles, pipeline, [*given, *self.controls(), *extras, *places], run)
        if not at_once:
            room.round_masters()

    def measure(self, extras: Sequence[GpuArray] = (), *, stored: bool = True) -> GpuArray:
        """Change the states and sum two quantities, in one pass: a pair for each tile."""
        formula = self.formula if stored else replace(self.formula, kept=())
        pipeline = shaders.measure_pass(formula)
        room = self.room
        sums = gpu.empty((max(self._measured.total, 1), 2), np.float32, room.device_index)
        values = room.states[MASTER] if room.half else room.arena.data
        for run in self.runs:
            states = self._states() if stored else []
            arrays = [run.grads, *self.controls(), values, *extras, sums, *states]
            self._over(self._measured, pipeline, arrays, run)
        return sums

    def combine(self, sums: GpuArray, extras: Sequence[GpuArray] = ()) -> GpuArray:
        """One number for each slot from the sums over its tiles."""
        room, count = self.room, len(self.room.params)
        combined = gpu.empty((count,), np.float32, room.device_index)
        arrays = [self._measured.slots, self.table, sums, *self.controls(), *extras, combined]
        groups = min(count, MOST_GROUPS)
        shaders.combine_pass(self.formula).dispatch(arrays, self.words(0, count), groups)
        return combined

    @property
    def _measured(self) -> Cut:
        return self.room.tiles if self.formula.kept else self.room.spans

    def _over(self, cut: Cut, pipeline: Pipeline, arrays: Sequence[GpuArray], run: Run) -> None:
        sign = -1.0 if self.rule.maximize else 1.0
        first, last = cut.edges[run.first], cut.edges[run.last]
        groups = min(last - first, MOST_GROUPS)
        arrays = [cut.tiles, self.table, *arrays]
        pipeline.dispatch(arrays, self.words(first, last, run.shift, sign), groups)

    def words(
        self, first: int, last: int, shift: int = 0, sign: float = 0.0
    ) -> tuple[int, int, int, float, int, int, int]:
        """The parameters of a dispatch."""
        return (first, last, shift, sign, self.room.first, self.rows, self.room.begin // 4)

    def controls(self) -> list[GpuArray]:
        """The control as a list, which is empty if there is none."""
        return [] if self.control is None else [self.control]

    def _states(self) -> list[GpuArray]:
        return [self.room.states[name] for name in self.formula.kept]


def _run_of_one(room: Room, k: int, grad: GpuArray) -> Run:
    """The run of one parameter, whose gradient is copied if it cannot be read as it lies."""
    slot, whole = room.slots[k], room.arena.grads
    if grad.storage is whole.storage and grad.offset == slot.offset and grad.is_contiguous:
        return Run(k, k + 1, 0, whole)
    readable = aligned(grad)
    shift = (readable.offset - slot.offset) // 4
    return Run(k, k + 1, shift, readable)


def _ranges(chosen: Sequence[bool]) -> list[tuple[int, int]]:
    """Where runs of true values begin, and one past their ends."""
    edges = np.flatnonzero(np.diff([False, *chosen, False]))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _joins(left: Run, right: Run) -> bool:
    return (
        left.last == right.first
        and left.shift == right.shift
        and left.grads.storage is right.grads.storage
    )


def scaled(grad: GpuArray, scale: GpuArray | float | None) -> GpuArray:
    """A gradient multiplied by a number, or by the first element of a device array."""
    if scale is None:
        return grad
    factor: Tensor | float
    if isinstance(scale, float):
        factor = scale
    else:
        factor = Tensor.from_array(view(scale, (), scale.offset))
    product = Tensor.from_array(grad) * factor
    return product.to(grad.dtype).array  # type: ignore[no-any-return]
