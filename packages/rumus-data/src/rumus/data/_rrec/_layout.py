"""Where the input and the target lie in a record, and what shape and dtype they have."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from operator import mul
from typing import Any

import numpy as np
import numpy.typing as npt

from .._buffers import BufferPool
from .._gather import gathered
from ._file import Bytes
from ._padding import padding_of

_WORDS = {rest: np.dtype({0: "u8", 4: "u4"}.get(rest, "u1")) for rest in range(8)}


@dataclass(frozen=True)
class Field:
    """One of the two arrays of a record.

    Attributes:
        dtype: Its element type.
        shape: Its shape.

    Example:
        >>> Field(np.dtype(np.float32), (3, 32, 32)).shape
        (3, 32, 32)
    """

    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """The bytes of its elements."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def too_large(self) -> bool:
        """Whether numpy could not count a batch of such arrays, of which none may have elements."""
        spanned = math.prod(max(length, 1) for length in self.shape) * self.dtype.itemsize
        return spanned >= 1 << (31 if 0 in self.shape else 62)

    @cached_property
    def strides(self) -> tuple[int, ...]:
        """The bytes from one element to the next along each axis."""
        lengths = accumulate(self.shape[:0:-1], mul, initial=self.dtype.itemsize)
        return tuple(lengths)[::-1] if self.shape else ()

    def __str__(self) -> str:
        return f"{self.dtype} {'×'.join(map(str, self.shape)) if self.shape else 'scalar'}"


@dataclass(frozen=True)
class Layout:
    """How the bytes of one record are divided.

    Attributes:
        input: The input's dtype and shape.
        target: The target's dtype and shape.
        input_offset: Bytes from the start of the record to the input.
        target_offset: Bytes from the start of the record to the target.
        stride: Bytes of the whole record.
    """

    input: Field
    target: Field
    input_offset: int
    target_offset: int
    stride: int

    def split(self, rows: Bytes) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """The inputs and targets of whole records, as views.

        Args:
            rows: Records under each other, shape (n, stride), each row without gaps.
        """
        return (
            _column(rows, self.input_offset, self.input),
            _column(rows, self.target_offset, self.target),
        )

    def clear_padding(self, rows: Bytes) -> None:
        """Write zeros where the elements of whole records hold no value.

        Args:
            rows: Records under each other, shape (n, stride), each row without gaps.
        """
        for field, offset in (self.input, self.input_offset), (self.target, self.target_offset):
            padding = padding_of(field.dtype)
            if len(padding):
                elements = rows[:, offset : offset + field.nbytes]
                elements.reshape(len(rows), -1, field.dtype.itemsize)[..., padding] = 0


def take_rows(rows: Bytes, numbers: npt.NDArray[np.intp], pool: BufferPool) -> Bytes:
    """Whole records in one copy, as wide as memory allows.

    Args:
        rows: Records under each other without gaps, shape (n, stride).
        numbers: Which of them; all are inside.
        pool: Where the memory of the result comes from.
    """
    return gathered(widened(rows), numbers, pool).view(np.uint8)


def widened(rows: Bytes) -> npt.NDArray[Any]:
    """The same rows as the widest words that they consist of and are aligned to."""
    return rows.view(_WORDS[(rows.shape[1] | rows.ctypes.data) % 8])


def _column(rows: Bytes, offset: int, field: Field) -> npt.NDArray[Any]:
    return np.ndarray(
        (len(rows), *field.shape), field.dtype, rows, offset, (rows.strides[0], *field.strides)
    )
