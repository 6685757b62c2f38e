"""Vectors over all elements of some parameters, as they lie in their arenas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rumus.autograd import GradientStore, borrow
from rumus.nn import Parameter
from rumus.optim._contract import F32
from rumus.tensor import Arena, DTypeError, MissingGradError, Tensor, from_numpy, pack, stack, zeros

Vector = list[Tensor]
"""One tensor an arena; between slots are zeros."""


class FlatSpace:
    """The elements of some parameters as one space.

    Args:
        params: float32 parameters on one device.

    Raises:
        DTypeError: one has another dtype.
    """

    def __init__(self, params: Sequence[Parameter]) -> None:
        self._params = list(params)
        for p in self._params:
            if p.dtype != np.float32:
                raise DTypeError(f"{p.label} is {p.dtype}; this optimizer takes float32")

    def _arenas(self) -> tuple[Arena, ...]:
        return pack(self._params)

    def point(self) -> Vector:
        """A copy of the parameters."""
        return [Tensor.from_array(arena.data) * 1.0 for arena in self._arenas()]

    def gradient(self, grads: GradientStore) -> Vector:
        """A copy of the gradients; 0 of a parameter that requires none.

        Raises:
            MissingGradError: one that requires one has none.
        """
        result = []
        for arena in self._arenas():
            found = [self._grad_of(slot.parameter, grads) for slot in arena.slots]
            if all(
                grad is not None and _place(grad.array) == _place(arena.grads, slot.offset)
                for grad, slot in zip(found, arena.slots, strict=True)
                if slot.size
            ):
                result.append(Tensor.from_array(arena.grads) * 1.0)
                continue
            flat = zeros((arena.data.size,), device=self._params[0].device)
            for grad, slot in zip(found, arena.slots, strict=True):
                if grad is not None and slot.size:
                    flat[slot.offset : slot.offset + slot.size] = grad.reshape(-1)
            result.append(flat)
        return result

    @staticmethod
    def _grad_of(parameter: Any, grads: GradientStore) -> Tensor | None:
        if not parameter.requires_grad:
            return None
        grad: Tensor | None = grads.get(parameter.id)
        if grad is None:
            raise MissingGradError(f"{parameter.label} has no gradient; the loss does not use it")
        return grad

    def move(self, point: Vector) -> None:
        """Let the parameters be where a point is."""
        arenas, trained = self._arenas(), [p for p in self._params if p.requires_grad]
        held = GradientStore()
        for p in trained:
            held.replace(p.id, p.detach())  # for a borrow, which wants gradients of the right shape
        with borrow(held, trained):
            for arena, values in zip(arenas, point, strict=True):
                Tensor.from_array(arena.data).copy_(values)

    def to_host(self, vector: Vector) -> F32:
        """A vector's elements in the parameters' order, on the host."""
        parts = [
            flat.numpy()[slot.offset : slot.offset + slot.size]
            for arena, flat in zip(self._arenas(), vector, strict=True)
            for slot in arena.slots
        ]
        return np.concatenate(parts)

    def from_host(self, values: F32) -> Vector:
        """The reverse of :meth:`to_host`."""
        result, at = [], 0
        for arena in self._arenas():
            flat = np.zeros(arena.data.size, np.float32)
            for slot in arena.slots:
                flat[slot.offset : slot.offset + slot.size] = values[at : at + slot.size]
                at += slot.size
            result.append(from_numpy(flat).to(self._params[0].device))
        return result


def dot(a: Vector, b: Vector) -> Tensor:
    """The inner product, on the device."""
    products = [(x * y).sum() for x, y in zip(a, b, strict=True)]
    return sum(products[1:], start=products[0])


def added(a: Vector, b: Vector, scale: float | Tensor) -> Vector:
    """``a + scale · b``."""
    return [x + y * scale for x, y in zip(a, b, strict=True)]


def scaled(a: Vector, scale: float) -> Vector:
    """``scale · a``."""
    return [x * scale for x in a]


def largest(a: Vector) -> Tensor:
    """The largest magnitude, on the device."""
    return stack([x.abs().max() for x in a]).max()


def total(a: Vector) -> Tensor:
    """The sum of the magnitudes, on the device."""
    return stack([x.abs().sum() for x in a]).sum()


def read(*scalars: Tensor) -> list[float]:
    """Numbers of the device, in one read."""
    values: list[float] = stack(list(scalars)).tolist()
    return values


def _place(array: Any, offset: int = 0) -> tuple[int, int]:
    """Where an array's element lies."""
    if isinstance(array, np.ndarray):
        return 0, array.__array_interface__["data"][0] + offset * array.itemsize
    return id(array.storage), array.offset + offset
