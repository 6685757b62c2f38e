"""LAMB: Adam with a trust ratio for each parameter tensor."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rumus.optim import _checks
from rumus.optim._adam import log_of_decay
from rumus.optim._cpu import Span, blend, for_spans, spans
from rumus.optim._cpu_engine import Work
from rumus.optim._engine import F32
from rumus.optim._groups import Options, ParamsLike
from rumus.optim._optimizer import Optimizer

if TYPE_CHECKING:
    from rumus.optim._gpu_step import GpuStep


class Row(NamedTuple):
    """One group's numbers; ``c`` is ``1 - β``."""

    lr: float
    beta1: float
    beta2: float
    c1: float
    c2: float
    log_beta1: float
    log_beta2: float
    eps: float
    weight_decay: float


class LAMB(Optimizer):
    r"""Adam's direction, scaled to each parameter's own size: for very large batches.

    With decay rates ``β₁, β₂``, weight decay ``λ`` and the step ``t`` from 1, for each parameter::

        m ← β₁ m + (1 - β₁) g
        v ← β₂ v + (1 - β₂) g²
        u = m/(1 - β₁ᵗ) / (√(v/(1 - β₂ᵗ)) + ε) + λ p
        p ← p - lr · ‖p‖/‖u‖ · u          (ratio 1 where one of the norms is 0)

    You et al., "Large Batch Optimization for Deep Learning", 2020, algorithm 2 with φ(x) = x.

    Args:
        params: parameters, ``(name, parameter)`` pairs or groups.
        lr: learning rate, at least 0 (default 1e-3).
        betas: ``β₁, β₂``, each in [0, 1) (default 0.9, 0.999).
        eps: ``ε``, at least 0 (default 1e-6).
        weight_decay: ``λ``, at least 0 (default 0.01).
        maximize: climb instead of descending (default False).
        skip_nonfinite: leave out steps with a gradient that is not finite (default False).

    Raises:
        HyperparameterError: a value is outside its range.
        ParameterListError: no parameters, one of them twice, or another object.
    """

    shader = "lamb.wgsl"
    shader_states = ("m", "v")
    scratch = "ff"

    def __init__(
        self,
        params: ParamsLike,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-6,
        weight_decay: float = 0.01,
        *,
        maximize: bool = False,
        skip_nonfinite: bool = False,
    ) -> None:
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
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
        return Row(
            lr=options["lr"],
            beta1=beta1,
            beta2=beta2,
            c1=1 - beta1,
            c2=1 - beta2,
            log_beta1=log_of_decay(beta1),
            log_beta2=log_of_decay(beta2),
            eps=options["eps"],
            weight_decay=options["weight_decay"],
        )

    @property
    def states(self) -> tuple[str, ...]:
        """``m`` and ``v``."""
        return ("m", "v")

    def step_cpu(self, works: Sequence[Work], step: int) -> None:
        """The class's formula: a pass that measures, and one that moves."""
        sums: dict[int, list[tuple[float, float]]] = {i: [] for i in range(len(works))}
        blocks = spans([w.p.size for w in works])

        def measure(span: Span, scratch: list[npt.NDArray[Any]]) -> None:
            index, start, stop = span
            work = works[index]
            p, m, v = (a[start:stop] for a in (work.p, *work.states))
            self.moments(work.row, work.gradient(start, stop, scratch), m, v, scratch[0])
            u = self.direction(work.row, step, p, m, v, scratch)
            sums[index].append((_square_sum(p), _square_sum(u)))

        def move(span: Span, scratch: list[npt.NDArray[Any]]) -> None:
            index, start, stop = span
            work = works[index]
            p, m, v = (a[start:stop] for a in (work.p, *work.states))
            u = self.direction(work.row, step, p, m, v, scratch)
            np.multiply(u, work.row.lr * ratios[index], out=u)
            np.subtract(p, u, out=p)
            work.finish(start, stop)

        for_spans(blocks, self.scratch + "f" * any(not w.plain for w in works), measure)
        ratios = [_trust_ratio(parts) for parts in sums.values()]
        for_spans(blocks, self.scratch, move)

    def moments(self, h: Row, g: F32, m: F32, v: F32, x: F32) -> None:
        """The first two lines of the formula."""
        blend(m, g, h.beta1, h.c1, x)
        np.multiply(g, g, out=x)
        blend(v, x, h.beta2, h.c2, x)

    def direction(self, h: Row, step: int, p: F32, m: F32, v: F32, scratch: Sequence[Any]) -> F32:
        """The third line, ``u``, in the first scratch array."""
        u, y = scratch[0], scratch[1]
        root = math.sqrt(-math.expm1(step * h.log_beta2))
        np.sqrt(v, out=u)
        np.add(u, h.eps * root, out=u)
        np.divide(m, u, out=u)
        np.multiply(u, root / -math.expm1(step * h.log_beta1), out=u)
        np.multiply(p, h.weight_decay, out=y)
        np.add(u, y, out=u)
        result: F32 = u
        return result

    def step_gpu(self, step: GpuStep) -> None:
        """The same on the GPU, with the trust ratios between the two passes."""
        ratios = step.combine(step.measure())
        step.update(ratios, grads=False, stored=False)


def _square_sum(x: F32) -> float:
    return float(np.einsum("i,i->", x, x, dtype=np.float64))


def _trust_ratio(parts: list[tuple[float, float]]) -> float:
    p = math.fsum(part[0] for part in parts)
    u = math.fsum(part[1] for part in parts)
    return math.sqrt(p / u) if p > 0 and u > 0 else 1.0
