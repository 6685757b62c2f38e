"""Adam, and what AdamW shares with it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from rumus.optim._contract import F32, SHADERS
from rumus.optim._groups import ParamsLike
from rumus.optim._rules.moments import MomentOptimizer, Row, advance, divide


class Adam(MomentOptimizer):
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

    Example:
        >>> from rumus import nn, tensor
        >>> model = nn.Linear(2, 1)
        >>> optimizer = Adam(model.parameters(), lr=0.1)
        >>> for _ in range(3):
        ...     optimizer.step(nn.mse_loss(model(tensor.ones(4, 2)), tensor.zeros(4, 1)).backward())
        >>> optimizer.steps
        3
    """

    shader: ClassVar[str | Path] = SHADERS / "adam.wgsl"
    shader_states: ClassVar[tuple[str, ...]] = ("m", "v", "v_max")
    scratch = "ff"

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
        """The class's formula."""
        m, v, x = s[0], s[1], scratch[0]
        if h.shrink != 1:
            np.multiply(p, h.shrink, out=p)
        if h.weight_decay:
            np.multiply(p, h.weight_decay, out=scratch[1])
            g = np.add(g, scratch[1], out=scratch[1])
        advance(h, g, m, v, x)
        if len(s) == 3:
            v = np.maximum(s[2], v, out=s[2])
        divide(h, step, m, v, h.lr, out=x)
        np.subtract(p, x, out=p)
