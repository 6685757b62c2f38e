"""LAMB: Adam with a trust ratio for each parameter tensor."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from rumus.optim._contract import F32, SHADERS, GpuStep
from rumus.optim._cpu.blocks import Span, for_spans, spans
from rumus.optim._cpu.work import CpuWork
from rumus.optim._groups import ParamsLike
from rumus.optim._rules.moments import MomentOptimizer, Row, advance, divide


class LAMB(MomentOptimizer):
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

    Example:
        >>> from rumus import nn, tensor
        >>> model = nn.Linear(2, 1)
        >>> optimizer = LAMB(model.parameters(), lr=0.01)
        >>> for _ in range(3):
        ...     optimizer.step(nn.mse_loss(model(tensor.ones(4, 2)), tensor.zeros(4, 1)).backward())
        >>> optimizer.steps
        3
    """

    elementwise = False
    shader: ClassVar[str | Path] = SHADERS / "lamb.wgsl"
    shader_states: ClassVar[tuple[str, ...]] = ("m", "v")
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

    def step_cpu(self, works: Sequence[CpuWork]) -> None:
        """The class's formula: a pass that measures, and one that moves."""
        sums: dict[int, list[tuple[float, float]]] = {i: [] for i in range(len(works))}
        blocks = spans([w.p.size for w in works])

        def measure(span: Span, scratch: list[npt.NDArray[Any]]) -> None:
            index, start, stop = span
            work = works[index]
            p, m, v = (a[start:stop] for a in (work.p, *work.states))
            advance(work.row, work.gradient(start, stop, scratch), m, v, scratch[0])
            u = self.direction(work.row, work.step, p, m, v, scratch)
            sums[index].append((_square_sum(p), _square_sum(u)))

        def move(span: Span, scratch: list[npt.NDArray[Any]]) -> None:
            index, start, stop = span
            work = works[index]
            p, m, v = (a[start:stop] for a in (work.p, *work.states))
            u = self.direction(work.row, work.step, p, m, v, scratch)
            np.multiply(u, work.row.lr * ratios[index], out=u)
            np.subtract(p, u, out=p)

        for_spans(blocks, self.scratch + "f" * any(not w.plain for w in works), measure)
        ratios = [_trust_ratio(parts) for parts in sums.values()]
        for_spans(blocks, self.scratch, move)

    def direction(self, h: Row, step: int, p: F32, m: F32, v: F32, scratch: Sequence[Any]) -> F32:
        """The third line, ``u``, in the first scratch array."""
        u: F32 = scratch[0]
        divide(h, step, m, v, 1.0, out=u)
        if h.weight_decay:
            np.multiply(p, h.weight_decay, out=scratch[1])
            np.add(u, scratch[1], out=u)
        return u

    def step_gpu(self, step: GpuStep) -> None:
        """The same on the GPU, with the trust ratios between the two passes."""
        ratios = step.combine(step.measure())
        step.update(ratios, grads=False, stored=False)


def _square_sum(x: F32) -> float:
    return float(np.einsum("i,i->", x, x, dtype=np.float64))


def _trust_ratio(parts: list[tuple[float, float]]) -> float:
    p = math.fsum(part[0] for part in parts)
    u = math.fsum(part[1] for part in parts)
    return 1.0 if p == 0 or u == 0 else math.sqrt(p / u)
