"""ASGD."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from rumus.optim import _checks
from rumus.optim._contract import F32, SHADERS
from rumus.optim._groups import Options, ParamsLike
from rumus.optim._optimizer import Optimizer
from rumus.optim._rules.decay import decayed


class Row(NamedTuple):
    """One group's numbers."""

    lr: float
    lambd: float
    alpha: float
    t0: float
    weight_decay: float


class ASGD(Optimizer):
    r"""Gradient descent with a decaying rate, and the average of its parameters.

    With decay terms ``κ, α``, the averaging's start ``t₀``, weight decay ``λ`` and the step ``t``
    from 1::

        g ← g + λ p
        η = lr / (1 + κ lr (t - 1))^α
        p ← p - η κ p - η g
        a ← a + (p - a) / max(1, t - 1 - t₀)

    ``a`` is in the state dict, as ``ax``. Polyak & Juditsky, "Acceleration of Stochastic
    Approximation by Averaging", 1992, as in PyTorch.

    Args:
        params: parameters, ``(name, parameter)`` pairs or groups.
        lr: learning rate, at least 0 (default 1e-2).
        lambd: ``κ``, at least 0 (default 1e-4).
        alpha: ``α``, at least 0 (default 0.75).
        t0: ``t₀``, at least 0 (default 1e6).
        weight_decay: ``λ``, at least 0 (default 0).
        maximize: climb instead of descending (default False).
        skip_nonfinite: leave out steps with a gradient that is not finite (default False).

    Raises:
        HyperparameterError: a value is outside its range.
        ParameterListError: no parameters, one of them twice, or another object.

    Example:
        >>> from rumus import nn, tensor
        >>> model = nn.Linear(2, 1)
        >>> optimizer = ASGD(model.parameters(), lr=0.1)
        >>> for _ in range(3):
        ...     optimizer.step(nn.mse_loss(model(tensor.ones(4, 2)), tensor.zeros(4, 1)).backward())
        >>> optimizer.steps
        3
    """

    shader: ClassVar[str | Path] = SHADERS / "asgd.wgsl"
    shader_states: ClassVar[tuple[str, ...]] = ("ax",)
    scratch = "ff"

    def __init__(
        self,
        params: ParamsLike,
        lr: float = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
        skip_nonfinite: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "lambd": lambd,
            "alpha": alpha,
            "t0": t0,
            "weight_decay": weight_decay,
        }
        super().__init__(params, defaults, maximize=maximize, skip_nonfinite=skip_nonfinite)

    def check(self, options: Options) -> Options:
        """A group's options with every range checked."""
        return {name: _checks.non_negative(name, options[name]) for name in Row._fields}

    def row(self, options: Options) -> Row:
        """The numbers of one group."""
        return Row(**options)

    @property
    def states(self) -> tuple[str, ...]:
        """``ax``, the average."""
        return ("ax",)

    def update(
        self, h: Row, step: int, p: F32, g: F32, s: Sequence[F32], scratch: Sequence[Any]
    ) -> None:
        """The class's formula."""
        x, y = scratch[0], scratch[1]
        (ax,) = s
        g = decayed(g, h.weight_decay, p, y)
        eta = h.lr / (1 + h.lambd * h.lr * (step - 1)) ** h.alpha
        np.multiply(g, eta, out=x)
        np.multiply(p, 1 - h.lambd * eta, out=p)
        np.subtract(p, x, out=p)
        mu = 1 / max(1.0, step - 1 - h.t0)
        if mu == 1:
            np.copyto(ax, p)
            return
        np.subtract(p, ax, out=x)
        np.multiply(x, mu, out=x)
        np.add(ax, x, out=ax)
