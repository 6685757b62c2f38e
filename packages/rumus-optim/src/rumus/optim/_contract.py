"""What the engines ask of a rule, and what an optimizer asks of an engine.

A rule is what makes an optimizer itself: the ranges of its options, its states and its formula.
:class:`~rumus.optim.Optimizer` fulfils these protocols; the engines know nothing else of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from rumus.autograd import Borrowed
from rumus.nn import Parameter
from rumus.tensor import Tensor

F32 = npt.NDArray[np.float32]
Shape = tuple[int, ...]

MASTER = "master"
"""State of float16 parameters: their float32 values, which the formula reads and writes."""

NORM_EPS = 1e-6
"""Added to a norm before dividing by it, as in PyTorch."""

SHADERS = Path(__file__).with_name("shaders")
"""Where this package's WGSL lies."""


class Rule(Protocol):
    """What both engines ask of an optimizer."""

    @property
    def elementwise(self) -> bool:
        """Whether elements do not depend on each other, so that blocks of any size are right."""
        ...

    @property
    def maximize(self) -> bool:
        """Whether steps climb instead of descending."""
        ...

    @property
    def skip_nonfinite(self) -> bool:
        """Whether steps with a gradient that is not finite are left out."""
        ...

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


class GpuStep(Protocol):
    """One step over one arena on a GPU: the passes that a rule's WGSL can run in.

    Each is one dispatch over all parameters. Arrays are device arrays of :mod:`rumus.gpu`.
    """

    @property
    def params(self) -> Sequence[Parameter]:
        """The parameters that the step changes."""
        ...

    def state(self, name: str, parameter: Parameter) -> Tensor:
        """A parameter's state array, in place: what is copied into it stays."""
        ...

    def per_parameter(self, name: str, number: Callable[[Parameter], float]) -> Any:
        """A number for each parameter that follows from its shape, made once under this name."""
        ...

    def update(
        self,
        combined: Any = None,
        *,
        grads: bool = True,
        stored: bool = True,
        extras: Sequence[Any] = (),
    ) -> None:
        """Change the parameters: the file's ``update``.

        Args:
            combined: one number a parameter, if the formula reads ``(*s).combined``.
            grads: whether gradients are read (default True).
            stored: whether states are written (default True).
            extras: what the formula's ``gather`` reads (default nothing).
        """
        ...

    def measure(self, extras: Sequence[Any] = ()) -> Any:
        """Change the states and sum two quantities: the file's ``measure``; a pair a tile."""
        ...

    def combine(self, sums: Any, extras: Sequence[Any] = ()) -> Any:
        """One number a parameter from what :meth:`measure` summed: the file's ``combine``."""
        ...


@dataclass(slots=True)
class Snapshot:
    """An optimizer's state on the host.

    Attributes:
        step: updates made so far.
        skipped: updates left out because a gradient was not finite.
        counts: for each parameter in order, the updates that it took part in.
        states: for each parameter in order, its arrays by name; empty before the first step.
    """

    step: int
    skipped: int
    counts: list[int]
    states: list[dict[str, F32]]


class Engine(Protocol):
    """Runs a rule on one device and owns its state there."""

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


def state_shapes(rule: Rule, parameter: Parameter) -> dict[str, Shape]:
    """All state arrays of a parameter, the master weights of a float16 one among them."""
    shapes = rule.state_shapes(parameter)
    if parameter.dtype == np.float16:
        shapes = {**shapes, MASTER: parameter.shape}
    return shapes
