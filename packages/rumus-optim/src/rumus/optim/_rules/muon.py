"""Muon: orthogonalised momentum, for matrices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np

from rumus.optim import _checks
from rumus.optim._contract import F32, SHADERS, GpuStep
from rumus.optim._cpu.work import CpuWork
from rumus.optim._errors import ParameterListError
from rumus.optim._groups import Options, ParamsLike
from rumus.optim._optimizer import Optimizer
from rumus.tensor import from_numpy

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the quintic whose slope at 0 is steepest while it stays near 1; Jordan et al., 2024."""

_MOST = float(np.finfo(np.float32).max)


class Row(NamedTuple):
    """One group's numbers; ``c`` is ``1 - μ``."""

    lr: float
    momentum: float
    c: float
    nesterov: float
    shrink: float


class Muon(Optimizer):
    r"""Momentum whose singular values are all brought near 1; matrices only.

    With momentum ``μ`` and weight decay ``λ``, for a parameter of shape ``(r, k)``::

        b ← μ b + (1 - μ) g
        d = (1 - μ) g + μ b           with Nesterov's momentum, else d = b
        X = d / max(‖d‖, ε)           transposed if r > k
        ns_steps times:  A = X Xᵀ,  X ← a X + (b' A + c' A A) X
        p ← (1 - lr λ) p - lr · √max(1, r/k) · X

    ``(a, b', c')`` are :data:`ns_coefficients`. The iteration runs in float32. Give embeddings,
    biases and norm weights to another optimizer, such as AdamW; both can step on one store.
    Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024, with the decay
    of Liu et al., "Muon is Scalable for LLM Training", 2025.

    Args:
        params: parameters with two axes, ``(name, parameter)`` pairs or groups.
        lr: learning rate, at least 0 (default 1e-3).
        weight_decay: ``λ``, at least 0 (default 0.1).
        momentum: ``μ``, in [0, 1) (default 0.95).
        nesterov: look ahead (default True).
        ns_coefficients: of the iteration (default 3.4445, -4.775, 2.0315).
        eps: ``ε``, above 0 (default 1e-7).
        ns_steps: iterations, from 1 to 99 (default 5).
        adjust_lr: ``"original"``, the factor above (default), or ``"match_rms_adamw"``, which
            makes it 0.2 √max(r, k) so that AdamW's learning rate can be kept.
        maximize: climb instead of descending (default False).
        skip_nonfinite: leave out steps with a gradient that is not finite (default False).

    Raises:
        HyperparameterError: a value is outside its range.
        ParameterListError: no parameters, one of them twice, or one that is no matrix.

    Example:
        >>> from rumus import nn, tensor
        >>> model = nn.Linear(4, 3, bias=False)
        >>> optimizer = Muon(model.parameters(), lr=0.02)
        >>> optimizer.step(model(tensor.ones(2, 4)).sum().backward())
        >>> optimizer.steps
        1
    """

    elementwise = False
    shader: ClassVar[str | Path] = SHADERS / "muon.wgsl"
    shader_states: ClassVar[tuple[str, ...]] = ("b", "d")
    workspaces: ClassVar[tuple[str, ...]] = ("d",)

    def __init__(
        self,
        params: ParamsLike,
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = COEFFICIENTS,
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr: Literal["original", "match_rms_adamw"] = "original",
        *,
        maximize: bool = False,
        skip_nonfinite: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "nesterov": nesterov,
        }
        given = _checks.several("ns_coefficients", ns_coefficients, 3)
        a, b, c = (_checks.number("ns_coefficients", x) for x in given)
        self._coefficients = (a, b, c)
        self._eps = _checks.positive("eps", eps)
        self._ns_steps = _checks.count("ns_steps", ns_steps, most=99)
        words = ("original", "match_rms_adamw")
        self._adjust = _checks.choice("adjust_lr", adjust_lr, words)
        super().__init__(params, defaults, maximize=maximize, skip_nonfinite=skip_nonfinite)

    def check_parameter(self, parameter: Any) -> None:
        """Refuse what is no matrix."""
        if parameter.ndim != 2:
            raise ParameterListError(
                f"Muon takes matrices, got {parameter.label} of shape {parameter.shape}; give it "
                "to another optimizer, such as AdamW"
            )

    def check(self, options: Options) -> Options:
        """A group's options with every range checked."""
        return {
            "lr": _checks.non_negative("lr", options["lr"]),
            "weight_decay": _checks.non_negative("weight_decay", options["weight_decay"]),
            "momentum": _checks.fraction("momentum", options["momentum"]),
            "nesterov": bool(options["nesterov"]),
        }

    def row(self, options: Options) -> Row:
        """The numbers of one group."""
        return Row(
            lr=options["lr"],
            momentum=options["momentum"],
            c=1 - options["momentum"],
            nesterov=float(options["nesterov"]),
            shrink=1 - options["lr"] * options["weight_decay"],
        )

    @property
    def states(self) -> tuple[str, ...]:
        """``b``."""
        return ("b",)

    def step_cpu(self, works: Sequence[CpuWork]) -> None:
        """The class's formula, a matrix at a time; its products use BLAS's threads."""
        for work in works:
            self._move(work)

    def step_gpu(self, step: GpuStep) -> None:
        """The same on the GPU: a pass for the momentum, batched products, a pass that moves."""
        from rumus.optim._gpu.muon import orthogonalize

        step.measure()
        orthogonalize(step, "d", self._coefficients, self._eps, self._ns_steps)
        factors = step.per_parameter("adjust", lambda p: self._factor(p.shape))
        step.update(factors, grads=False, stored=False)

    def _move(self, work: CpuWork) -> None:
        h, p, (b,) = work.row, work.p, work.states
        g = work.whole_gradient().reshape(-1)
        d = g - b
        np.multiply(d, h.c, out=d)
        np.add(b, d, out=b)
        if h.nesterov:
            np.subtract(b, g, out=d)
            np.multiply(d, h.momentum, out=d)
            d = np.add(g, d, out=d)
        else:
            d = b
        x = newton_schulz(d.reshape(work.shape), self._coefficients, self._eps, self._ns_steps)
        np.multiply(p, h.shrink, out=p)
        np.multiply(x.reshape(-1), h.lr * self._factor(work.shape), out=g)
        np.subtract(p, g, out=p)

    def _factor(self, shape: tuple[int, ...]) -> float:
        rows, columns = shape
        if self._adjust == "match_rms_adamw":
            return 0.2 * math.sqrt(max(rows, columns))
        return math.sqrt(max(1.0, rows / columns)) if columns else 1.0


def newton_schulz(d: F32, coefficients: tuple[float, float, float], eps: float, steps: int) -> F32:
    """A matrix with ``d``'s singular vectors and singular values near 1."""
    a, b, c = coefficients
    x: Any = d.T if d.shape[0] > d.shape[1] else d
    norm = float(np.sqrt(np.square(x, dtype=np.float64).sum()))
    if norm > _MOST:
        x, norm = x * np.float32(2**-64), norm * 2**-64
    x = x / np.float32(max(norm, eps))
    for _ in range(steps):
        gram = _product(x, x.T)
        x = a * x + _product(b * gram + c * _product(gram, gram), x)
    result: F32 = np.ascontiguousarray(x.T if d.shape[0] > d.shape[1] else x)
    return result


def _product(a: F32, b: F32) -> F32:
    """A product on as many threads as rumus.tensor gives it."""
    return (from_numpy(a) @ from_numpy(b)).numpy()
