"""Tensors that are trained."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Self

import numpy.typing as npt

from rumus._core import structure, usage
from rumus._core.base import TensorBase
from rumus._core.devices import CPU, Device
from rumus._core.dtypes import is_float
from rumus._core.errors import DTypeError
from rumus._core.versions import Version
from rumus.autograd._arena import Arena
from rumus.autograd._leaf import NO_HOOKS, Leaf, ParamId
from rumus.autograd._slots import GradSlot
from rumus.tensor._operand import Operand
from rumus.tensor._tensor import Tensor


class Parameter(Tensor, Leaf[Tensor]):
    """A tensor whose gradient a backward pass gives, and which an optimizer changes in place.

    It keeps its identity, and its place in every optimizer, when it moves to another device.
    ``+=``, ``-=``, ``*=`` and ``/=`` change it in place, which takes ``no_grad()``.

    Args:
        data: The first values, a tensor or array-like; copied.
        name: What error messages call it; a module gives its own names where there is none.
        requires_grad: Whether backward passes compute its gradient.

    Raises:
        DTypeError: It requires a gradient and is no float.

    Example:
        >>> weight = Parameter([1.0, 2.0], name="weight")
        >>> grads = (weight * weight).sum().backward()
        >>> grads.get(weight.id)
        Tensor([2., 4.], dtype=float32)
    """

    __hash__: ClassVar[Callable[[Any], int]] = object.__hash__
    __slots__ = ("_id", "_name", "_path", "_requires_grad")
    arena: Arena | None

    def __init__(
        self,
        data: npt.ArrayLike | TensorBase,
        name: str | None = None,
        requires_grad: bool = True,
    ) -> None:
        super().__init__(data, None, data.device if isinstance(data, TensorBase) else CPU)
        self._id = ParamId()
        self._name = name
        self._path: str | None = None
        self.slot = self.arena = None
        self.hooks = NO_HOOKS
        keep(self._array, self._device)
        self._requires_grad = False
        self.requires_grad = requires_grad

    @property
    def id(self) -> ParamId:
        """The key of its gradient; unique in the process."""
        return self._id

    @property
    def name(self) -> str | None:
        """The name that was given, or else its path in the outermost module that was asked for it.

        May be set; None for a parameter that no module has listed yet.
        """
        return self._name or self._path

    @name.setter
    def name(self, value: str | None) -> None:
        self._name = value

    def _found_at(self, path: str) -> None:
        """Take a path for a name, unless one from further out is known."""
        if self._path is None or len(path) > len(self._path):
            self._path = path

    @property
    def label(self) -> str:
        """What error messages call it."""
        return f"parameter {self.name!r}" if self.name else f"parameter {self._id!r}"

    @property
    def requires_grad(self) -> bool:
        """Whether backward passes compute its gradient; may be set."""
        self._note_use()
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if value and not is_float(self.dtype):
            of_name = f" {self.name!r}" if self.name else ""
            raise DTypeError(
                f"the parameter{of_name} is {self.dtype}, and only floats have gradients: "
                "Parameter(x.to(float32)), or with requires_grad=False"
            )
        if value != self._requires_grad:
            self._requires_grad = bool(value)
            structure.bump()

    def requires_grad_(self, value: bool = True) -> Self:
        """Make it trainable, or freeze it.

        Raises:
            DTypeError: It is no float, and is to be trainable.

        Example:
            >>> Parameter([1.0]).requires_grad_(False).requires_grad
            False
        """
        self.requires_grad = value
        return self

    # A loop over parameters that writes `p -= lr * grad` means the parameter, not its own variable.

    def __iadd__(self, other: Operand) -> Self:
        self.add_(other)
        return self

    def __isub__(self, other: Operand) -> Self:
        self.sub_(other)
        return self

    def __imul__(self, other: Operand) -> Self:
        self.mul_(other)
        return self

    def __itruediv__(self, other: Operand) -> Self:
        self.div_(other)
        return self

    @property
    def array(self) -> Any:
        """As every tensor's; a captured step notes that it uses the parameter."""
        self._note_use()
        return super().array

    def _note_use(self) -> None:
        reads = usage.current()
        if reads is not None:
            reads.note(self, "place", _place, _place(self, "place"))

    def _edge(self) -> Parameter | None:
        return self if self._requires_grad else None

    def _rebind(
        self, array: Any, device: Device, elsewhere: Callable[[Any], Any] | None = None
    ) -> None:
        """Let the parameter live in other memory; graphs that saved the old one become invalid.

        Args:
            array: The other memory, with the same elements.
            device: Its device.
            elsewhere: Gives the array there for a view of the old memory: tensors that share the
                old memory share the new one from now on. By default they keep the old one.

        Raises:
            BorrowError: An optimizer step holds the parameter.
        """
        before = self._version
        before.check_free()
        before.bump()
        self._array, self._device, self._version = array, device, Version()
        if elsewhere is not None:
            before.moved = elsewhere, self._version
        self.slot: GradSlot | None = None
        self.arena = None
        keep(array, device)
        structure.bump()

    def __reduce__(self) -> tuple[Any, ...]:
        return _copied, (self.detach(), self._name, self._requires_grad)

    def __repr__(self) -> str:
        return f"Parameter({super().__repr__()})"


def _copied(data: Tensor, name: str | None, requires_grad: bool) -> Parameter:
    """What copying and unpickling make: another parameter, with an id of its own."""
    return Parameter(data, name, requires_grad)


def _place(parameter: Parameter, _: str) -> tuple[Version, bool, Any]:
    """What a captured step takes over of a parameter: where it lies, if it is trained, hooks."""
    return parameter._version, parameter._requires_grad, parameter.hooks


def keep(array: Any, device: Device) -> None:
    """Tell the GPU runtime that an array outlives a step, so that captured steps may use it."""
    if device.kind == "gpu":
        from rumus import gpu

        gpu.persist(array)
