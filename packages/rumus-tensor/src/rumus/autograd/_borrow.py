"""Exclusive use of a store and of parameters during an optimizer step."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from rumus._backends.registry import backend_of
from rumus._core.base import TensorBase
from rumus._core.errors import (
    ArgumentError,
    BorrowError,
    DeviceError,
    DTypeError,
    MissingGradError,
    ShapeError,
)
from rumus._core.frames import Claim, FrameLock, caller
from rumus._core.versions import Borrower

from ._leaf import Leaf, ParamId
from ._store import GradientStore

_lock = FrameLock()


class Borrowed:
    """The raw arrays of a borrow, for as long as it is open."""

    def __init__(self, pairs: dict[Leaf, TensorBase], scales: dict[ParamId, Any]) -> None:
        self._pairs, self._scales = pairs, scales

    def data(self, parameter: Leaf) -> Any:
        """The parameter's device array, which may be written to."""
        self._gradient(parameter)
        return parameter._array

    def grad(self, parameter: Leaf) -> Any:
        """The device array of its gradient, contiguous, not yet multiplied by :meth:`scale`."""
        gradient = self._gradient(parameter)
        return backend_of(gradient._device).contiguous(gradient._array)

    def scale(self, parameter: Leaf) -> Any | None:
        """What :meth:`GradientStore.scale_by` asked to multiply the gradient by, or None."""
        self._gradient(parameter)
        return self._scales.get(parameter.id)

    def _gradient(self, parameter: Leaf) -> TensorBase:
        if parameter not in self._pairs:
            raise BorrowError(f"{parameter.label} is not part of this borrow, or it is over")
        return self._pairs[parameter]


class borrow:  # noqa: N801  a context manager, named like one
    """Hold a store and parameters for an optimizer step.

    Everything is checked before the block runs. While it runs, any other use of the store or of the
    parameters raises :class:`~rumus.tensor.BorrowError`. Afterwards the gradients of ``params`` are
    out of the store; if the block raises, they stay in it. The hold is over at the latest with the
    function that has the ``with`` statement, whatever interrupts it.

    Args:
        store: Holds a gradient for each of ``params``; others in it stay there.
        params: The parameters to change; one listed twice counts once.

    Raises:
        ArgumentError: ``store`` is no store.
        BorrowError: The store or a parameter is held already.
        MissingGradError: A parameter has no gradient in the store.
        ShapeError: A gradient has another shape than its parameter.
        DTypeError: A gradient has another dtype than its parameter.
        DeviceError: A gradient is on another device than its parameter.

    Example:
        >>> from rumus.nn import Parameter
        >>> from rumus.tensor import ones
        >>> p = Parameter(ones(2))
        >>> grads = (p * p).sum().backward()
        >>> with borrow(grads, [p]) as borrowed:
        ...     pass
        >>> len(grads)
        0
    """

    def __init__(self, store: GradientStore, params: Sequence[Leaf]) -> None:
        check_store(store)
        self._store, self._params = store, params

    def __enter__(self) -> Borrowed:
        store, frame = self._store, caller(sys._getframe(1))
        self._claim = claim = Claim(frame)
        with _lock, store._lock:
            self._pairs = _checked(store, self._params)
            store._borrowed = claim
            for parameter in self._pairs:
                parameter._version.borrower = Borrower(parameter, claim)
                parameter._version.bump()
        return Borrowed(self._pairs, store._scales)

    def __exit__(self, kind: object, *_: object) -> None:
        store, pairs = self._store, self._pairs
        if kind is None:
            taken = {parameter.id for parameter in pairs}
            store._grads = {id: g for id, g in store._grads.items() if id not in taken}
            store._scales = {id: s for id, s in store._scales.items() if id not in taken}
            store._exact = {id: e for id, e in store._exact.items() if id not in taken}
        self._claim.end()
        for parameter in pairs:
            parameter._version.borrower = None
        pairs.clear()


def check_store(store: object) -> None:
    """Raise unless this is a store.

    Raises:
        ArgumentError: It is something else.

    Example:
        >>> from rumus.tensor import ones
        >>> check_store(leaf(ones(2)).sum().backward())
    """
    if not isinstance(store, GradientStore):
        raise ArgumentError(
            f"expected the GradientStore that backward() returned, got a {type(store).__name__}"
        )


def _checked(store: GradientStore, params: Sequence[Leaf]) -> dict[Leaf, TensorBase]:
    store._open()
    pairs: dict[Leaf, TensorBase] = {}
    for p in params:
        p._version.check_free()
        grad = store._rounded(p.id)
        if grad is None:
            raise MissingGradError(
                f"{p.label} of shape {p.shape} has no gradient in the store; the loss does not "
                "depend on it, a layer was replaced after the optimizer was made, or an earlier "
                "step took the gradient out"
            )
        if grad._array.shape != p._array.shape:
            raise ShapeError(f"{p.label} has shape {p.shape}, its gradient {grad.shape}")
        if grad._array.dtype != p._array.dtype:
            raise DTypeError(f"{p.label} is {p.dtype}, its gradient {grad.dtype}")
        if grad._device is not p._device:
            raise DeviceError(f"{p.label} is on {p.device}, its gradient on {grad.device}")
        pairs[p] = grad
    return pairs
