"""Gradients by parameter."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rumus.tensor._errors import BorrowError, DeviceError, DTypeError, ShapeError

if TYPE_CHECKING:
    from rumus.tensor._tensor import Tensor

_ids = itertools.count()


class ParamId:
    """The identity of a parameter: unique in the process, whatever thread makes it."""

    __slots__ = ("_number",)

    def __init__(self) -> None:
        self._number = next(_ids)

    def __repr__(self) -> str:
        return f"ParamId({self._number})"


class GradientStore:
    """The result of a backward pass: a gradient for each parameter that the loss depends on.

    Can also be built by hand. Safe to use from several threads; while an optimizer step holds it,
    every use raises :class:`~rumus.tensor.BorrowError`.

    Example:
        >>> from rumus.nn import Parameter
        >>> from rumus.tensor import ones
        >>> weight = Parameter(ones(2))
        >>> grads = (weight * 3.0).sum().backward()
        >>> grads.get(weight.id).numpy()
        array([3., 3.], dtype=float32)
    """

    def __init__(self) -> None:
        self._grads: dict[ParamId, Tensor] = {}
        self._lock = threading.RLock()
        self._borrowed = False

    def get(self, id: ParamId) -> Tensor | None:
        """The gradient of a parameter, or None."""
        return self._open().get(id)

    def pop(self, id: ParamId) -> Tensor | None:
        """Take a gradient out of the store; None if there is none."""
        with self._lock:
            return self._open().pop(id, None)

    def replace(self, id: ParamId, grad: Tensor) -> None:
        """Set the gradient of a parameter, whatever was there."""
        with self._lock:
            self._open()[id] = grad.detach()

    def accumulate(self, id: ParamId, grad: Tensor) -> None:
        """Add to the gradient of a parameter; the first one is kept as it is.

        Raises:
            ShapeError: The shapes differ.
            DTypeError: The dtypes differ.
            DeviceError: The devices differ.
        """
        with self._lock:
            grads = self._open()
            grads[id] = _sum(id, grads.get(id), grad.detach())

    def merge_from(self, other: GradientStore) -> None:
        """Add all gradients of another store, which stays as it is; all of them or none.

        Raises:
            ShapeError: The shapes of a parameter's gradients differ.
            DTypeError: Their dtypes differ.
            DeviceError: Their devices differ.
        """
        theirs = list(other.items())
        with self._lock:
            grads = self._open()
            grads.update({id: _sum(id, grads.get(id), grad) for id, grad in theirs})

    def items(self) -> Iterator[tuple[ParamId, Tensor]]:
        """Pairs of parameter id and gradient, as they are now."""
        with self._lock:
            return iter(list(self._open().items()))

    def __iter__(self) -> Iterator[ParamId]:
        with self._lock:
            return iter(list(self._open()))

    def __len__(self) -> int:
        return len(self._open())

    def __contains__(self, id: ParamId) -> bool:
        return id in self._open()

    def __repr__(self) -> str:
        state = "held by an optimizer step" if self._borrowed else f"{len(self._grads)} gradients"
        return f"<GradientStore: {state}>"

    def _open(self) -> dict[ParamId, Tensor]:
        if self._borrowed:
            raise BorrowError("this GradientStore is held by an optimizer step; use it afterwards")
        return self._grads


def _sum(id: ParamId, old: Tensor | None, new: Tensor) -> Tensor:
    if old is None:
        return new
    if old.shape != new.shape:
        raise ShapeError(f"gradient of {id}: shape {old.shape} is there, {new.shape} was added")
    if old.dtype != new.dtype:
        raise DTypeError(f"gradient of {id}: {old.dtype} is there, {new.dtype} was added")
    if old.device != new.device:
        raise DeviceError(f"gradient of {id}: one is on {old.device}, one on {new.device}")
    return old + new
