"""What may stand beside a tensor in an expression."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from rumus._backends.registry import backend_of
from rumus._core.base import TensorBase, TensorT
from rumus._core.host import as_host_array

from ._ops.elementwise import Elementwise

Operand = (
    TensorBase
    | float
    | int
    | bool
    | np.floating[Any]
    | np.integer[Any]
    | np.bool_
    | npt.NDArray[Any]
)


def operand(like: TensorBase[TensorT], value: Operand) -> TensorBase[TensorT] | float | int | bool:
    """A tensor or a number, of numpy too, as it is; an array as a tensor on the same device."""
    if isinstance(value, np.floating | np.integer | np.bool_):
        number: float | int | bool = value.item()
        return number
    if isinstance(value, TensorBase | float | int):
        return value
    device = like.device
    return like._wrap(backend_of(device).from_host(as_host_array(value, None)), device)


def apply(op: str, first: TensorBase[TensorT], *others: Operand) -> TensorT:
    """One row of the elementwise table."""
    return Elementwise(op)(first, *(operand(first, other) for other in others))


def is_operand(value: object) -> bool:
    """Whether a binary operator takes the value."""
    return isinstance(value, (TensorBase, float, int, np.ndarray, np.generic))
