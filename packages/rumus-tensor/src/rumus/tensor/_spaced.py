"""Tensors of numbers in a row, and the masks of matrices made of them."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np
import numpy.typing as npt

from rumus._backends.registry import backend_of
from rumus._core.devices import CPU, Device, DeviceLike
from rumus._core.dtypes import DType, bool_, check_scalar, float32, given_dtype, int32
from rumus._core.errors import ArgumentError
from rumus._core.host import as_host_array
from rumus._core.options import without_options
from rumus._core.shapes import shape_of, whole_number

from ._tensor import Tensor


def arange(
    start: float,
    stop: float | None = None,
    step: float = 1,
    dtype: npt.DTypeLike | None = None,
    device: DeviceLike = CPU,
) -> Tensor:
    """Evenly spaced numbers from ``start`` (0 if one number is given) to before ``stop``.

    Args:
        start: The first number.
        stop: Where they end.
        step: From one to the next.
        dtype: int32 by default if all numbers are ints, else float32.
        device: Where they are.

    Raises:
        ArgumentError: The step is zero, a number is not finite, or does not fit the dtype.

    Example:
        >>> arange(1, 2, 0.25).tolist()
        [1.0, 1.25, 1.5, 1.75]
    """
    first, end = (0, start) if stop is None else (start, stop)
    if step == 0 or not all(math.isfinite(number) for number in (first, end, step)):
        raise ArgumentError(
            f"arange takes finite numbers and a step that is not zero, not {first}, {end}, {step}"
        )
    limits: tuple[Any, ...] = first, end, step
    try:
        numbers = range(*map(operator.index, limits))
    except TypeError:
        return _constant(np.arange(first, end, step), dtype, device)
    chosen = int32 if dtype is None else given_dtype(dtype)
    if chosen != int32 or not numbers:
        return _constant(np.arange(first, end, step), chosen, device)
    for number in (numbers[0], numbers[-1]):
        check_scalar("arange", number, int32)
    device = Device(device)
    be = backend_of(device)
    result = be.iota(len(numbers))
    if numbers.step != 1:
        result = be.elementwise("mul", result, numbers.step)
    if numbers.start:
        result = be.elementwise("add", result, numbers.start)
    return Tensor._wrap(result, device)


@without_options({"steps": "num"})
def linspace(
    start: float,
    stop: float,
    num: int = 50,
    dtype: npt.DTypeLike | None = None,
    device: DeviceLike = CPU,
    endpoint: bool = True,
) -> Tensor:
    """So many evenly spaced numbers from ``start`` to ``stop``, rounded once.

    Args:
        start: The first number.
        stop: The last one, or without ``endpoint`` the one behind it.
        num: How many.
        dtype: float32 by default.
        device: Where they are.
        endpoint: Whether ``stop`` is one of them.

    Raises:
        ArgumentError: ``num`` is negative, or a number is not finite.

    Example:
        >>> linspace(0, 1, 5).tolist()
        [0.0, 0.25, 0.5, 0.75, 1.0]
    """
    _check_spacing("linspace", start, stop, num)
    return _constant(np.linspace(start, stop, num, endpoint=endpoint), dtype or float32, device)


@without_options({"steps": "num"})
def logspace(
    start: float,
    stop: float,
    num: int = 50,
    base: float = 10.0,
    dtype: npt.DTypeLike | None = None,
    device: DeviceLike = CPU,
    endpoint: bool = True,
) -> Tensor:
    """``base`` to the power of the numbers of :func:`linspace`.

    Example:
        >>> logspace(0, 3, 4).tolist()
        [1.0, 10.0, 100.0, 1000.0]
    """
    _check_spacing("logspace", start, stop, num)
    powers = np.logspace(start, stop, num, endpoint=endpoint, base=base)
    return _constant(powers, dtype or float32, device)


def eye(
    n_rows: int,
    n_cols: int | None = None,
    k: int = 0,
    dtype: npt.DTypeLike | None = None,
    device: DeviceLike = CPU,
) -> Tensor:
    """A matrix of zeros with ones on its ``k``-th diagonal.

    Args:
        n_rows: Its rows.
        n_cols: Its columns; as many as rows by default.
        k: 0 is the main diagonal, 1 the one above it, -1 the one below.
        dtype: float32 by default.
        device: Where it is.

    Example:
        >>> eye(2, 3, k=1).tolist()
        [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    return _diagonals("eye", "eq", (n_rows, n_cols, k), dtype, device)


def tri(
    n_rows: int,
    n_cols: int | None = None,
    k: int = 0,
    dtype: npt.DTypeLike | None = None,
    device: DeviceLike = CPU,
) -> Tensor:
    """A matrix with ones on its ``k``-th diagonal and below, and zeros above; as :func:`eye`.

    Example:
        >>> tri(2, dtype=bool).tolist()
        [[True, False], [True, True]]
    """
    return _diagonals("tri", "ge", (n_rows, n_cols, k), dtype, device)


def _diagonals(
    name: str,
    op: str,
    size: tuple[int, int | None, int],
    dtype: npt.DTypeLike | None,
    device: DeviceLike,
) -> Tensor:
    """Where the row's number plus k compares with the column's."""
    rows, columns = shape_of(name, (size[0], size[0] if size[1] is None else size[1]))
    chosen = float32 if dtype is None else given_dtype(dtype)
    device = Device(device)
    be = backend_of(device)
    shift = whole_number(f"{name}: k", size[2])
    shift = max(-rows, min(shift, columns))
    below = be.elementwise("add", be.reshape(be.iota(rows), (rows, 1)), shift)
    mask = be.elementwise(op, below, be.iota(columns))
    result = mask if chosen == bool_ else be.elementwise("cast", mask, dtype=chosen)
    return Tensor._wrap(result, device)


def _check_spacing(name: str, start: float, stop: float, num: int) -> None:
    if whole_number(f"{name}: num", num) < 0:
        raise ArgumentError(f"{name}: num is not negative, unlike {num}")
    if not (math.isfinite(start) and math.isfinite(stop)):
        raise ArgumentError(f"{name} takes finite numbers, not {start} and {stop}")


def _constant(numbers: npt.NDArray[Any], dtype: npt.DTypeLike | None, device: DeviceLike) -> Tensor:
    """Numbers that the host works out in float64, the same in every replay of a captured step."""
    device = Device(device)
    chosen: DType | None = None if dtype is None else given_dtype(dtype)
    return Tensor._wrap(backend_of(device).constant(as_host_array(numbers, chosen)), device)
