"""Adam, and what AdamW shares with it."""

from __future__ import annotations

from collections.abc import Sequence
from math import expm1, log, sqrt
from typing import Any, ClassVar, NamedTuple

import numpy as np

from rumus.optim import _checks
from rumus.optim._cpu import blend
from rumus.optim._engine import F32
from rumus.optim._groups import Options, ParamsLike
from rumus.optim._optimizer import Optimizer


class Row(NamedTuple):
    """One group's numbers; ``c`` is ``1 - β``, which float32 cannot subtract exactly enough."""

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


class Adam(Optimizer):
    r"""Adaptive moments.

    With decay rates ``β₁, β₂``, weight decay ``λ`` and the step ``t`` from 1::

        g ← g + λ p
        m ← β₁ m + (1 - β₁) g
        v ← β₂ v + (1 - β₂) g²
        p ← p - lr · m/(1 - β₁ᵗ) / (√(v/(1 - β₂ᵗ)) + ε)

    With ``amsgrad`` the largest ``v`` so far takes the place of ``v`` in the last line. ``ε`` is
    added outside the root and after the bias correction, as in the paper and in PyTorch.
    Kingma & Ba, "Adam", 2015, algorithm 1; Reddi et al., "On the Convergence of Adam and Beyond",
    2018.

    Args:
        params: parameters, ``(name, parameter)`` pairs or groups.
        lr: learning rate, at least 0 (default 1e-3).
        betas: ``β₁, β₂``, each in [0, 1) (default 0.9, 0.999).
        eps: ``ε``, at least 0 (default 1e-8).
        weight_decay: ``λ``, at least 0 (default 0).
        amsgrad: never let the denominator shrink (default False).
        maximize: climb instead of descending (default False).
        skip_nonfinite: leave out steps with a gradient that is not finite (default False).

    Raises:
        HyperparameterError: a value is outside its range.
        ParameterListError: no parameters, one of them twice, or another object.
    """

    shader = "adam.wgsl"
    shader_states = ("m", "v", "v_max")
    scratch = "ff"
    decoupled: ClassVar[bool] = False
    """Whether weights decay by themselves (AdamW) instead of through the gradient."""

    def __init__(
        self,
        params: ParamsLike,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        skip_nonfinite: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
        }
        self._amsgrad = bool(amsgrad)
        super().__init__(params, defaults, maximize=maximize, skip_nonfinite=skip_nonfinite)

    def check(self, options: Options) -> Options:
        """A group's options with every range checked."""
        return {
            "lr": _checks.non_negative("lr", options["lr"]),
            "betas": _checks.fractions("betas", options["betas"]),
            "eps": _checks.non_negative("eps", options["eps"]),
            "weight_decay": _checks.non_negative("weight_decay", options["weight_decay"]),
        }

    def row(self, options: Options) -> Row:
        """The numbers of one group."""
        beta1, beta2 = options["betas"]
        lr, decay = options["lr"], options["weight_decay"]
        return Row(
            lr=lr,
            beta1=beta1,
            beta2=beta2,
            c1=1 - beta1,
            c2=1 - beta2,
            log_beta1=log_of_decay(beta1),
            log_beta2=log_of_decay(beta2),
            eps=options["eps"],
            weight_decay=0.0 if self.decoupled else decay,
            shrink=1 - lr * decay if self.decoupled else 1.0,
        )

    @property
    def states(self) -> tuple[str, ...]:
        """``m`` and ``v``, and the largest ``v`` so far with amsgrad."""
        return ("m", "v", "v_max") if self._amsgrad else ("m", "v")

    def shader_constants(self) -> dict[str, bool]:
        """Whether the denominator is ``v_max``."""
        return {"AMSGRAD": self._amsgrad}

    def update(
        self, h: Row, step: int, p: F32, g: F32, s: Sequence[F32], scratch: Sequence[Any]
    ) -> None:
        """The class's formula, with both bias corrections taken out of the array operations."""
        m, v = s[0], s[1]
        a = scratch[0]
        if h.shrink != 1:
            np.multiply(p, h.shrink, out=p)
        if h.weight_decay:
            np.multiply(p, h.weight_decay, out=scratch[1])
            g = np.add(g, scratch[1], out=scratch[1])
        blend(m, g, h.beta1, h.c1, a)
        np.multiply(g, g, out=a)
        blend(v, a, h.beta2, h.c2, a)
        if len(s) == 3:
            v = np.maximum(s[2], v, out=s[2])
        root = sqrt(-expm1(step * h.log_beta2))
        np.sqrt(v, out=a)
        np.add(a, h.eps * root, out=a)
        np.divide(m, a, out=a)
        np.multiply(a, h.lr * root / -expm1(step * h.log_beta1), out=a)
        np.subtract(p, a, out=p)


def log_of_decay(beta: float) -> float:
    """``log β``, or a number whose powers are 0 for ``β = 0``, where float32 has room for it."""
    return log(beta) if beta > 0 else -1e4
