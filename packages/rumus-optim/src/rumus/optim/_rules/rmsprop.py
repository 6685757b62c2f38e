"""RMSprop."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from rumus.optim import _checks
from rumus.optim._contract import F32, SHADERS
from rumus.optim._cpu.blocks import blend, blend_squares
from rumus.optim._groups import Options, ParamsLike
from rumus.optim._optimizer import Optimizer


class Row(NamedTuple):
    """One group's numbers; ``c`` is ``1 - α``."""

    lr: float
    alpha: float
    c: float
    eps: float
    momentum: float
    weight_decay: float


class RMSprop(Optimizer):
    r"""Steps divided by a running root mean square of the gradient.

    With smoothing ``α``, momentum ``μ``, weight decay ``λ``::

        g ← g + λ p
        v ← α v + (1 - α) g²
        a ← α a + (1 - α) g                     if centered
        d = g / (√(v - a²) + ε)                 with a = 0 if not centered
        b ← μ b + d,  d = b                     if μ > 0
        p ← p - lr d

    ``ε`` is added outside the root, as in PyTorch. Tieleman & Hinton, Coursera lecture 6.5, 2012;
    centered: Graves, "Generating Sequences With Recurrent Neural Networks", 2013, equations 38-45.

    Args:
        params: parameters, ``(name, parameter)`` pairs or groups.
        lr: learning rate, at least 0 (default 1e-2).
        alpha: ``α``, in [0, 1) (default 0.99).
        eps: ``ε``, at least 0 (default 1e-8).
        weight_decay: ``λ``, at least 0 (default 0).
        momentum: ``μ``, at least 0 (default 0).
        centered: divide by an estimate of the standard deviation instead (default False).
        maximize: climb instead of descending (default False).
        skip_nonfinite: leave out steps with a gradient that is not finite (default False).

    Raises:
        HyperparameterError: a value is outside its range.
        ParameterListError: no parameters, one of them twice, or another object.

    Example:
        >>> from rumus import nn, tensor
        >>> model = nn.Linear(2, 1)
        >>> optimizer = RMSprop(model.parameters(), lr=0.1)
        >>> for _ in range(3):
        ...     optimizer.step(nn.mse_loss(model(tensor.ones(4, 2)), tensor.zeros(4, 1)).backward())
        >>> optimizer.steps
        3
    """

    shader: ClassVar[str | Path] = SHADERS / "rmsprop.wgsl"
    shader_states: ClassVar[tuple[str, ...]] = ("v", "a", "b")
    scratch = "ff"

    def __init__(
        self,
        params: ParamsLike,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        *,
        maximize: bool = False,
        skip_nonfinite: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "alpha": alpha,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum": momentum,
        }
        self._centered = bool(centered)
        super().__init__(params, defaults, maximize=maximize, skip_nonfinite=skip_nonfinite)

    def check(self, options: Options) -> Options:
        """A group's options with every range checked."""
        return {
            "lr": _checks.non_negative("lr", options["lr"]),
            "alpha": _checks.fraction("alpha", options["alpha"]),
            "eps": _checks.non_negative("eps", options["eps"]),
            "weight_decay": _checks.non_negative("weight_decay", options["weight_decay"]),
            "momentum": _checks.non_negative("momentum", options["momentum"]),
        }

    def row(self, options: Options) -> Row:
        """The numbers of one group."""
        return Row(
            lr=options["lr"],
            alpha=options["alpha"],
            c=1 - options["alpha"],
            eps=options["eps"],
            momentum=options["momentum"],
            weight_decay=options["weight_decay"],
        )

    @property
    def states(self) -> tuple[str, ...]:
        """``v``; ``a`` if centered; ``b`` where any group has momentum."""
        names = ("v", "a") if self._centered else ("v",)
        return (*names, "b") if self.any_option("momentum") else names

    def shader_constants(self) -> dict[str, bool]:
        """Whether the mean is taken off."""
        return {"CENTERED": self._centered}

    def update(
        self, h: Row, step: int, p: F32, g: F32, s: Sequence[F32], scratch: Sequence[Any]
    ) -> None:
        """The class's formula."""
        x, y = scratch[0], scratch[1]
        v = s[0]
        if h.weight_decay:
            np.multiply(p, h.weight_decay, out=y)
            g = np.add(g, y, out=y)
        blend_squares(v, g, h.alpha, h.c, x)
        if self._centered:
            a = s[1]
            blend(a, g, h.alpha, h.c, x)
            np.multiply(a, a, out=x)
            np.subtract(v, x, out=x)
            v = np.maximum(x, 0, out=x)
        np.sqrt(v, out=x)
        np.add(x, h.eps, out=x)
        d = np.divide(g, x, out=x)
        if h.momentum:
            b = s[-1]
            np.multiply(b, h.momentum, out=b)
            d = np.add(b, d, out=b)
        np.multiply(d, h.lr, out=x)
        np.subtract(p, x, out=p)
