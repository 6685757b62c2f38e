"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from rumus.optim import _checks
from rumus.optim._contract import F32, SHADERS
from rumus.optim._cpu.blocks import add_scaled
from rumus.optim._errors import HyperparameterError
from rumus.optim._groups import Options, ParamsLike
from rumus.optim._optimizer import Optimizer


class Row(NamedTuple):
    """One group's numbers."""

    lr: float
    momentum: float
    undamped: float
    nesterov: float
    weight_decay: float


class SGD(Optimizer):
    r"""Gradient descent with momentum.

    With learning rate ``lr``, momentum ``μ``, dampening ``τ``, weight decay ``λ``::

        g ← g + λ p
        b ← g                     in the first step
        b ← μ b + (1 - τ) g       later
        d = g + μ b               with Nesterov's momentum
        d = b                     else (d = g where μ = 0, and no b is kept)
        p ← p - lr d

    Sutskever et al., "On the importance of initialization and momentum in deep learning", 2013, in
    PyTorch's form, where ``lr`` multiplies the momentum buffer.

    Args:
        params: parameters, ``(name, parameter)`` pairs or groups.
        lr: learning rate, at least 0 (default 1e-3).
        momentum: ``μ``, at least 0 (default 0).
        dampening: ``τ`` (default 0).
        weight_decay: ``λ``, at least 0 (default 0).
        nesterov: needs momentum and no dampening (default False).
        maximize: climb instead of descending (default False).
        skip_nonfinite: leave out steps with a gradient that is not finite (default False).

    Raises:
        HyperparameterError: a value is outside its range.
        ParameterListError: no parameters, one of them twice, or another object.

    Example:
        >>> from rumus import nn, tensor
        >>> model = nn.Linear(2, 1)
        >>> optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9)
        >>> for _ in range(3):
        ...     optimizer.step(nn.mse_loss(model(tensor.ones(4, 2)), tensor.zeros(4, 1)).backward())
        >>> optimizer.steps
        3
    """

    shader: ClassVar[str | Path] = SHADERS / "sgd.wgsl"
    shader_states: ClassVar[tuple[str, ...]] = ("b",)
    scratch = "fd"

    def __init__(
        self,
        params: ParamsLike,
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        skip_nonfinite: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
        }
        super().__init__(params, defaults, maximize=maximize, skip_nonfinite=skip_nonfinite)

    def check(self, options: Options) -> Options:
        """A group's options with every range checked."""
        checked = {
            "lr": _checks.non_negative("lr", options["lr"]),
            "momentum": _checks.non_negative("momentum", options["momentum"]),
            "dampening": _checks.number("dampening", options["dampening"]),
            "weight_decay": _checks.non_negative("weight_decay", options["weight_decay"]),
            "nesterov": bool(options["nesterov"]),
        }
        if checked["nesterov"] and (checked["momentum"] == 0 or checked["dampening"] != 0):
            raise HyperparameterError(
                "nesterov needs momentum above 0 and dampening 0, got momentum "
                f"{checked['momentum']} and dampening {checked['dampening']}"
            )
        return checked

    def row(self, options: Options) -> Row:
        """The numbers of one group."""
        return Row(
            lr=options["lr"],
            momentum=options["momentum"],
            undamped=1 - options["dampening"],
            nesterov=float(options["nesterov"]),
            weight_decay=options["weight_decay"],
        )

    @property
    def states(self) -> tuple[str, ...]:
        """``b`` where any group has momentum."""
        return ("b",) if self.any_option("momentum") else ()

    def update(
        self, h: Row, step: int, p: F32, g: F32, s: Sequence[F32], scratch: Sequence[Any]
    ) -> None:
        """The class's formula."""
        a, wide = scratch[0], scratch[1]
        if h.weight_decay:
            g = add_scaled(g, p, h.weight_decay, wide, out=a)
        if h.momentum:
            (b,) = s
            np.multiply(b, h.momentum, out=b)
            undamped = 1.0 if step == 1 else h.undamped
            add_scaled(b, g, undamped, wide, out=b)
            g = add_scaled(g, b, h.momentum, wide, out=a) if h.nesterov else b
        add_scaled(p, g, -h.lr, wide, out=p)
