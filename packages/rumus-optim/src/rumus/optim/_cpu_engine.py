"""An optimizer's state and steps on the CPU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from rumus.autograd import Borrowed
from rumus.nn import Parameter
from rumus.optim._cpu import F32, Span, flat, for_spans, read_block, spans, wide_spans
from rumus.optim._engine import MASTER, Snapshot, state_shapes

if TYPE_CHECKING:
    from rumus.optim._optimizer import Optimizer


@dataclass(slots=True)
class Work:
    """One parameter during a step.

    Attributes:
        shape: the parameter's shape.
        p: its float32 values as one axis, to be updated in place (the master's for float16).
        grad: its gradient as it lies in the store.
        scale: what the gradient is to be multiplied by.
        states: its state arrays, each as one axis, in the order of the optimizer's names.
        row: the numbers of its group.
        target: where to write the new values if that is not ``p`` itself.
    """

    shape: tuple[int, ...]
    p: F32
    grad: npt.NDArray[Any]
    scale: float
    states: tuple[F32, ...]
    row: Any
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

    def finish(self, start: int, stop: int) -> None:
        """Write new values to a float16 parameter."""
        if self.target is not None and self.target.flags.c_contiguous:
            flat(self.target)[start:stop] = self.p[start:stop]


class CpuEngine:
    """Runs an optimizer's numpy formula; state arrays are made at the first step."""

    def __init__(self, rule: Optimizer, params: Sequence[Parameter]) -> None:
        self._rule = rule
        self._params = params
        self._step = 0
        self._skipped = 0
        self._states: list[dict[str, F32]] = []

    def prepare(self) -> None:
        """Make the state arrays."""
        if not self._states:
            self._states = [self._fresh(p) for p in self._params]

    def renew_masters(self) -> None:
        """Let masters that do not round to their parameters' values start from these."""
        for parameter, state in zip(self._params, self._states, strict=True):
            if MASTER in state:
                master, values = state[MASTER], parameter.array
                np.copyto(master, values, where=master.astype(np.float16) != values)

    def step(self, held: Borrowed) -> None:
        """Update the parameters with their gradients, or none if one is to be skipped."""
        works = self._works(held)
        if self._rule.skip_nonfinite and not _all_finite(works):
            self._skipped += 1
            return
        self._step += 1
        self._rule.step_cpu(works, self._step)
        for work in works:
            if work.target is not None and not work.target.flags.c_contiguous:
                work.target[...] = work.p.reshape(work.shape)

    def counts(self) -> tuple[int, int]:
        """Updates made and updates skipped."""
        return self._step, self._skipped

    def snapshot(self) -> Snapshot:
        """Copy the state."""
        copies = [{name: a.copy() for name, a in s.items()} for s in self._states]
        return Snapshot(self._step, self._skipped, copies)

    def restore(self, snapshot: Snapshot) -> None:
        """Replace the state."""
        self._step, self._skipped = snapshot.step, snapshot.skipped
        self._states = [
            {name: np.array(a, np.float32, order="C") for name, a in s.items()}
            for s in snapshot.states
        ]

    def _fresh(self, parameter: Parameter) -> dict[str, F32]:
        shapes = state_shapes(self._rule, parameter)
        state = {
            name: np.full(shape, self._rule.state_start(name), np.float32)
            for name, shape in shapes.items()
            if name != MASTER
        }
        if MASTER in shapes:
            state[MASTER] = np.array(parameter.array, np.float32, order="C")
        return state

    def _works(self, held: Borrowed) -> list[Work]:
        rows = self._rule.rows()
        sign = -1.0 if self._rule.maximize else 1.0
        works = []
        for parameter, state, group in zip(
            self._params, self._states, self._rule.group_of(), strict=True
        ):
            if not parameter.requires_grad:
                continue
            data, scale = held.data(parameter), held.scale(parameter)
            target = None if MASTER not in state and data.flags.c_contiguous else data
            values = state.get(MASTER)
            if values is None:
                values = data if target is None else np.ascontiguousarray(data)
            works.append(
                Work(
                    shape=parameter.shape,
                    p=flat(values),
                    grad=held.grad(parameter),
                    scale=sign * (1.0 if scale is None else scale),
                    states=tuple(flat(a) for name, a in state.items() if name != MASTER),
                    row=rows[group],
                    target=target,
                )
            )
        return works


def step_elementwise(rule: Optimizer, works: Sequence[Work], step: int) -> None:
    """Apply a formula whose elements do not depend on each other, block by block."""
    scratch = rule.scratch + "f" * any(not work.plain for work in works)

    def update(span: Span, buffers: list[npt.NDArray[Any]]) -> None:
        index, start, stop = span
        work = works[index]
        grad = work.gradient(start, stop, buffers)
        states = tuple(a[start:stop] for a in work.states)
        rule.update(work.row, step, work.p[start:stop], grad, states, buffers)
        work.finish(start, stop)

    for_spans(wide_spans([w.p.size for w in works], scratch), scratch, update)


def _all_finite(works: Sequence[Work]) -> bool:
    bad: list[Span] = []

    def look(span: Span, buffers: list[npt.NDArray[Any]]) -> None:
        index, start, stop = span
        work = works[index]
        if not np.isfinite(work.gradient(start, stop, buffers)).all():
            bad.append(span)

    for_spans(spans([w.p.size for w in works]), "f", look)
    return not bad
