"""NAdam."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import exp, expm1, log, sqrt
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from rumus.optim import _checks
from rumus.optim._contract import F32, SHADERS
from rumus.optim._groups import Options, ParamsLike
from rumus.optim._rules.decay import decayed
from rumus.optim._rules.moments import MomentOptimizer, advance


class Row(NamedTuple):
    """One group's numbers; ``c`` is ``1 - β``, ``log_q`` is ``log 0.96^ψ``."""

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
    log_q: float


class NAdam(MomentOptimizer):
    r"""Adam with Nesterov's momentum.

    With decay rates ``β₁, β₂``, weight decay ``λ``, momentum decay ``ψ`` and the step ``t`` from
    1::

        g ← g + λ p                                  (decoupled: p ← p - lr λ p)
        m ← β₁ m + (1 - β₁) g
        v ← β₂ v + (1 - β₂) g²
        μₜ = β₁ (1 - ½ 0.96^(t ψ)),  Πₜ = μ₁ μ₂ … μₜ
        n = (1 - μₜ)/(1 - Πₜ) · g + μₜ₊₁/(1 - Πₜ₊₁) · m
        p ← p - lr · n / (√(v/(1 - β₂ᵗ)) + ε)

    Dozat, "Incorporating Nesterov Momentum into Adam", 2016, as in PyTorch; ``Π`` is that of the
    present ``β₁`` and ``ψ`` from the first step on.

    Args:
        params: parameters, ``(name, parameter)`` pairs or groups.
        lr: learning rate, at least 0 (default 2e-3).
        betas: ``β₁, β₂``, each in [0, 1) (default 0.9, 0.999).
        eps: ``ε``, at least 0 (default 1e-8).
        weight_decay: ``λ``, at least 0 (default 0).
        momentum_decay: ``ψ``, at least 0 (default 4e-3).
        decoupled_weight_decay: let weights decay by themselves, as AdamW's do (default False).
        maximize: climb instead of descending (default False).
        skip_nonfinite: leave out steps with a gradient that is not finite (default False).

    Raises:
        HyperparameterError: a value is outside its range.
        ParameterListError: no parameters, one of them twice, or another object.

    Example:
        >>> from rumus import nn, tensor
        >>> model = nn.Linear(2, 1)
        >>> optimizer = NAdam(model.parameters(), lr=0.1)
        >>> for _ in range(3):
        ...     optimizer.step(nn.mse_loss(model(tensor.ones(4, 2)), tensor.zeros(4, 1)).backward())
        >>> optimizer.steps
        3
    """

    shader: ClassVar[str | Path] = SHADERS / "nadam.wgsl"
    shader_states: ClassVar[tuple[str, ...]] = ("m", "v")
    scratch = "fff"

    def __init__(
        self,
        params: ParamsLike,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
        skip_nonfinite: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum_decay": momentum_decay,
        }
        self.decoupled: bool = bool(decoupled_weight_decay)
        super().__init__(params, defaults, maximize=maximize, skip_nonfinite=skip_nonfinite)

    def check(self, options: Options) -> Options:
        """A group's options with every range checked."""
        decay = _checks.non_negative("momentum_decay", options["momentum_decay"])
        return {**super().check(options), "momentum_decay": decay}

    def row(self, options: Options) -> Row:
        """The numbers of one group."""
        return Row._make((*super().row(options), log(0.96) * options["momentum_decay"]))

    def update(
        self, h: Row, step: int, p: F32, g: F32, s: Sequence[F32], scratch: Sequence[Any]
    ) -> None:
        """The class's formula."""
        m, v = s
        x, y, n = scratch[0], scratch[1], scratch[2]
        if h.shrink != 1:
            np.multiply(p, h.shrink, out=p)
        g = decayed(g, h.weight_decay, p, y)
        advance(h, g, m, v, x)
        root = sqrt(-expm1(step * h.log_beta2))
        of_gradient, of_moment = _shares(h.beta1, h.log_q, step)
        np.multiply(g, h.lr * root * of_gradient, out=n)
        np.multiply(m, h.lr * root * of_moment, out=x)
        np.add(n, x, out=n)
        np.sqrt(v, out=x)
        np.add(x, h.eps * root, out=x)
        np.divide(n, x, out=x)
        np.subtract(p, x, out=p)


@lru_cache(maxsize=64)
def _shares(beta1: float, log_q: float, step: int) -> tuple[float, float]:
    """``(1 - μₜ)/(1 - Πₜ)`` and ``μₜ₊₁/(1 - Πₜ₊₁)``."""
    mu = [beta1 * (1 - exp(i * log_q) / 2) for i in (step, step + 1)]
    product = 1.0
    for i in range(1, step + 1):
        product *= beta1 * (1 - exp(i * log_q) / 2)
        if product < 1e-20:
            break
        if i * log_q < -40:  # from here on a factor is β₁
            product *= beta1 ** (step - i)
            break
    return (1 - mu[0]) / (1 - product), mu[1] / (1 - product * mu[1])
