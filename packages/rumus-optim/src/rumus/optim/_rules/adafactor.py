"""Adafactor: second moments of a matrix kept as a row and a column."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np

from rumus.nn import Parameter
from rumus.optim import _checks
from rumus.optim._contract import F32, SHADERS, GpuStep, Shape
from rumus.optim._cpu.blocks import BLOCK, read_block
from rumus.optim._cpu.work import CpuWork
from rumus.optim._groups import Options, ParamsLike
from rumus.optim._optimizer import Optimizer


class Row(NamedTuple):
    """One group's numbers."""

    lr: float
    beta2_decay: float
    eps1: float
    eps2: float
    d: float
    shrink: float


class Adafactor(Optimizer):
    r"""Adam's scaling with the memory of a row and a column for each matrix.

    With ``β = 1 - t^beta2_decay`` at the step ``t`` from 1, ``RMS(x) = ‖x‖ / √size``::

        α = max(ε₂, RMS(p)) · min(lr, 1/√t)
        p ← (1 - lr λ) p
        R ← β R + (1 - β) · mean of g² over each row           two axes or more
        C ← β C + (1 - β) · mean of g² over each column
        V = R C / max(mean of R, ε₁)                            else V ← β V + (1 - β) g²
        U = g / √max(V, ε₁²)
        p ← p - α / max(1, RMS(U)/d) · U

    Parameters of more than two axes are stacks of matrices in their last two.
    Shazeer & Stern, "Adafactor", 2018, algorithms 4 and 5 without first moment, with the factor
    ``min(lr, 1/√t)`` of section 8 and PyTorch's placing of ``ε₁``.

    Args:
        params: parameters, ``(name, parameter)`` pairs or groups.
        lr: the largest relative step, at least 0 (default 1e-2).
        beta2_decay: at most 0 (default -0.8).
        eps: ``ε₁`` (None: float32's 1.19e-7) and ``ε₂``, at least 0 (default None, 1e-3).
        d: the largest RMS of an update, above 0 (default 1).
        weight_decay: ``λ``, at least 0 (default 0).
        maximize: climb instead of descending (default False).
        skip_nonfinite: leave out steps with a gradient that is not finite (default False).

    Raises:
        HyperparameterError: a value is outside its range.
        ParameterListError: no parameters, one of them twice, or another object.

    Example:
        >>> from rumus import nn, tensor
        >>> model = nn.Linear(2, 1)
        >>> optimizer = Adafactor(model.parameters(), lr=0.1)
        >>> for _ in range(3):
        ...     optimizer.step(nn.mse_loss(model(tensor.ones(4, 2)), tensor.zeros(4, 1)).backward())
        >>> optimizer.steps
        3
    """

    elementwise = False
    shader: ClassVar[str | Path] = SHADERS / "adafactor.wgsl"
    shader_states: ClassVar[tuple[str, ...]] = ("gathered",)
    one_buffer = True

    def __init__(
        self,
        params: ParamsLike,
        lr: float = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
        skip_nonfinite: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "beta2_decay": beta2_decay,
            "eps": eps,
            "d": d,
            "weight_decay": weight_decay,
        }
        super().__init__(params, defaults, maximize=maximize, skip_nonfinite=skip_nonfinite)

    def check(self, options: Options) -> Options:
        """A group's options with every range checked."""
        eps1, eps2 = _checks.several("eps", options["eps"], 2)
        decay = _checks.number("beta2_decay", options["beta2_decay"])
        eps1 = float(np.finfo(np.float32).eps) if eps1 is None else eps1
        return {
            "lr": _checks.non_negative("lr", options["lr"]),
            "beta2_decay": -_checks.non_negative("-beta2_decay", -decay),
            "eps": (_checks.non_negative("eps[0]", eps1), _checks.non_negative("eps[1]", eps2)),
            "d": _checks.positive("d", options["d"]),
            "weight_decay": _checks.non_negative("weight_decay", options["weight_decay"]),
        }

    def row(self, options: Options) -> Row:
        """The numbers of one group."""
        return Row(
            lr=options["lr"],
            beta2_decay=options["beta2_decay"],
            eps1=options["eps"][0],
            eps2=options["eps"][1],
            d=options["d"],
            shrink=1 - options["lr"] * options["weight_decay"],
        )

    @property
    def states(self) -> tuple[str, ...]:
        """``row`` and ``column`` of matrices, ``v`` of everything else."""
        return ("row", "column", "v")

    def state_shapes(self, parameter: Parameter) -> dict[str, Shape]:
        """A row and a column for each matrix, or one array of the parameter's shape."""
        shape = parameter.shape
        if len(shape) < 2:
            return {"v": shape}
        return {"row": (*shape[:-1], 1), "column": (*shape[:-2], 1, shape[-1])}

    def step_cpu(self, works: Sequence[CpuWork]) -> None:
        """The class's formula, a parameter at a time, in blocks of rows."""
        for work in works:
            _move(work)

    def step_gpu(self, step: GpuStep) -> None:
        """The same on the GPU, in passes over all parameters at once."""
        from rumus.optim._gpu.adafactor import move

        move(step)


