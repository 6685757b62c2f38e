"""Gradients by parameter."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from numbers import Real
from typing import Any, Generic

from rumus._backends.registry import backend_of
from rumus._core.base import TensorBase, TensorT
from rumus._core.errors import (
    ArgumentError,
    BorrowError,
    DeviceError,
    DTypeError,
    MissingGradError,
    ShapeError,
)
from rumus._core.frames import Claim, FrameLock

from ._leaf import Leaf, ParamId


class GradientStore(Generic[TensorT]):
    """The result of a backward pass: a gradient for each parameter that the loss depends on.

    Can also be built by hand. Safe to use from several threads; while an optimizer step holds it,
    every use raises :class:`~rumus.tensor.BorrowError`. A key is a parameter or its ``id``;
    anything else raises :class:`~rumus.tensor.ArgumentError`, and a gradient that is no tensor
    :class:`~rumus.tensor.DTypeError`.

    Example:
        >>> from rumus.nn import Parameter
        >>> from rumus.tensor import ones
        >>> weight = Parameter(ones(2))
        >>> grads = (weight * 3.0).sum().backward()
        >>> grads[weight].numpy()
        array([3., 3.], dtype=float32)
    """

    def __init__(self) -> None:
        self._grads: dict[ParamId, TensorT] = {}
        self._scales: dict[ParamId, Any] = {}
        self._lock = FrameLock()
        self._borrowed: Claim | None = None

    def __getitem__(self, id: ParamId | Leaf) -> TensorT:
        """The gradient of a parameter.

        Raises:
            MissingGradError: There is none.
        """
        grad = self.get(id)
        if grad is None:
            name = id.label if isinstance(id, Leaf) else repr(id)
            raise MissingGradError(
                f"{name} has no gradient in the store; the loss does not depend on it, or the "
                "gradient was taken out"
            )
        return grad

    def get(self, id: ParamId | Leaf) -> TensorT | None:
        """The gradient of a parameter, or None."""
        with self._lock:
            self._open()
            return self._scaled(_checked_id(id))

    def pop(self, id: ParamId | Leaf) -> TensorT | None:
        """Take a gradient out of the store; None if there is none."""
        with self._lock:
            key = _checked_id(id)
            self._open()
            self._scaled(key)
            return self._grads.pop(key, None)

    def replace(self, id: ParamId | Leaf, grad: TensorT) -> None:
        """Set the gradient of a parameter, whatever was there."""
        with self._lock:
            key = _checked_id(id)
            self._open()[key] = _checked_grad(grad)
            self._scales.pop(key, None)

    def accumulate(self, id: ParamId | Leaf, grad: TensorT) -> None:
        """Add to the gradient of a parameter; the first one is kept as it is.

        Raises:
            ShapeError: The shapes differ.
            DTypeError: The dtypes differ.
            DeviceError: The devices differ.
        """
        with self._lock:
            key, grads = _checked_id(id), self._open()
            grads[key] = _sum(key, self._scaled(key), _checked_grad(grad))

    def merge_from(self, other: GradientStore[TensorT]) -> None:
        """Add all gradients of another store, which stays as it is; all of them or none.

        Raises:
            ShapeError: The shapes of a parameter's gradients differ.
            DTypeError: Their dtypes differ.
            DeviceError: Their devices differ.
        """
        theirs = list(other.items())
        with self._lock:
            grads = self._open()
            grads.update({id: _sum(id, self._scaled(id), grad) for id, grad in theirs})

    def scale_by(self, ids: Iterable[ParamId | Leaf], scale: Any) -> None:
        """Multiply gradients by a number that may still be on its way.

        The product is formed when a gradient is next looked at; an optimizer step takes the
        gradients as they are and the factor beside them, so that clipping costs it nothing.

        Args:
            ids: Parameters that have a gradient in the store.
            scale: A number, or a float32 device array whose first element is the factor.

        Raises:
            MissingGradError: A parameter has no gradient; none has been scaled then.
        """
        scale = float(scale) if isinstance(scale, Real) else scale
        with self._lock:
            grads = self._open()
            listed = list(dict.fromkeys(map(_checked_id, ids)))
            for id in listed:
                if id not in grads:
                    raise MissingGradError(f"{id} has no gradient to scale")
            for id in listed:
                self._scaled(id)
                self._scales[id] = scale

    def items(self) -> Iterator[tuple[ParamId, TensorT]]:
        """Pairs of parameter id and gradient, as they are now."""
        with self._lock:
            for id in self._open():
                self._scaled(id)
            return iter(list(self._grads.items()))

    def __iter__(self) -> Iterator[ParamId]:
        with self._lock:
            return iter(list(self._open()))

    def __len__(self) -> int:
        return len(self._open())

    def __contains__(self, id: ParamId | Leaf) -> bool:
        return _checked_id(id) in self._open()

    def __repr__(self) -> str:
        held = self._borrowed is not None and not self._borrowed.is_over()
        state = "held by an optimizer step" if held else f"{len(self._grads)} gradients"
        return f"<GradientStore: {state}>"

    def _open(self) -> dict[ParamId, TensorT]:
        if self._borrowed is not None and not self._borrowed.is_over():
            raise BorrowError("this GradientStore is held by an optimizer step; use it afterwards")
        return self._grads

    def _scaled(self, id: ParamId) -> TensorT | None:
        """The gradient, multiplied by the scale that waits for it."""
        grad = self._grads.get(id)
        scale = self._scales.pop(id, None)
        if grad is None or scale is None:
            return grad
        be = backend_of(grad.device)
        if not isinstance(scale, float):
            flat = be.reshape(scale, (scale.size,))
            scale = be.reshape(be.slice(flat, (slice(0, 1, 1),)), ())
        product = be.elementwise("mul", grad.array, scale)
        if product.dtype != grad.dtype:
            product = be.elementwise("cast", product, dtype=grad.dtype)
        self._grads[id] = grad._wrap(product, grad.device)
        return self._grads[id]


def _checked_id(id: ParamId | Leaf) -> ParamId:
    if isinstance(id, ParamId):
        return id
    if isinstance(id, Leaf):
        return id.id
    raise ArgumentError(
        f"gradients are stored by parameter or parameter.id, and this is a {type(id).__name__}"
    )


def _checked_grad(grad: TensorBase[TensorT]) -> TensorT:
    if not isinstance(grad, TensorBase):
        raise DTypeError(f"a gradient is a tensor, not a {type(grad).__name__}")
    return grad.detach()


def _sum(id: ParamId, old: TensorT | None, new: TensorT) -> TensorT:
    if old is None:
        return new
    if old.shape != new.shape:
        raise ShapeError(f"gradient of {id}: shape {old.shape} is there, {new.shape} was added")
    if old.dtype != new.dtype:
        raise DTypeError(f"gradient of {id}: {old.dtype} is there, {new.dtype} was added")
    if old.device != new.device:
        raise DeviceError(f"gradient of {id}: one is on {old.device}, one on {new.device}")
    total: TensorT = old._wrap(
        backend_of(old.device).elementwise("add", old.array, new.array), old.device
    )
    return total
