"""Changes in place."""

from __future__ import annotations

from typing import Any

from rumus._backends.registry import backend_of
from rumus._core import structure
from rumus._core.base import TensorBase, TensorT
from rumus._core.dtypes import check_scalar
from rumus._core.errors import ArgumentError, AutogradError, DeviceError, ShapeError
from rumus._core.indexing import Index, is_basic, resolve
from rumus._core.mode import is_grad_enabled
from rumus._core.shapes import broadcast_shape

from ._indexing import write_at
from ._operand import Operand, operand
from ._ops.movement import Move


class Mutation(TensorBase[TensorT]):
    """Writing into a tensor's memory, which its views share.

    An expanded view has elements that share memory, and cannot be written to.

    Changes are not recorded: what requires a gradient can be changed, or written into another
    tensor, under ``no_grad()`` only. A graph that saved the memory before notices the change and
    refuses its backward pass.
    """

    __slots__ = ()

    def copy_(self, source: Operand) -> TensorT:
        """Take over the elements of a tensor of any device, broadcast to this shape and dtype.

        Raises:
            ShapeError: The source does not broadcast to this shape.
            AutogradError: One of the two requires a gradient, outside of ``no_grad()``.

        Example:
            >>> zeros(2).copy_(tensor([1.0, 2.0])).tolist()
            [1.0, 2.0]
        """
        self._check_mutable("copy_", source)
        if isinstance(source, TensorBase) and source.device is not self._device:
            source = Move(self._device)(source.detach())
        return self._assign("copy_", source)

    def fill_(self, value: float) -> TensorT:
        """Set all elements to a number.

        Raises:
            ArgumentError: The number does not fit the dtype.

        Example:
            >>> zeros(2).fill_(3.0).tolist()
            [3.0, 3.0]
        """
        return self._assign("fill_", value)

    def zero_(self) -> TensorT:
        """Set all elements to zero.

        Example:
            >>> ones(2).zero_().tolist()
            [0.0, 0.0]
        """
        return self._assign("zero_", 0)

    def add_(self, other: Operand) -> TensorT:
        """Add in place.

        Example:
            >>> x = ones(2)
            >>> x.add_(2.0).tolist()
            [3.0, 3.0]
        """
        return self._update("add", other)

    def sub_(self, other: Operand) -> TensorT:
        """Subtract in place.

        Example:
            >>> x = ones(2)
            >>> x.sub_(2.0).tolist()
            [-1.0, -1.0]
        """
        return self._update("sub", other)

    def mul_(self, other: Operand) -> TensorT:
        """Multiply in place.

        Example:
            >>> x = ones(2)
            >>> x.mul_(2.0).tolist()
            [2.0, 2.0]
        """
        return self._update("mul", other)

    def div_(self, other: Operand) -> TensorT:
        """Divide in place.

        Example:
            >>> x = ones(2)
            >>> x.div_(2.0).tolist()
            [0.5, 0.5]
        """
        return self._update("div", other)

    def __setitem__(self, index: Index, value: Operand) -> None:
        self._check_mutable("item assignment", value)
        if not is_basic(index):
            check_writable("item assignment", self.array)
            write_at(self, index, value)
            self._changed()
            return
        slices, shape = resolve(index, self.shape)
        check_writable("item assignment", self.array)
        be = backend_of(self._device)
        part = be.slice(self.array, slices)
        cut = part.shape
        source = operand(self, value)
        if isinstance(source, TensorBase) and source.shape != ():
            if broadcast_shape("item assignment", source.shape, shape) != shape:
                raise ShapeError(f"a value of shape {source.shape} does not fit {shape}")
            whole = be.expand(source.array, shape)
            source = self._wrap(be.reshape(whole, cut), source.device)
        view: Any = self._wrap(part, self._device, None, self._version)
        view._assign("item assignment", source)

    def _update(self, op: str, other: Operand) -> TensorT:
        value = self._taken(f"{op}_", other)
        if self.size:
            backend_of(self._device).update(op, self.array, value)
        return self._changed()

    def _assign(self, name: str, value: Operand) -> TensorT:
        taken = self._taken(name, value)
        be = backend_of(self._device)
        if isinstance(taken, (bool, int, float)):
            check_scalar(name, taken, self.dtype)
            taken = be.full((), taken, self.dtype)
        if self.size:
            be.assign(self.array, be.expand(taken, self.shape))
        return self._changed()

    def _changed(self) -> TensorT:
        self._version.bump()
        if self._version.watched:
            self._version.touched += 1
            structure.bump()
        return self  # type: ignore[return-value]

    def _taken(self, name: str, value: Operand) -> Any:
        """A number, or an array of other memory that broadcasts to this shape."""
        self._check_mutable(name, value)
        check_writable(name, self.array)
        source = operand(self, value)
        if not isinstance(source, TensorBase):
            return source
        if source.device is not self._device:
            raise DeviceError(f"{name}: tensors are on {self._device} and {source.device}")
        if broadcast_shape(name, self.shape, source.shape) != self.shape:
            raise ShapeError(f"{name}: shape {source.shape} does not fit {self.shape}")
        be = backend_of(self._device)
        return be.copy(source.array) if be.shares(source.array, self.array) else source.array

    def _check_mutable(self, name: str, *sources: Operand) -> None:
        if self._version.watched and self._device.kind == "gpu":
            from rumus.gpu import _capture

            _capture.refuse(f"changes ({name}) a parameter whose float32 values an optimizer keeps")
        if not is_grad_enabled():
            return
        if self.requires_grad:
            raise AutogradError(
                f"{name}: this tensor requires a gradient; change it inside `with no_grad():`"
            )
        if any(isinstance(source, TensorBase) and source.requires_grad for source in sources):
            raise AutogradError(
                f"{name}: the value requires a gradient, which a change in place does not record; "
                "build a new tensor (cat, stack, where), or write value.detach()"
            )


def check_writable(name: str, array: Any) -> None:
    """Refuse to write into an expanded view, or into memory that is read-only.

    Raises:
        ArgumentError: The array has elements, and cannot be written to.
    """
    if not array.size:
        return
    shared = any(
        n > 1 and stride == 0 for n, stride in zip(array.shape, array.strides, strict=True)
    )
    if shared or not getattr(getattr(array, "flags", None), "writeable", True):
        raise ArgumentError(
            f"{name}: this tensor of shape {array.shape} is an expanded view or wraps a read-only "
            "array, and cannot be written to; take a copy first, with .contiguous()"
        )
