"""Muon's matrix products on the GPU: matrices of one shape go through them together."""

from __future__ import annotations

from collections.abc import Iterator

from rumus.nn import Parameter
from rumus.optim._contract import GpuStep
from rumus.tensor import Tensor, maximum, stack

_MOST_ELEMENTS = 1 << 24
"""Elements of a batch: its products are large enough then, and its temporaries stay small."""


def orthogonalize(
    step: GpuStep, name: str, coefficients: tuple[float, float, float], eps: float, steps: int
) -> None:
    """Replace a state of every matrix by its orthogonalised form."""
    for batch in _batches(step):
        places = [step.state(name, parameter) for parameter in batch]
        result = _newton_schulz(stack(places), coefficients, eps, steps)
        for i, place in enumerate(places):
            place.copy_(result[i])


def _newton_schulz(
    d: Tensor, coefficients: tuple[float, float, float], eps: float, steps: int
) -> Tensor:
    a, b, c = coefficients
    tall = d.shape[1] > d.shape[2]
    x = d.transpose(1, 2) if tall else d
    # The largest element first, as the squares of what is left cannot overflow.
    most = x.abs().max((1, 2), keepdims=True).clamp(min=eps)
    x = x / most
    x = x / maximum((x * x).sum((1, 2), keepdims=True).sqrt(), eps / most)
    for _ in range(steps):
        gram = x @ x.transpose(1, 2)
        x = x * a + (gram * b + (gram @ gram) * c) @ x
    return x.transpose(1, 2) if tall else x


def _batches(step: GpuStep) -> Iterator[list[Parameter]]:
    """Matrices of one shape, as many together as a batch takes."""
    by_shape: dict[tuple[int, ...], list[Parameter]] = {}
    for parameter in step.params:
        if parameter.size:
            by_shape.setdefault(parameter.shape, []).append(parameter)
    for (rows, columns), matrices in by_shape.items():
        most = max(1, _MOST_ELEMENTS // (rows * columns))
        for start in range(0, len(matrices), most):
            yield matrices[start : start + most]
