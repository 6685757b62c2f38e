"""What all functions check, and how losses are reduced."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np

from rumus._core.dtypes import common_dtype, float16, float32
from rumus._core.errors import ArgumentError, ShapeError
from rumus._core.shapes import broadcast_shape
from rumus.tensor._tensor import Tensor

from .._module_inputs import check_tensor

Reduction: TypeAlias = Literal["mean", "sum", "none"]
"""What becomes of the losses of a batch."""


def check_tensors(name: str, *tensors: Tensor | None) -> None:
    """All of them are tensors, or left out."""
    check_tensor(name, *(given for given in tensors if given is not None))


def check_same_shape(name: str, prediction: Tensor, target: Tensor) -> None:
    """Both are tensors of one shape."""
    check_tensors(name, prediction, target)
    if prediction.shape != target.shape:
        raise ShapeError(
            f"{name}: the prediction has shape {prediction.shape}, the target {target.shape}; "
            "they must be equal"
        )


def check_fits(name: str, what: str, given: Tensor | None, shape: tuple[int, ...]) -> None:
    """A weight broadcasts to the losses."""
    if given is not None and broadcast_shape(f"{name}: {what}", given.shape, shape) != shape:
        raise ShapeError(f"{name}: {what} of shape {given.shape} does not broadcast to {shape}")


def check_classes(name: str, weight: Tensor | None, classes: int) -> None:
    """A weight for each class."""
    if weight is not None and weight.shape != (classes,):
        raise ShapeError(
            f"{name}: weight holds one number a class, here of shape ({classes},), "
            f"not {weight.shape}"
        )


def check_reduction(name: str, reduction: Reduction, *others: str) -> None:
    """``"mean"``, ``"sum"``, ``"none"``, or one of the others."""
    known = ("mean", "sum", "none", *others)
    if reduction not in known:
        shown = ", ".join(map(repr, known[:-1])) + f" or {known[-1]!r}"
        raise ArgumentError(f"{name}: reduction is {shown}, not {reduction!r}")


def in_single(*tensors: Tensor) -> tuple[list[Tensor], np.dtype[Any]]:
    """All of them, in float32 where they meet in float16, and the dtype in which they meet."""
    dtype = common_dtype([given.dtype for given in tensors])
    if dtype == float16:
        return [given.to(float32) for given in tensors], dtype
    return list(tensors), dtype


def reduced(
    name: str, losses: Tensor, reduction: Reduction, dtype: np.dtype[Any] = float32
) -> Tensor:
    """Losses reduced, and rounded once if they are of float16."""
    check_reduction(name, reduction)
    if reduction == "mean":
        losses = losses.mean()
    elif reduction == "sum":
        losses = losses.sum()
    return losses.to(float16) if dtype == float16 else losses
