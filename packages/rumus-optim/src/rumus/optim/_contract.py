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

NORM_BLOCK = 16384
"""Elements of a block whose squares are summed by themselves, as norm.wgsl takes them."""

NORM_EPS = 1e-6
"""Added to a norm before dividing by it, as in PyTorch."""

SHADERS = Path(__file__).with_name("shaders")
"""Where this package's WGSL lies."""


@dataclass(frozen=True, slots=True)
class Part:
    """What an optimizer keeps of a parameter: all of it, or a run of its elements.

    Attributes:
        parameter: the parameter.
        group: its group.
        start: the first element, in row-major order.
        stop: one past the last element.
    """

    parameter: Parameter
    group: int
    start: int
    stop: int

    @property
    def size(self) -> int:
        """The number of elements."""
        return self.stop - self.start

    @property
    def is_whole(self) -> bool:
        """Whether it is all of the parameter."""
        return self.size == self.parameter.size

    @property
    def shape(self) -> Shape:
        """The parameter's shape; of a part one axis."""
        return self.parameter.shape if self.is_whole else (self.size,)


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

    def measure(self, extras: Sequence[Any] = (), *, stored: bool = True) -> Any:
        """Change the states and sum two quantities: the file's ``measure``; a pair a tile.

        Args:
            extras: what the formula's ``advance`` reads (default nothing).
            stored: whether states are read and written (default True).
        """
        ...

    def combine(self, sums: Any, extras: Sequence[Any] = ()) -> Any:
        """One number a parameter from what :meth:`measure` summed: the file's ``combine``.

        With ``combine_norms`` in its place the two quantities' norms come in the sums' place.
        """
        ...


@dataclass(slots=True)
class Snapshot:
    """An optimizer's state on the host.

    Attributes:
        step: updates made so far.
        skipped: updates left out because a gradient was not finite.
        counts: for each part in order, the updates that its parameter took part in.
        states: for each part in order, its arrays by name; empty before the first step.
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

    def step(self, held: Borrowed, finite: bool = False) -> None:
        """Update the parameters with their gradients; everything was checked before.

        Args:
            held: their gradients.
            finite: whether the gradients are known to be so, however the rule skips.
        """
        ...

    def leave_out(self) -> None:
        """Count an update that is left out."""
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


def in_arena_order(params: Sequence[Parameter]) -> list[Parameter]:
    """Parameters in the order in which an optimizer packs them: those of a dtype together."""
    return sorted(params, key=lambda p: p.dtype.itemsize)


def with_masters(snapshot: Snapshot, parts: Sequence[Part]) -> Snapshot:
    """A state for parameters whose dtypes have changed: a new master has yet to be renewed."""
    for state, part in zip(snapshot.states, parts, strict=False):
        if part.parameter.dtype == np.float16:
            state.setdefault(MASTER, np.zeros(part.shape, np.float32))
        else:
            state.pop(MASTER, None)
    return snapshot


def state_shapes(rule: Rule, part: Part) -> dict[str, Shape]:
    """All state arrays of a part, the master weights of a float16 parameter's among them."""
    shapes = rule.state_shapes(part.parameter)
    if part.parameter.dtype == np.float16:
        shapes = {**shapes, MASTER: part.parameter.shape}
    return shapes if part.is_whole else dict.fromkeys(shapes, part.shape)
