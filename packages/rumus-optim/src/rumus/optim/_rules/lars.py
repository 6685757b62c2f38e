"""LARS: gradient descent with a rate for each parameter tensor."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from rumus.optim import _checks
from rumus.optim._contract import F32, SHADERS, GpuStep
from rumus.optim._cpu.blocks import Span, for_spans, spans
from rumus.optim._cpu.work import CpuWork
from rumus.optim._errors import HyperparameterError
from rumus.optim._groups import Options, ParamsLike
from rumus.optim._optimizer import Optimizer
from rumus.optim._rules.decay import decayed


class Row(NamedTuple):
    """One group's numbers."""

    lr: float
    momentum: float
    weight_decay: float
    nesterov: float
    trust: float
    eps: float


class LARS(Optimizer):
    r"""Momentum whose gradients are scaled to each parameter's own size: for very large batches.

    With momentum ``μ``, weight decay ``λ`` and the trust coefficient ``τ``, for each parameter::

        r = τ ‖p‖ / (‖g‖ + λ ‖p‖ + ε)          (1 where one of the norms is 0)
        g ← r (g + λ p)
        b ← μ b + g,  d = b, or g + μ b with Nesterov
        p ← p - lr d

    The learning rate stands outside of the momentum, as in :class:`SGD`. You, Gitman & Ginsburg,
    "Large Batch Training of Convolutional Networks", 2017.

    Args:
        params: parameters, ``(name, parameter)`` pairs or groups.
        lr: learning rate, at least 0 (default 1).
        momentum: ``μ``, at least 0 (default 0.9).
        weight_decay: ``λ``, at least 0 (default 0).
        trust_coefficient: ``τ``, above 0 (default 1e-3).
        eps: ``ε``, at least 0 (default 1e-8).
        nesterov: look ahead (default False).
        maximize: climb instead of descending (default False).
        skip_nonfinite: leave out steps with a gradient that is not finite (default False).

    Raises:
        HyperparameterError: a value is outside its range.
        ParameterListError: no parameters, one of them twice, or another object.

    Example:
        >>> from rumus import nn, tensor
        >>> model = nn.Linear(2, 1)
        >>> optimizer = LARS(model.parameters(), lr=0.1)
        >>> for _ in range(3):
        ...     optimizer.step(nn.mse_loss(model(tensor.ones(4, 2)), tensor.zeros(4, 1)).backward())
        >>> optimizer.steps
        3
    """

    elementwise = False
    shader: ClassVar[str | Path] = SHADERS / "lars.wgsl"
    shader_states: ClassVar[tuple[str, ...]] = ("b",)
    scratch = "ff"

    def __init__(
        self,
        params: ParamsLike,
        lr: float = 1.0,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        trust_coefficient: float = 1e-3,
        eps: float = 1e-8,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        skip_nonfinite: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "weight_decay": weight_decay,
            "trust_coefficient": trust_coefficient,
            "eps": eps,
            "nesterov": nesterov,
        }
        super().__init__(params, defaults, maximize=maximize, skip_nonfinite=skip_nonfinite)

    def check(self, options: Options) -> Options:
        """A group's options with every range checked."""
        names = ("lr", "momentum", "weight_decay", "eps")
        checked: Options = {name: _checks.non_negative(name, options[name]) for name in names}
        checked["trust_coefficient"] = _checks.positive(
            "trust_coefficient", options["trust_coefficient"]
        )
        checked["nesterov"] = bool(options["nesterov"])
        if checked["nesterov"] and not checked["momentum"]:
            raise HyperparameterError("nesterov needs a momentum above 0")
        return checked

    def row(self, options: Options) -> Row:
        """The numbers of one group."""
        return Row(
            lr=options["lr"],
            momentum=options["momentum"],
            weight_decay=options["weight_decay"],
            nesterov=float(options["nesterov"]),
            trust=options["trust_coefficient"],
            eps=options["eps"],
        )

    @property
    def states(self) -> tuple[str, ...]:
        """``b``, where any group has momentum."""
        return ("b",) if self.any_option("momentum") else ()

    def step_cpu(self, works: Sequence[CpuWork]) -> None:
        """The class's formula: a pass that measures, and one that moves."""
        sums: dict[int, list[tuple[float, float]]] = {i: [] for i in range(len(works))}
        blocks = spans([w.p.size for w in works])
        scratch_of_gradient = "f" * any(not w.plain for w in works)

        def measure(span: Span, scratch: list[npt.NDArray[Any]]) -> None:
            index, start, stop = span
            work = works[index]
            g = work.gradient(start, stop, scratch)
            sums[index].append((_square_sum(work.p[start:stop]), _square_sum(g)))

        def move(span: Span, scratch: list[npt.NDArray[Any]]) -> None:
            index, start, stop = span
            work, x, y = works[index], scratch[0], scratch[1]
            h, p = work.row, work.p[start:stop]
            g = decayed(work.gradient(start, stop, scratch), h.weight_decay, p, x)
            d = np.multiply(g, ratios[index], out=x)
            if h.momentum:
                b = work.states[0][start:stop]
                np.multiply(b, h.momentum, out=b)
                np.add(b, d, out=b)
                d = np.add(d, np.multiply(b, h.momentum, out=y), out=x) if h.nesterov else b
            np.multiply(d, h.lr, out=x)
            np.subtract(p, x, out=p)

        for_spans(blocks, scratch_of_gradient, measure)
        ratios = [_ratio(works[i].row, parts) for i, parts in sums.items()]
        for_spans(blocks, self.scratch + scratch_of_gradient, move)

    def step_gpu(self, step: GpuStep) -> None:
        """The same on the GPU, with the ratios between the two passes."""
        step.update(step.combine(step.measure(stored=False)))


def _square_sum(x: F32) -> float:
    return float(np.einsum("i,i->", x, x, dtype=np.float64))


def _ratio(h: Row, parts: list[tuple[float, float]]) -> float:
    p, g = (math.sqrt(sum(part[i] for part in parts)) for i in (0, 1))
    return 1.0 if p == 0 or g == 0 else h.trust * p / (g + h.weight_decay * p + h.eps)
