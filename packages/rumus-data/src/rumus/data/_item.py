"""One sample, or one batch: an input and its target."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from rumus.tensor import ArgumentError, DTypeError, ShapeError, Tensor, float32, int32

TensorLike: TypeAlias = Tensor | npt.NDArray[Any] | np.generic | float | int | bool
"""What a data set may put into a :class:`DataItem`."""

HostArray: TypeAlias = npt.NDArray[Any]


_NAMES = {
    **dict.fromkeys(("x", "data", "inputs", "image", "images", "features"), "input"),
    **dict.fromkeys(("y", "label", "labels", "targets"), "target"),
}


class DataItem:
    """An input with its target: one sample of a data set, or a batch of samples from a loader.

    Data sets may fill it with tensors, numpy arrays or numbers; whoever reads ``input`` and
    ``target`` gets tensors. Numpy's float64 becomes float32 and its integers other than uint8
    become int32; a tensor made of an array shares its memory where the dtype allows.

    Args:
        input: What the model is given.
        target: What it should answer.

    Raises:
        DTypeError: A tensor cannot hold the dtype; raised when the tensor is first asked for.
        ArgumentError: An integer does not fit int32; raised when the tensor is first asked for.

    Example:
        >>> x, y = DataItem(np.zeros((28, 28)), 7)
        >>> x.shape, y.dtype
        ((28, 28), dtype('int32'))
    """

    __slots__ = ("_input", "_target")

    def __init__(self, input: TensorLike, target: TensorLike) -> None:
        self._input = input
        self._target = target

    if not TYPE_CHECKING:  # else checkers would take any name

        def __getattr__(self, name: str) -> Any:
            hint = f"; here: {_NAMES[name]}" if name in _NAMES else ""
            text = f"{type(self).__name__!r} object has no attribute {name!r}{hint}"
            raise AttributeError(text, name=name, obj=self)

    @property
    def input(self) -> Tensor:
        """What the model is given."""
        value = self._input
        if not isinstance(value, Tensor):
            self._input = value = as_tensor(value)
        return value

    @property
    def target(self) -> Tensor:
        """What the model should answer."""
        value = self._target
        if not isinstance(value, Tensor):
            self._target = value = as_tensor(value)
        return value

    def __tree__(self) -> tuple[Tensor, Tensor]:
        """The parts, which makes an item a container of :mod:`rumus.tensor.tree`."""
        return self.input, self.target

    def __iter__(self) -> Iterator[Tensor]:
        return iter((self.input, self.target))

    def __repr__(self) -> str:
        return f"DataItem(input={self._input!r}, target={self._target!r})"


def raw_parts(item: DataItem) -> tuple[TensorLike, TensorLike]:
    """The input and the target as the data set gave them, without making tensors."""
    return item._input, item._target


def as_array(value: TensorLike) -> HostArray:
    """A numpy array of a value; the memory of a CPU tensor is shared.

    Raises:
        ShapeError: It is a ragged list.
        ArgumentError: It is a tuple or a dict, which would be stacked in silence.
    """
    if isinstance(value, Tensor):
        array: HostArray = value.array if value.device.kind == "cpu" else value.numpy()
        return array
    if isinstance(value, tuple | dict):
        raise ArgumentError(
            f"an array was expected and a {type(value).__name__} given; a DataItem holds one input "
            "and one target, and a sample of more arrays is a tuple, list, dict or named tuple "
            "itself, such as {'image': x, 'mask': m, 'label': 3}"
        )
    try:
        return np.asarray(value)
    except ValueError as error:
        raise ShapeError(f"an input or a target is no regular grid of numbers: {error}") from None


def as_tensor(value: TensorLike) -> Tensor:
    """A tensor of a value, by the rules of :func:`narrowed`."""
    return value if isinstance(value, Tensor) else Tensor.from_array(narrowed(as_array(value)))


_KEPT = frozenset(np.dtype(t) for t in (np.float32, np.float16, np.int32, np.uint8, np.bool_))
_INT32 = np.iinfo(np.int32)
_NUMBERED = "; np.unique(names, return_inverse=True)[1] makes numbers of names"
_INSTEAD = {
    "U": _NUMBERED,
    "S": _NUMBERED,
    "M": '; (dates - dates.min()) / np.timedelta64(1, "D") makes days of dates',
}
"""What makes numbers of arrays of other kinds."""


def narrowed(array: HostArray) -> HostArray:
    """The array in a dtype that tensors have; itself if it has one already.

    Returns:
        float64 and longer as float32; integers other than uint8 as int32.

    Raises:
        DTypeError: The dtype is neither a float, an integer nor bool.
        ArgumentError: An integer does not fit int32.
    """
    dtype = array.dtype
    if dtype in _KEPT and dtype.isnative:
        return array
    if dtype.kind == "f":
        return array.astype(np.float16 if dtype.itemsize == 2 else float32)
    if dtype.kind not in "iu":
        raise DTypeError(
            f"dtype {dtype} fits no tensor; take float32, float16, int32, uint8 or bool"
            + _INSTEAD.get(dtype.kind, "")
        )
    result = array.astype(int32)
    if dtype.itemsize >= 4 and (result != array).any():
        low, high = int(array.min()), int(array.max())
        raise ArgumentError(
            f"{low if low < _INT32.min else high} of dtype {dtype} does not fit int32 "
            f"({_INT32.min} to {_INT32.max})"
        )
    return result
