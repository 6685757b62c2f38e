"""RAdam."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, expm1, sqrt
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from rumus.optim._contract import F32, SHADERS
from rumus.optim._groups import Options, ParamsLike
from rumus.optim._rules.decay import decayed
from rumus.optim._rules.moments import MomentOptimizer, advance, log_of


class Row(NamedTuple):
    """One group's numbers; ``c`` is ``1 - β``, ``start`` is ``ρ`` at step 0."""

    lr: float
    beta1: float
    beta2: float
    c1: float
    c2: float
    log_beta1: float
    log_beta2: float
    eps: float
    weight_decay: float
    shrink: float
    most: float
    start: float


class RAdam(MomentOptimizer):
    r"""Adam that waits with the adaptive rate until its variance is known, and then rectifies it.

    With decay rates ``β₁, β₂``, weight decay ``λ`` and the step ``t`` from 1::

        g ← g + λ p                                  (decoupled: p ← p - lr λ p)
        m ← β₁ m + (1 - β₁) g
        v ← β₂ v + (1 - β₂) g²
        ρ∞ = 2/(1 - β₂) - 1,  ρ = ρ∞ - 2 t β₂ᵗ/(1 - β₂ᵗ)
        r = √((ρ - 4)(ρ - 2) ρ∞ / ((ρ∞ - 4)(ρ∞ - 2) ρ))
        p ← p - lr · r · m/(1 - β₁ᵗ) · √(1 - β₂ᵗ) / (√v + ε)     if ρ > 5
        p ← p - lr · m/(1 - β₁ᵗ)                                 else

    Liu et al., "On the Variance of the Adaptive Learning Rate and Beyond", 2020, with PyTorch's
    threshold and place of ``ε``.

    Args:
        params: parameters, ``(name, parameter)`` pairs or groups.
        lr: learning rate, at least 0 (default 1e-3).
        betas: ``β₁, β₂``, each in [0, 1) (default 0.9, 0.999).
        eps: ``ε``, at least 0 (default 1e-8).
        weight_decay: ``λ``, at least 0 (default 0).
        decoupled_weight_decay: let weights decay by themselves, as AdamW's do (default False).
        maximize: climb instead of descending (default False).
        skip_nonfinite: leave out steps with a gradient that is not finite (default False).

    Raises:
        HyperparameterError: a value is outside its range.
        ParameterListError: no parameters, one of them twice, or another object.

    Example:
        >>> from rumus import nn, tensor
        >>> model = nn.Linear(2, 1)
        >>> optimizer = RAdam(model.parameters(), lr=0.1)
        >>> for _ in range(3):
        ...     optimizer.step(nn.mse_loss(model(tensor.ones(4, 2)), tensor.zeros(4, 1)).backward())
        >>> optimizer.steps
        3
    """

    shader: ClassVar[str | Path] = SHADERS / "radam.wgsl"
    shader_states: ClassVar[tuple[str, ...]] = ("m", "v")
    scratch = "ff"

    def __init__(
        self,
        params: ParamsLike,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
        skip_nonfinite: bool = False,
    ) -> None:
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        self.decoupled: bool = bool(decoupled_weight_decay)
        super().__init__(params, defaults, maximize=maximize, skip_nonfinite=skip_nonfinite)

    def row(self, options: Options) -> Row:
        """The numbers of one group."""
        beta2 = options["betas"][1]
        most = 2 / (1 - beta2) - 1
        return Row._make((*super().row(options), most, most + 2 / log_of(beta2)))

    def update(
        self, h: Row, step: int, p: F32, g: F32, s: Sequence[F32], scratch: Sequence[Any]
    ) -> None:
        """The class's formula."""
        m, v = s
        x, y = scratch[0], scratch[1]
        if h.shrink != 1:
            np.multiply(p, h.shrink, out=p)
        g = decayed(g, h.weight_decay, p, y)
        advance(h, g, m, v, x)
        size = h.lr / -expm1(step * h.log_beta1)
        left = -expm1(step * h.log_beta2)
        rho = h.most - 2 * step * exp(step * h.log_beta2) / left
        if rho > 5:
            rect = (rho - 4) * (rho - 2) * h.most / ((h.most - 4) * (h.most - 2) * rho)
            np.sqrt(v, out=x)
            np.add(x, h.eps, out=x)
            np.divide(m, x, out=x)
            np.multiply(x, size * sqrt(rect * left), out=x)
        else:
            np.multiply(m, size, out=x)
        np.subtract(p, x, out=p)
