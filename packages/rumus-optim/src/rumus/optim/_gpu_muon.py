"""Muon's matrix products on the GPU: matrices of one shape go through them together."""

from __future__ import annotations

from collections.abc import Iterator

from rumus.optim._rooms import Room, view
from rumus.tensor import Tensor, no_grad, stack

_MOST_ELEMENTS = 1 << 24
"""Elements of a batch: its products are large enough then, and its temporaries stay small."""


def orthogonalize(
    room: Room, coefficients: tuple[float, float, float], eps: float, steps: int
) -> None:
    """Replace every direction ``d`` of a room by its orthogonalised form."""
    with no_grad():
        for batch in _batches(room):
            places = [_place(room, k) for k in batch]
            result = _newton_schulz(stack(places), coefficients, eps, steps)
            for i, place in enumerate(places):
                place.copy_(result[i])


def _newton_schulz(
    d: Tensor, coefficients: tuple[float, float, float], eps: float, steps: int
) -> Tensor:
    a, b, c = coefficients
    tall = d.shape[1] > d.shape[2]
    x = d.transpose(1, 2) if tall else d
    x = x / (x * x).sum((1, 2), keepdims=True).sqrt().clamp(min=eps)
    for _ in range(steps):
        gram = x @ x.transpose(1, 2)
        x = x * a + (gram * b + (gram @ gram) * c) @ x
    return x.transpose(1, 2) if tall else x


def _batches(room: Room) -> Iterator[list[int]]:
    """Slots of trained matrices of one shape, as many together as a batch takes."""
    by_shape: dict[tuple[int, ...], list[int]] = {}
    for k, parameter in enumerate(room.params):
        if parameter.requires_grad and parameter.size:
            by_shape.setdefault(parameter.shape, []).append(k)
    for (rows, columns), slots in by_shape.items():
        most = max(1, _MOST_ELEMENTS // (rows * columns))
        for start in range(0, len(slots), most):
            yield slots[start : start + most]


def _place(room: Room, k: int) -> Tensor:
    return Tensor.from_array(
        view(room.states["d"], room.params[k].shape, room.arena.slots[k].offset)
    )
