"""An optimizer's state and steps on a GPU: one dispatch for each arena."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import numpy.typing as npt

from rumus import gpu
from rumus.autograd import Borrowed
from rumus.gpu import GpuArray
from rumus.nn import Parameter
from rumus.optim._contract import F32, Part, Snapshot, in_arena_order
from rumus.optim._gpu.arrays import overwrite
from rumus.optim._gpu.rooms import Room, make_rooms
from rumus.optim._gpu.rule import GpuRule
from rumus.optim._gpu.step import ArenaStep, Gradients
from rumus.tensor import pack


class GpuEngine:
    """Runs an optimizer's WGSL over arenas that it packs its parameters into.

    The update counters advance in the callback that fills the table of hyperparameters, so that a
    captured step advances them in every replay.
    """

    def __init__(self, rule: GpuRule, parts: Sequence[Part], params: Sequence[Parameter]) -> None:
        self.device = params[0].device
        self._rule = rule
        self._order = sorted(range(len(parts)), key=lambda i: parts[i].parameter.dtype.itemsize)
        self._parts = [parts[i] for i in self._order]
        self._packed = in_arena_order(params)
        self._rooms: list[Room] = []
        self._rows = len(rule.rows())
        self._step = 0
        self._counts = np.zeros(len(parts), np.int64)
        """The updates that each parameter took part in, skipped ones included, in our order."""
        self._skipped = 0
        """Updates that the host left out, or that were before the state was loaded."""
        self._skip: GpuArray | None = None

    def prepare(self) -> None:
        """Pack the parameters, and make the state arrays if there are none."""
        if not self._rooms or not all(room.is_current() for room in self._rooms):
            with gpu.outside_capture():
                self._pack()

    def renew_masters(self) -> None:
        """Let masters that do not round to their parameters' values start from these."""
        with gpu.outside_capture():
            for room in self._rooms:
                room.renew_masters()

    def _pack(self) -> None:
        arenas = pack(self._packed)
        if self._rooms:
            for room in self._rooms:
                room.follow()
            return
        self._rooms = make_rooms(self._rule, arenas, self._parts)
        if self._rule.skip_nonfinite:
            shape = (4 + len(self._parts),)
            self._skip = gpu.persist(gpu.zeros(shape, np.float32, self.device.index))

    def step(self, held: Borrowed, finite: bool = False) -> None:
        """Update the parameters with their gradients."""
        trained = [part.parameter.requires_grad for part in self._parts]
        gradients = Gradients(self._rooms, trained, held)
        control: GpuArray | None = gradients.control
        if self._skip is not None and gradients.found:
            control = gradients.guard(self._skip, finite)
        rows = self._rows
        shape = (rows * len(self._rule.fields) + len(self._parts),)
        callback = partial(self._next_table, np.array(trained, np.bool_))
        table = gpu.host_value(callback, shape, np.float32, self.device.index)
        for room, runs in zip(self._rooms, gradients.runs, strict=True):
            if runs:
                skip = self._skip is not None
                step = ArenaStep(room, runs, table, rows, control, self._rule, skip)
                if self._rule.elementwise:
                    step.update()
                else:
                    self._rule.step_gpu(step)

    def leave_out(self) -> None:
        """Count an update that is left out."""
        self._skipped += 1

    def counts(self) -> tuple[int, int]:
        """Updates made and updates skipped; waits for the device if steps can be skipped."""
        if self._skip is None:
            return self._step, self._skipped
        skipped = int(gpu.to_host(self._skip)[2])
        return self._step - skipped, skipped + self._skipped

    def snapshot(self) -> Snapshot:
        """Copy the state to the host."""
        states: list[dict[str, F32]] = [{} for _ in self._order]
        # A captured step may be where an optimizer notices that its parameters have moved.
        with gpu.outside_capture():
            made, skipped = self.counts()
            counts = self._counts.copy()
            if self._skip is not None:
                counts -= gpu.to_host(self._skip)[4:].astype(np.int64)
            for room in self._rooms:
                for i, state in zip(self._places(room), room.read(), strict=True):
                    states[i] = state
        own = dict(zip(self._order, counts.tolist(), strict=True))
        return Snapshot(made, skipped, [own[i] for i in range(len(own))], states)

    def restore(self, snapshot: Snapshot) -> None:
        """Replace the state, in the arrays that captured steps know."""
        self._skipped = snapshot.skipped
        self._step = snapshot.step
        self._counts = np.array(snapshot.counts, np.int64)[self._order]
        with gpu.outside_capture():
            if self._skip is not None:
                values = np.zeros(self._skip.shape, np.float32)
                values[:2] = 1, 1
                overwrite(self._skip, values)
            for room in self._rooms:
                places = self._places(room)
                room.write([snapshot.states[i] for i in places] if snapshot.states else None)

    def _places(self, room: Room) -> list[int]:
        """The parameters of a room, by their number in the optimizer."""
        return self._order[room.first : room.first + len(room.params)]

    def _next_table(self, trained: npt.NDArray[np.bool_]) -> F32:
        """The groups' rows, and each parameter's number of this update."""
        self._step += 1
        self._counts += trained
        rows = np.array(self._rule.rows(), np.float32)
        return np.concatenate([rows.reshape(-1), self._counts.astype(np.float32)])
