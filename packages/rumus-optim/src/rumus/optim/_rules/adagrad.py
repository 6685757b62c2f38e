"""Adagrad."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from rumus.optim import _checks
from rumus.optim._contract import F32, SHADERS
from rumus.optim._groups import Options, ParamsLike
from rumus.optim._optimizer import Optimizer


class Row(NamedTuple):
    """One group's numbers."""

    lr: float
    lr_decay: float
    eps: float
    weight_decay: float


class Adagrad(Optimizer):
    r"""Steps divided by the root of the sum of all squared gradients so far.

    With rate decay ``η``, weight decay ``λ`` and the step ``t`` from 1::

        g ← g + λ p
        v ← v + g²
        p ← p - lr / (1 + (t - 1) η) · g / (√v + ε)

    ``ε`` is added outside the root, as in PyTorch.
    Duchi, Hazan & Singer, "Adaptive Subgradient Methods", 2011.

    Args:
        params: parameters, ``(name, parameter)`` pairs or groups.
        lr: learning rate, at least 0 (default 1e-2).
        lr_decay: ``η``, at least 0 (default 0).
        weight_decay: ``λ``, at least 0 (default 0).
        initial_accumulator_value: ``v`` before the first step, at least 0 (default 0).
        eps: ``ε``, at least 0 (default 1e-10).
        maximize: climb instead of descending (default False).
        skip_nonfinite: leave out steps with a gradient that is not finite (default False).

    Raises:
        HyperparameterError: a value is outside its range.
        ParameterListError: no parameters, one of them twice, or another object.

    Example:
        >>> from rumus import nn, tensor
        >>> model = nn.Linear(2, 1)
        >>> optimizer = Adagrad(model.parameters(), lr=0.1)
        >>> for _ in range(3):
        ...     optimizer.step(nn.mse_loss(model(tensor.ones(4, 2)), tensor.zeros(4, 1)).backward())
        >>> optimizer.steps
        3
    """

    shader: ClassVar[str | Path] = SHADERS / "adagrad.wgsl"
    shader_states: ClassVar[tuple[str, ...]] = ("v",)
    scratch = "ff"

    def __init__(
        self,
        params: ParamsLike,
        lr: float = 1e-2,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
        skip_nonfinite: bool = False,
    ) -> None:
        defaults = {"lr": lr, "lr_decay": lr_decay, "weight_decay": weight_decay, "eps": eps}
        self._start = _checks.non_negative("initial_accumulator_value", initial_accumulator_value)
        super().__init__(params, defaults, maximize=maximize, skip_nonfinite=skip_nonfinite)

    def check(self, options: Options) -> Options:
        """A group's options with every range checked."""
        names = ("lr", "lr_decay", "weight_decay", "eps")
        return {name: _checks.non_negative(name, options[name]) for name in names}

    def row(self, options: Options) -> Row:
        """The numbers of one group."""
        return Row(**options)

    @property
    def states(self) -> tuple[str, ...]:
        """``v``."""
        return ("v",)

    def state_start(self, name: str) -> float:
        """The sum of squares that training starts from."""
        return self._start

    def update(
        self, h: Row, step: int, p: F32, g: F32, s: Sequence[F32], scratch: Sequence[Any]
    ) -> None:
        """The class's formula."""
        x, y = scratch[0], scratch[1]
        (v,) = s
        if h.weight_decay:
            np.multiply(p, h.weight_decay, out=y)
            g = np.add(g, y, out=y)
        np.multiply(g, g, out=x)
        np.add(v, x, out=v)
        np.sqrt(v, out=x)
        np.add(x, h.eps, out=x)
        np.divide(g, x, out=x)
        np.multiply(x, h.lr / (1 + (step - 1) * h.lr_decay), out=x)
        np.subtract(p, x, out=p)
