"""Gradients by parameter."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from numbers import Real
from typing import Any, Generic

from rumus._backends.registry import backend_of
from rumus._core.base import TensorBase, TensorT
from rumus._core.dtypes import float16, float32
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

Key = ParamId | TensorBase
"""A parameter or another leaf, or its id."""


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
        self._unrounded: set[ParamId] = set()
        """Those whose gradient is a float32 sum of float16, rounded when somebody looks at it."""
        self._exact: dict[ParamId, tuple[Any, TensorT, int]] = {}
        """What was rounded, to which tensor, and at which version of it."""
        self._lock = FrameLock()
        self._borrowed: Claim | None = None

    def __getitem__(self, id: Key) -> TensorT:
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

    def get(self, id: Key) -> TensorT | None:
        """The gradient of a parameter, or None."""
        with self._lock:
            self._open()
            return self._seen(_checked_id(id))

    def pop(self, id: Key) -> TensorT | None:
        """Take a gradient out of the store; None if there is none."""
        with self._lock:
            key = _checked_id(id)
            self._open()
            grad = self._seen(key)
            self._forget([key])
            return grad

    def replace(self, id: Key, grad: TensorT) -> None:
        """Set the gradient of a parameter, whatever was there."""
        with self._lock:
            key = _checked_id(id)
            grads, given = self._open(), _checked_grad(grad)
            self._forget([key])
            grads[key] = given

    def accumulate(self, id: Key, grad: TensorT) -> None:
        """Add to the gradient of a parameter; the first one is kept as it is.

        Sums of float16 are float32, and rounded when they are looked at.

        Raises:
            ShapeError: The shapes differ.
            DTypeError: The dtypes differ.
            DeviceError: The devices differ.
        """
        with self._lock:
            key, _ = _checked_id(id), self._open()
            self._take({key: self._plus(key, _checked_grad(grad))})

    def merge_from(self, other: GradientStore[TensorT]) -> None:
        """Add all gradients of another store, which stays as it is; all of them or none.

        Raises:
            ShapeError: The shapes of a parameter's gradients differ.
            DTypeError: Their dtypes differ.
            DeviceError: Their devices differ.
        """
        theirs = list(other.items())
        with self._lock:
            self._open()
            self._take({id: self._plus(id, grad) for id, grad in theirs})

    def scale_by(self, ids: Iterable[Key], scale: Any) -> None:
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
                self._seen(id)
            return iter(list(self._grads.items()))

    def __iter__(self) -> Iterator[ParamId]:
        with self._lock:
            return iter(list(self._open()))

    def __len__(self) -> int:
        return len(self._open())

    def __contains__(self, id: Key) -> bool:
        return _checked_id(id) in self._open()

    def __repr__(self) -> str:
        held = self._borrowed is not None and not self._borrowed.is_over()
        state = "held by an optimizer step" if held else f"{len(self._grads)} gradients"
        return f"<GradientStore: {state}>"

    def _open(self) -> dict[ParamId, TensorT]:
        if self._borrowed is not None and not self._borrowed.is_over():
            raise BorrowError("this GradientStore is held by an optimizer step; use it afterwards")
        return self._grads

    def _seen(self, id: ParamId) -> TensorT | None:
        """The gradient as somebody looks at it: multiplied by its scale, and rounded."""
        self._scaled(id)
        return self._rounded(id)

    def _rounded(self, id: ParamId) -> TensorT | None:
        """The gradient in its dtype, not yet multiplied by its scale."""
        grad = self._grads.get(id)
        if grad is None or id not in self._unrounded:
            return grad
        exact = grad.array
        half = backend_of(grad.device).elementwise("cast", exact, dtype=float16)
        rounded: TensorT = grad._wrap(half, grad.device)
        self._grads[id] = rounded
        self._exact[id] = exact, rounded, rounded._version.count
        self._unrounded.discard(id)
        return rounded

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

    def _plus(self, id: ParamId, new: TensorT) -> TensorT:
        """The sum with what is there; float32 for two of float16.

        Raises:
            ShapeError, DTypeError, DeviceError: They differ.
        """
        old = self._scaled(id)
        if old is None:
            return new
        dtype = float16 if id in self._unrounded else old.dtype
        if old.shape != new.shape:
            raise ShapeError(f"gradient of {id}: shape {old.shape} is there, {new.shape} was added")
        if dtype != new.dtype:
            raise DTypeError(f"gradient of {id}: {dtype} is there, {new.dtype} was added")
        if old.device != new.device:
            raise DeviceError(f"gradient of {id}: one is on {old.device}, one on {new.device}")
        be, array = backend_of(old.device), old.array
        if array.dtype == float16:
            exact, rounded, count = self._exact.get(id, (None, None, 0))
            if rounded is old and old._version.count == count:
                array = exact
            else:
                array = be.elementwise("cast", array, dtype=float32)
        total: TensorT = old._wrap(be.elementwise("add", array, new.array), old.device)
        return total

    def _take(self, sums: dict[ParamId, TensorT]) -> None:
        before = [(id, self._grads.get(id)) for id in sums]
        self._unrounded.update(
            [id for id, old in before if old is not None and old.dtype == float16]
        )
        self._grads.update(sums)

    def _forget(self, ids: Iterable[ParamId]) -> None:
        """Take out gradients, and all that is known of them."""
        for id in ids:
            self._unrounded.discard(id)
            for known in (self._grads, self._scales, self._exact):
                known.pop(id, None)


def _checked_id(id: Key) -> ParamId:
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
