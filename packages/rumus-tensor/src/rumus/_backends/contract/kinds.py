"""The kinds of arguments that primitives take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

A = TypeVar("A")
A_co = TypeVar("A_co", covariant=True)
A_contra = TypeVar("A_contra", contravariant=True)
Shape = tuple[int, ...]
Scalar = float | int | bool
Slices = Sequence[slice]
