"""What optimizers that keep a first and a second moment share."""

from __future__ import annotations

from math import expm1, log, sqrt
from typing import Any, NamedTuple

import numpy as np

from rumus.optim import _checks
from rumus.optim._contract import F32
from rumus.optim._cpu.blocks import blend, blend_squares
from rumus.optim._groups import Options
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


class MomentOptimizer(Optimizer):
    """The hyperparameters and state of Adam's family."""

    decoupled: bool = False
    """Whether weights decay by themselves (``shrink``) instead of through the direction."""

    def check(self, options: Options) -> Options:
        """A group's options with every range checked."""
        return {
            "lr": _checks.non_negative("lr", options["lr"]),
            "betas": _checks.fractions("betas", options["betas"]),
            "eps": _checks.non_negative("eps", options["eps"]),
            "weight_decay": _checks.non_negative("weight_decay", options["weight_decay"]),
        }

    def row(self, options: Options) -> tuple[float, ...]:
        """The numbers of one group."""
        beta1, beta2 = options["betas"]
        lr, decay = options["lr"], options["weight_decay"]
        return Row(
            lr=lr,
            beta1=beta1,
            beta2=beta2,
            c1=1 - beta1,
            c2=1 - beta2,
            log_beta1=log_of(beta1),
            log_beta2=log_of(beta2),
            eps=options["eps"],
            weight_decay=0.0 if self.decoupled else decay,
            shrink=1 - lr * decay if self.decoupled else 1.0,
        )

    @property
    def states(self) -> tuple[str, ...]:
        """``m`` and ``v``."""
        return ("m", "v")


def advance(h: Any, g: F32, m: F32, v: F32, scratch: F32) -> None:
    """``m ← β₁ m + (1 - β₁) g`` and ``v ← β₂ v + (1 - β₂) g²``."""
    blend(m, g, h.beta1, h.c1, scratch)
    blend_squares(v, g, h.beta2, h.c2, scratch)


def divide(h: Row, step: int, m: F32, v: F32, size: float, out: F32) -> None:
    """``size · m/(1 - β₁ᵗ) / (√(v/(1 - β₂ᵗ)) + ε)``, the corrections taken out of the arrays."""
    root = sqrt(-expm1(step * h.log_beta2))
    np.sqrt(v, out=out)
    np.add(out, h.eps * root, out=out)
    np.divide(m, out, out=out)
    np.multiply(out, size * root / -expm1(step * h.log_beta1), out=out)


def log_of(beta: float) -> float:
    """``log β``, or a number whose powers are 0 for ``β = 0``, where float32 has room for it."""
    return log(beta) if beta > 0 else -1e4
