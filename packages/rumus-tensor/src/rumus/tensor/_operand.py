"""What may stand beside a tensor in an expression."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ._base import TensorBase
from ._host import as_host_array
from ._ops._elementwise import Elementwise

if TYPE_CHECKING:
    from ._tensor import Tensor

Operand = TensorBase | float | int | bool | npt.NDArray[Any]


def operand(like: TensorBase, value: Operand) -> TensorBase | float | int | bool:
    """A tensor or a number, of numpy too, as it is; an array as a tensor on the same device."""
    if isinstance(value, np.floating | np.integer | np.bool_):
        return value.item()
    if isinstance(value, TensorBase | float | int):
        return value
    device = like.device
    return like._wrap(device.backend.from_host(as_host_array(value, None)), device)


def apply(op: str, first: TensorBase, *others: Operand) -> Tensor:
    """One row of the elementwise table."""
    return Elementwise(op)(first, *(operand(first, other) for other in others))


def is_operand(value: object) -> bool:
    """Whether a binary operator takes the value."""
    return isinstance(value, (TensorBase, float, int, np.ndarray, np.generic))