def _move(work: CpuWork) -> None:
    h, p, step = work.row, work.p, work.step
    shape = work.shape if len(work.shape) > 1 else (1, p.size)
    columns = shape[-1]
    new_share = float(step) ** h.beta2_decay
    alpha = max(h.eps2, math.sqrt(_mean_square(p))) * min(h.lr, 1 / math.sqrt(step))
    if h.shrink != 1:
        np.multiply(p, h.shrink, out=p)
    factored = len(work.shape) > 1
    if factored:
        _update_factors(work, shape, new_share)
    else:
        (v,) = work.states
        for start, stop, g in _rows(work, columns):
            part = v[start:stop]
            np.multiply(g, g, out=g)
            np.subtract(g, part, out=g)
            np.multiply(g, new_share, out=g)
            np.add(part, g, out=part)
    total = math.fsum(_square_sum(u) for _, _, u in _updates(work, shape))
    size = alpha / max(1.0, math.sqrt(total / p.size) / h.d)
    for start, stop, u in _updates(work, shape):
        np.multiply(u, size, out=u)
        np.subtract(p[start:stop], u, out=p[start:stop])


def _update_factors(work: CpuWork, shape: Shape, new_share: float) -> None:
    rows, columns = shape[-2:]
    row, column = work.states[0], work.states[1].reshape(-1, columns)
    sums = np.zeros(column.shape, np.float64)
    for start, stop, g in _rows(work, columns):
        np.multiply(g, g, out=g)
        squares = g.reshape(-1, columns)
        first = start // columns
        part = row[first : stop // columns]
        part += (squares.mean(axis=1, dtype=np.float64) - part) * new_share
        sums[first // rows] += squares.sum(axis=0, dtype=np.float64)
    column += (sums / rows - column) * new_share


def _rows(work: CpuWork, columns: int) -> Iterator[tuple[int, int, F32]]:
    """The gradient in blocks of whole rows, none of which spans two matrices."""
    height = work.shape[-2] if len(work.shape) > 1 else 1
    most = max(1, BLOCK // max(columns, 1))
    scratch = np.empty(min(most, height) * columns, np.float32)
    for first in range(0, work.p.size // columns, height):
        for top in range(first, first + height, most):
            start, stop = top * columns, min(top + most, first + height) * columns
            block = scratch[: stop - start]
            read_block(work.grad, start, stop, work.scale, block)
            yield start, stop, block


def _updates(work: CpuWork, shape: Shape) -> Iterator[tuple[int, int, F32]]:
    """The update ``U`` in blocks of whole rows."""
    rows, columns = shape[-2:]
    least = np.float32(work.row.eps1) ** 2
    if len(work.shape) > 1:
        row, column = work.states[0], work.states[1].reshape(-1, columns)
        means = row.reshape(-1, rows).mean(axis=1, dtype=np.float64)
    for start, stop, g in _rows(work, columns):
        if len(work.shape) > 1:
            first = start // columns
            matrix = first // rows
            left = row[first : stop // columns] / np.float32(max(means[matrix], work.row.eps1))
            v = left[:, None] * column[matrix]
        else:
            v = work.states[0][start:stop].copy()
        np.maximum(v, least, out=v)
        np.sqrt(v, out=v)
        np.divide(g, v.reshape(-1), out=g)
        yield start, stop, g


def _mean_square(p: F32) -> float:
    parts = (p[i : i + BLOCK] for i in range(0, p.size, BLOCK))
    return math.fsum(map(_square_sum, parts)) / p.size


def _square_sum(x: F32) -> float:
    return float(np.einsum("i,i->", x, x, dtype=np.float64))
