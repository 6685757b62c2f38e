"""What an optimizer and the device that runs it must know of each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from rumus.autograd import Borrowed
from rumus.nn import Parameter

F32 = npt.NDArray[np.float32]
Shape = tuple[int, ...]

MASTER = "master"
"""State of float16 parameters: their float32 values, which the formula reads and writes."""


@dataclass(slots=True)
class Snapshot:
    """An optimizer's state on the host.

    Attributes:
        step: updates made so far.
        skipped: updates left out because a gradient was not finite.
        states: for each parameter in order, its arrays by name; empty before the first step.
    """

    step: int
    skipped: int
    states: list[dict[str, F32]]


class Engine(Protocol):
    """Runs an optimizer's formula on one device and owns its state there."""

    def prepare(self) -> None:
        """Make what a step needs; called before the parameters are borrowed."""
        ...

    def renew_masters(self) -> None:
        """Let masters that do not round to their parameters' values start from these."""
        ...

    def step(self, held: Borrowed) -> None:
        """Update the parameters with their gradients; everything was checked before."""
        ...

    def counts(self) -> tuple[int, int]:
        """Updates made and updates skipped."""
        ...

    def snapshot(self) -> Snapshot:
        """Copy the state to the host."""
        ...

    def restore(self, snapshot: Snapshot) -> None:
        """Replace the state; the shapes were checked before."""
        ...


def with_masters(snapshot: Snapshot, params: Sequence[Parameter]) -> Snapshot:
    """A state for parameters whose dtypes have changed: a new master has yet to be renewed."""
    for state, parameter in zip(snapshot.states, params, strict=False):
        if parameter.dtype == np.float16:
            state.setdefault(MASTER, np.zeros(parameter.shape, np.float32))
        else:
            state.pop(MASTER, None)
    return snapshot


class Rule(Protocol):
    """The part of an optimizer that an engine asks for."""

    def state_shapes(self, parameter: Parameter) -> dict[str, Shape]:
        """Shapes of a parameter's state arrays, by name, without the master weights."""
        ...

    def state_start(self, name: str) -> float:
        """The value that a state array is filled with at first."""
        ...

    def rows(self) -> Sequence[tuple[float, ...]]:
        """The formula's numbers, one row a parameter group, as they are now."""
        ...

    def group_of(self) -> Sequence[int]:
        """Each parameter's group."""
        ...


def state_shapes(rule: Rule, parameter: Parameter) -> dict[str, Shape]:
    """All state arrays of a parameter, the master weights of a float16 one among them."""
    shapes = rule.state_shapes(parameter)
    if parameter.dtype == np.float16:
        shapes = {**shapes, MASTER: parameter.shape}
    return shapes
