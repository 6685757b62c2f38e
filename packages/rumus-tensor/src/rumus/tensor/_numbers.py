"""Tensors of one element as numbers."""

from __future__ import annotations

import math
from typing import Any

from rumus._backends.registry import backend_of
from rumus._core.base import TensorBase, TensorT
from rumus._core.dtypes import bool_, is_float
from rumus._core.errors import ArgumentError

from ._operand import apply


class Numbers(TensorBase[TensorT]):
    """What Python asks of a number, for tensors of one element; each waits for the device."""

    __slots__ = ()

    def item(self) -> float:
        """The number of a tensor of one element, as a Python float, int or bool.

        To type checkers it is a float, which may be an int; an index is ``int(x.item())``.

        Raises:
            ArgumentError: There are several elements, or none.

        Example:
            >>> tensor([2.5]).item()
            2.5
        """
        if self.size != 1:
            raise ArgumentError(f"item() needs one element; this tensor has shape {self.shape}")
        number: float = backend_of(self._device).to_host(self.array).item()
        return number

    def __bool__(self) -> bool:
        if self.size != 1:
            raise ArgumentError(
                f"a tensor of shape {self.shape} is neither true nor false; "
                "reduce it first, as in (a == b).all()"
            )
        return bool(self.item())

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __complex__(self) -> complex:
        return complex(self.item())

    def __index__(self) -> int:
        if self.size != 1 or is_float(self.dtype) or self.dtype == bool_:
            raise TypeError(
                f"a {self.dtype} tensor of shape {self.shape} is no index; that takes one integer"
            )
        return int(self.item())

    def __format__(self, spec: str) -> str:
        if not self.shape or (spec and self.size == 1):
            return format(self.item(), spec)
        if spec:
            raise ArgumentError(
                f"a tensor of shape {self.shape} has no format {spec!r}; that takes one element"
            )
        return str(self)

    def __round__(self, decimals: int | None = None) -> Any:
        if not self.shape:
            return round(self.item(), decimals)
        rounded: Any = self
        return rounded.round(decimals or 0)

    def __floor__(self) -> Any:
        return apply("floor", self) if self.shape else math.floor(self.item())

    def __ceil__(self) -> Any:
        return apply("ceil", self) if self.shape else math.ceil(self.item())

    def __trunc__(self) -> Any:
        return apply("trunc", self) if self.shape else math.trunc(self.item())
