"""Adadelta."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from rumus.optim import _checks
from rumus.optim._contract import F32, SHADERS
from rumus.optim._cpu.blocks import blend_squares
from rumus.optim._groups import Options, ParamsLike
from rumus.optim._optimizer import Optimizer
from rumus.optim._rules.decay import decayed


class Row(NamedTuple):
    """One group's numbers; ``c`` is ``1 - ρ``."""

    lr: float
    rho: float
    c: float
    eps: float
    weight_decay: float


class Adadelta(Optimizer):
    r"""Steps of the size of those before: two running root mean squares, of steps and gradients.

    With smoothing ``ρ`` and weight decay ``λ``::

        g ← g + λ p
        v ← ρ v + (1 - ρ) g²
        d = √(u + ε) / √(v + ε) · g
        u ← ρ u + (1 - ρ) d²
        p ← p - lr d

    Zeiler, "ADADELTA: An Adaptive Learning Rate Method", 2012.

    Args:
        params: parameters, ``(name, parameter)`` pairs or groups.
        lr: learning rate, at least 0 (default 1).
        rho: ``ρ``, in [0, 1) (default 0.9).
        eps: ``ε``, at least 0 (default 1e-6).
        weight_decay: ``λ``, at least 0 (default 0).
        maximize: climb instead of descending (default False).
        skip_nonfinite: leave out steps with a gradient that is not finite (default False).

    Raises:
        HyperparameterError: a value is outside its range.
        ParameterListError: no parameters, one of them twice, or another object.

    Example:
        >>> from rumus import nn, tensor
        >>> model = nn.Linear(2, 1)
        >>> optimizer = Adadelta(model.parameters(), lr=1.0)
        >>> for _ in range(3):
        ...     optimizer.step(nn.mse_loss(model(tensor.ones(4, 2)), tensor.zeros(4, 1)).backward())
        >>> optimizer.steps
        3
    """

    shader: ClassVar[str | Path] = SHADERS / "adadelta.wgsl"
    shader_states: ClassVar[tuple[str, ...]] = ("v", "u")
    scratch = "ff"

    def __init__(
        self,
        params: ParamsLike,
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
        skip_nonfinite: bool = False,
    ) -> None:
        defaults = {"lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, defaults, maximize=maximize, skip_nonfinite=skip_nonfinite)

    def check(self, options: Options) -> Options:
        """A group's options with every range checked."""
        names = ("lr", "eps", "weight_decay")
        checked = {name: _checks.non_negative(name, options[name]) for name in names}
        return {**checked, "rho": _checks.fraction("rho", options["rho"])}

    def row(self, options: Options) -> Row:
        """The numbers of one group."""
        return Row(c=1 - options["rho"], **options)

    @property
    def states(self) -> tuple[str, ...]:
        """``v`` and ``u``."""
        return ("v", "u")

    def update(
        self, h: Row, step: int, p: F32, g: F32, s: Sequence[F32], scratch: Sequence[Any]
    ) -> None:
        """The class's formula."""
        x, y = scratch[0], scratch[1]
        v, u = s
        g = decayed(g, h.weight_decay, p, y)
        blend_squares(v, g, h.rho, h.c, x)
        np.add(v, h.eps, out=x)
        np.sqrt(x, out=x)
        d = np.divide(g, x, out=y)
        np.add(u, h.eps, out=x)
        np.sqrt(x, out=x)
        np.multiply(d, x, out=d)
        blend_squares(u, d, h.rho, h.c, x)
        np.multiply(d, h.lr, out=d)
        np.subtract(p, d, out=p)
