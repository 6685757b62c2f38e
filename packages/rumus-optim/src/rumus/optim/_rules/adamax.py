"""Adamax."""

from __future__ import annotations

from collections.abc import Sequence
from math import expm1
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from rumus.optim._contract import F32, SHADERS
from rumus.optim._cpu.blocks import blend
from rumus.optim._groups import ParamsLike
from rumus.optim._rules.decay import decayed
from rumus.optim._rules.moments import MomentOptimizer, Row


class Adamax(MomentOptimizer):
    r"""Adam with the largest gradient in place of the root of the squares.

    With decay rates ``β₁, β₂``, weight decay ``λ`` and the step ``t`` from 1::

        g ← g + λ p
        m ← β₁ m + (1 - β₁) g
        u ← max(β₂ u, |g| + ε)
        p ← p - lr/(1 - β₁ᵗ) · m / u

    Kingma & Ba, "Adam", 2015, algorithm 2, with PyTorch's ``ε``.

    Args:
        params: parameters, ``(name, parameter)`` pairs or groups.
        lr: learning rate, at least 0 (default 2e-3).
        betas: ``β₁, β₂``, each in [0, 1) (default 0.9, 0.999).
        eps: ``ε``, at least 0 (default 1e-8).
        weight_decay: ``λ``, at least 0 (default 0).
        maximize: climb instead of descending (default False).
        skip_nonfinite: leave out steps with a gradient that is not finite (default False).

    Raises:
        HyperparameterError: a value is outside its range.
        ParameterListError: no parameters, one of them twice, or another object.

    Example:
        >>> from rumus import nn, tensor
        >>> model = nn.Linear(2, 1)
        >>> optimizer = Adamax(model.parameters(), lr=0.1)
        >>> for _ in range(3):
        ...     optimizer.step(nn.mse_loss(model(tensor.ones(4, 2)), tensor.zeros(4, 1)).backward())
        >>> optimizer.steps
        3
    """

    shader: ClassVar[str | Path] = SHADERS / "adamax.wgsl"
    shader_states: ClassVar[tuple[str, ...]] = ("m", "u")
    scratch = "ff"

    def __init__(
        self,
        params: ParamsLike,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
        skip_nonfinite: bool = False,
    ) -> None:
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, defaults, maximize=maximize, skip_nonfinite=skip_nonfinite)

    @property
    def states(self) -> tuple[str, ...]:
        """``m`` and ``u``."""
        return ("m", "u")

    def update(
        self, h: Row, step: int, p: F32, g: F32, s: Sequence[F32], scratch: Sequence[Any]
    ) -> None:
        """The class's formula."""
        x, y = scratch[0], scratch[1]
        m, u = s
        g = decayed(g, h.weight_decay, p, y)
        blend(m, g, h.beta1, h.c1, x)
        np.abs(g, out=x)
        np.add(x, h.eps, out=x)
        np.multiply(u, h.beta2, out=u)
        np.maximum(u, x, out=u)
        np.divide(m, u, out=x)
        np.multiply(x, h.lr / -expm1(step * h.log_beta1), out=x)
        np.subtract(p, x, out=p)
