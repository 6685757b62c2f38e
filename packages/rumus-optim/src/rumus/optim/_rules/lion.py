"""Lion: the sign of an interpolated momentum."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from rumus.optim import _checks
from rumus.optim._contract import F32, SHADERS
from rumus.optim._cpu.blocks import blend
from rumus.optim._groups import Options, ParamsLike
from rumus.optim._optimizer import Optimizer


class Row(NamedTuple):
    """One group's numbers; ``c`` is ``1 - β``."""

    lr: float
    beta1: float
    beta2: float
    c1: float
    c2: float
    shrink: float


class Lion(Optimizer):
    r"""Every element moves by the same amount, in the direction of its momentum.

    With decay rates ``β₁, β₂`` and weight decay ``λ``::

        u = sign(β₁ m + (1 - β₁) g)
        p ← p - lr (u + λ p)
        m ← β₂ m + (1 - β₂) g

    Chen et al., "Symbolic Discovery of Optimization Algorithms", 2023, algorithm 2. A learning rate
    3 to 10 times smaller than AdamW's, with a decay as much larger, is the paper's advice.

    Args:
        params: parameters, ``(name, parameter)`` pairs or groups.
        lr: learning rate, at least 0 (default 1e-4).
        betas: ``β₁, β₂``, each in [0, 1) (default 0.9, 0.99).
        weight_decay: ``λ``, at least 0 (default 0).
        maximize: climb instead of descending (default False).
        skip_nonfinite: leave out steps with a gradient that is not finite (default False).

    Raises:
        HyperparameterError: a value is outside its range.
        ParameterListError: no parameters, one of them twice, or another object.

    Example:
        >>> from rumus import nn, tensor
        >>> model = nn.Linear(2, 1)
        >>> optimizer = Lion(model.parameters(), lr=0.01)
        >>> for _ in range(3):
        ...     optimizer.step(nn.mse_loss(model(tensor.ones(4, 2)), tensor.zeros(4, 1)).backward())
        >>> optimizer.steps
        3
    """

    shader: ClassVar[str | Path] = SHADERS / "lion.wgsl"
    shader_states: ClassVar[tuple[str, ...]] = ("m",)
    scratch = "ff"

    def __init__(
        self,
        params: ParamsLike,
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
        skip_nonfinite: bool = False,
    ) -> None:
        defaults = {"lr": lr, "betas": betas, "weight_decay": weight_decay}
        super().__init__(params, defaults, maximize=maximize, skip_nonfinite=skip_nonfinite)

    def check(self, options: Options) -> Options:
        """A group's options with every range checked."""
        return {
            "lr": _checks.non_negative("lr", options["lr"]),
            "betas": _checks.fractions("betas", options["betas"]),
            "weight_decay": _checks.non_negative("weight_decay", options["weight_decay"]),
        }

    def row(self, options: Options) -> Row:
        """The numbers of one group."""
        beta1, beta2 = options["betas"]
        shrink = 1 - options["lr"] * options["weight_decay"]
        return Row(options["lr"], beta1, beta2, 1 - beta1, 1 - beta2, shrink)

    @property
    def states(self) -> tuple[str, ...]:
        """``m``."""
        return ("m",)

    def update(
        self, h: Row, step: int, p: F32, g: F32, s: Sequence[F32], scratch: Sequence[Any]
    ) -> None:
        """The class's formula."""
        x, y = scratch[0], scratch[1]
        (m,) = s
        if h.shrink != 1:
            np.multiply(p, h.shrink, out=p)
        np.multiply(m, h.beta1, out=x)
        np.multiply(g, h.c1, out=y)
        np.add(x, y, out=x)
        np.sign(x, out=x)
        np.multiply(x, h.lr, out=x)
        np.subtract(p, x, out=p)
        blend(m, g, h.beta2, h.c2, x)
