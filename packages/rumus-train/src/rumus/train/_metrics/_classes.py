"""Class ids of outputs and targets, and how often they occur."""

from __future__ import annotations

from typing import NamedTuple

from rumus.tensor import (
    ArgumentError,
    DTypeError,
    IndexRangeError,
    ShapeError,
    Tensor,
    bool_,
    float16,
    float32,
    index_add,
    int32,
    logical_and,
    logical_not,
    ones_like,
    where,
    zeros,
)


class Labels(NamedTuple):
    """Class ids of a batch.

    Attributes:
        predicted: int32.
        target: int32, of the same shape.
        counts: bool, which of them count.
    """

    predicted: Tensor
    target: Tensor
    counts: Tensor


def labels(
    name: str,
    output: Tensor,
    target: Tensor,
    axis: int,
    threshold: float,
    ignored: int | None,
    classes: int | None = None,
) -> Labels:
    """The class ids that an output predicts, and those of the target.

    Args:
        name: Of the metric, for errors.
        output: Floats with a class axis that the target lacks; or class ids, or floats for two
            classes, of the target's shape.
        target: Class ids.
        axis: The class axis.
        threshold: What floats for two classes exceed in class 1.
        ignored: The class id of targets that do not count.
        classes: How many the metric was made for, if it is for a number of them.

    Raises:
        ShapeError: The shapes do not fit, or the output has scores of another number of classes.
        DTypeError: The output has a class axis, and no floats.
    """
    if output.shape == target.shape:
        is_float = output.dtype in (float16, float32)
        predicted = (output > threshold if is_float else output).to(int32)
    else:
        check_class_axis(name, output, target, axis)
        if classes not in (None, output.shape[axis]):
            raise ShapeError(
                f"{name} was made for {classes} classes, and an output of shape {output.shape} has "
                f"scores of {output.shape[axis]} along axis {axis}: give classes="
                f"{output.shape[axis]}"
            )
        predicted = output.argmax(axis)
    return Labels(predicted, *which(target, ignored))


def which(target: Tensor, ignored: int | None) -> tuple[Tensor, Tensor]:
    """Targets as int32, and which of them count."""
    target = target.to(int32)
    if ignored is None:
        return target, ones_like(target, dtype=bool_)
    return target, target != ignored


def check_class_axis(name: str, output: Tensor, target: Tensor, axis: int) -> None:
    """Refuse an output that is no score for each class of each target.

    Raises:
        ShapeError: The shapes do not fit.
        DTypeError: The output holds no floats.
    """
    shape = list(output.shape)
    if -len(shape) <= axis < len(shape):
        del shape[axis]
    if output.ndim != target.ndim + 1 or tuple(shape) != target.shape:
        raise ShapeError(
            f"{name}: output of shape {output.shape} and target of shape {target.shape}; give "
            f"class ids of the output's shape without its axis {axis} (axis= names another one)"
        )
    if output.shape[axis] == 1:
        raise ShapeError(
            f"{name}: output of shape {output.shape} has the scores of one class, which is always "
            "the highest; for two classes give output.squeeze(axis) and a threshold"
        )
    if output.dtype not in (float16, float32):
        raise DTypeError(f"{name}: scores are floats, not {output.dtype}")


def check_classes(name: str, classes: int) -> int:
    """A number of classes.

    Raises:
        ArgumentError: It is none.
    """
    if not isinstance(classes, int) or isinstance(classes, bool) or classes < 2:
        raise ArgumentError(f"{name}: classes is a whole number from 2, not {classes!r}")
    return classes


def occurrences(name: str, places: Tensor, counts: Tensor, is_valid: Tensor, length: int) -> Tensor:
    """How often each place below a length occurs, of those that count.

    Args:
        name: Of the metric, for errors.
        places: int32.
        counts: bool, of the same shape.
        is_valid: bool; a place that counts and is not valid raises IndexRangeError, on a GPU when
            results are next read.
        length: Of the result.
    """
    if places.device.kind == "cpu" and bool(logical_and(counts, logical_not(is_valid)).any()):
        raise IndexRangeError(f"{name}: a class id or score is outside of what it was made for")
    places = where(counts, where(is_valid, places, length + 1), length).reshape(-1)
    total = zeros((length + 1,), dtype=int32, device=places.device)
    return index_add(total, 0, places, ones_like(places))[:length]
