"""Rprop."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from rumus.optim import _checks
from rumus.optim._contract import F32, SHADERS
from rumus.optim._errors import HyperparameterError
from rumus.optim._groups import Options, ParamsLike
from rumus.optim._optimizer import Optimizer


class Row(NamedTuple):
    """One group's numbers."""

    lr: float
    shrink: float
    grow: float
    least: float
    most: float


class Rprop(Optimizer):
    r"""Steps of a size of each element's own, which only the gradient's sign changes.

    With factors ``η₋ < 1 < η₊`` and the gradient ``q`` of the step before, 0 at first::

        s ← s η₊ if g q > 0,  s η₋ if g q < 0,  s else;  then kept between the smallest and largest
        g ← 0 where g q < 0
        p ← p - s · sign(g),  q ← g

    For whole batches: noise changes signs. ``s`` begins with ``lr``. Riedmiller & Braun, "A Direct
    Adaptive Method for Faster Backpropagation Learning", 1993, as in PyTorch.

    Args:
        params: parameters, ``(name, parameter)`` pairs or groups.
        lr: the first step size, at least 0 (default 1e-2).
        etas: ``η₋, η₊``, in (0, 1) and above 1 (default 0.5, 1.2).
        step_sizes: smallest and largest step size, above 0 (default 1e-6, 50).
        maximize: climb instead of descending (default False).
        skip_nonfinite: leave out steps with a gradient that is not finite (default False).

    Raises:
        HyperparameterError: a value is outside its range.
        ParameterListError: no parameters, one of them twice, or another object.

    Example:
        >>> from rumus import nn, tensor
        >>> model = nn.Linear(2, 1)
        >>> optimizer = Rprop(model.parameters(), lr=0.1)
        >>> for _ in range(3):
        ...     optimizer.step(nn.mse_loss(model(tensor.ones(4, 2)), tensor.zeros(4, 1)).backward())
        >>> optimizer.steps
        3
    """

    shader: ClassVar[str | Path] = SHADERS / "rprop.wgsl"
    shader_states: ClassVar[tuple[str, ...]] = ("prev", "step_size")
    scratch = "ff"

    def __init__(
        self,
        params: ParamsLike,
        lr: float = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50.0),
        *,
        maximize: bool = False,
        skip_nonfinite: bool = False,
    ) -> None:
        defaults = {"lr": lr, "etas": etas, "step_sizes": step_sizes}
        super().__init__(params, defaults, maximize=maximize, skip_nonfinite=skip_nonfinite)

    def check(self, options: Options) -> Options:
        """A group's options with every range checked."""
        shrink, grow = _pair("etas", options)
        if not shrink < 1 < grow:
            raise HyperparameterError(f"etas must be below and above 1, got {options['etas']!r}")
        least, most = _pair("step_sizes", options)
        if least > most:
            raise HyperparameterError(f"step_sizes must rise, got {options['step_sizes']!r}")
        lr = _checks.non_negative("lr", options["lr"])
        return {"lr": lr, "etas": (shrink, grow), "step_sizes": (least, most)}

    def row(self, options: Options) -> Row:
        """The numbers of one group."""
        return Row(options["lr"], *options["etas"], *options["step_sizes"])

    @property
    def states(self) -> tuple[str, ...]:
        """``prev``, the gradient of the step before, and ``step_size``."""
        return ("prev", "step_size")

    def update(
        self, h: Row, step: int, p: F32, g: F32, s: Sequence[F32], scratch: Sequence[Any]
    ) -> None:
        """The class's formula."""
        x, y = scratch[0], scratch[1]
        prev, size = s
        if step == 1:
            size.fill(h.lr)
        np.sign(g, out=x)
        np.sign(prev, out=y)
        np.multiply(x, y, out=y)
        turned = y < 0
        np.multiply(size, h.grow, out=size, where=y > 0)
        np.multiply(size, h.shrink, out=size, where=turned)
        np.clip(size, h.least, h.most, out=size)
        np.copyto(prev, g)
        prev[turned] = 0
        x[turned] = 0
        np.multiply(x, size, out=x)
        np.subtract(p, x, out=p)


def _pair(name: str, options: Options) -> tuple[float, float]:
    first, second = _checks.several(name, options[name], 2)
    return _checks.positive(f"{name}[0]", first), _checks.positive(f"{name}[1]", second)
