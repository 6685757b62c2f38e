"""An optimizer's state and steps on the CPU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from rumus.autograd import Borrowed
from rumus.optim._contract import F32, MASTER, Part, Rule, Snapshot, state_shapes
from rumus.optim._cpu.blocks import Span, flat, for_spans, spans, wide_spans
from rumus.optim._cpu.work import CpuWork


class CpuRule(Rule, Protocol):
    """A rule with a formula in numpy."""

    @property
    def scratch(self) -> str:
        """The scratch arrays of :meth:`update`, a letter each: ``f`` float32, ``d`` float64."""
        ...

    def update(
        self, h: Any, step: int, p: F32, g: F32, s: Sequence[F32], scratch: Sequence[Any]
    ) -> None:
        """The formula in place, for one block of elements that do not depend on each other."""
        ...

    def step_cpu(self, works: Sequence[CpuWork]) -> None:
        """Apply a formula that is not elementwise to all parameters."""
        ...


class CpuEngine:
    """Runs an optimizer's numpy formula; state arrays are made at the first step."""

    def __init__(self, rule: CpuRule, parts: Sequence[Part]) -> None:
        self._rule = rule
        self._parts = parts
        self._step = 0
        self._skipped = 0
        self._counts = [0] * len(parts)
        self._states: list[dict[str, F32]] = []

    def prepare(self) -> None:
        """Make the state arrays."""
        if not self._states:
            self._states = [self._fresh(part) for part in self._parts]

    def renew_masters(self) -> None:
        """Let masters that do not round to their parameters' values start from these."""
        for part, state in zip(self._parts, self._states, strict=True):
            if MASTER in state:
                master, values = state[MASTER], _of_part(part.parameter.array, part)
                with np.errstate(all="ignore"):
                    changed = master.astype(np.float16) != values
                np.copyto(master, values, where=changed)

    def step(self, held: Borrowed, finite: bool = False) -> None:
        """Update the parameters with their gradients, or none if one is to be skipped."""
        works = self._works(held)
        if self._rule.skip_nonfinite and not finite and not _all_finite(works):
            self._skipped += 1
            return
        self._step += 1
        for i, part in enumerate(self._parts):
            self._counts[i] += part.parameter.requires_grad
        with np.errstate(all="ignore"):
            if self._rule.elementwise:
                _step_elementwise(self._rule, works)
            else:
                self._rule.step_cpu([work for work in works if work.p.size])
                for work in works:
                    work.finish(0, work.p.size)
            for work in works:
                if work.target is not None and not work.target.flags.c_contiguous:
                    work.target[...] = work.p.reshape(work.shape)

    def leave_out(self) -> None:
        """Count an update that is left out."""
        self._skipped += 1

    def counts(self) -> tuple[int, int]:
        """Updates made and updates skipped."""
        return self._step, self._skipped

    def snapshot(self) -> Snapshot:
        """Copy the state."""
        copies = [{name: a.copy() for name, a in s.items()} for s in self._states]
        return Snapshot(self._step, self._skipped, list(self._counts), copies)

    def restore(self, snapshot: Snapshot) -> None:
        """Replace the state."""
        self._step, self._skipped = snapshot.step, snapshot.skipped
        self._counts = list(snapshot.counts)
        self._states = [
            {name: np.array(a, np.float32, order="C") for name, a in s.items()}
            for s in snapshot.states
        ]

    def _fresh(self, part: Part) -> dict[str, F32]:
        shapes = state_shapes(self._rule, part)
        state = {
            name: np.full(shape, self._rule.state_start(name), np.float32)
            for name, shape in shapes.items()
            if name != MASTER
        }
        if MASTER in shapes:
            state[MASTER] = np.array(_of_part(part.parameter.array, part), np.float32, order="C")
        return state

    def _works(self, held: Borrowed) -> list[CpuWork]:
        rows = self._rule.rows()
        sign = -1.0 if self._rule.maximize else 1.0
        works = []
        for part, state, count in zip(self._parts, self._states, self._counts, strict=True):
            parameter = part.parameter
            if not parameter.requires_grad:
                continue
            data, scale = _of_part(held.data(parameter), part), held.scale(parameter)
            target = None if MASTER not in state and data.flags.c_contiguous else data
            values = state.get(MASTER)
            if values is None:
                values = data if target is None else np.ascontiguousarray(data)
            works.append(
                CpuWork(
                    shape=part.shape,
                    p=flat(values),
                    grad=_of_part(held.grad(parameter), part),
                    scale=sign * (1.0 if scale is None else scale),
                    states=tuple(flat(a) for name, a in state.items() if name != MASTER),
                    row=rows[part.group],
                    step=count + 1,
                    target=target,
                )
            )
        return works


def _of_part(array: npt.NDArray[Any], part: Part) -> npt.NDArray[Any]:
    """The elements of a part, of a parameter that is contiguous if it is not whole."""
    return array if part.is_whole else flat(array)[part.start : part.stop]


def _step_elementwise(rule: CpuRule, works: Sequence[CpuWork]) -> None:
    """Apply a formula whose elements do not depend on each other, block by block."""
    scratch = rule.scratch + "f" * any(not work.plain for work in works)

    def update(span: Span, buffers: list[npt.NDArray[Any]]) -> None:
        index, start, stop = span
        work = works[index]
        grad = work.gradient(start, stop, buffers)
        states = tuple(a[start:stop] for a in work.states)
        rule.update(work.row, work.step, work.p[start:stop], grad, states, buffers)
        work.finish(start, stop)

    for_spans(wide_spans([w.p.size for w in works], scratch), scratch, update)


def _all_finite(works: Sequence[CpuWork]) -> bool:
    bad: list[Span] = []

    def look(span: Span, buffers: list[npt.NDArray[Any]]) -> None:
        index, start, stop = span
        work = works[index]
        if not np.isfinite(work.gradient(start, stop, buffers)).all():
            bad.append(span)

    for_spans(spans([w.p.size for w in works]), "f", look)
    return not bad
