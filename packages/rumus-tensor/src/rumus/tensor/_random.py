"""Random tensors of many distributions, from seeded generators that all devices share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from rumus._backends.generator import Generator, default_generator
from rumus._backends.registry import backend_of
from rumus._core.base import TensorBase
from rumus._core.devices import CPU, Device, DeviceLike
from rumus._core.dtypes import DType, float32, given_dtype, int32, is_float, uint8
from rumus._core.errors import ArgumentError, DTypeError, ShapeError
from rumus._core.shapes import Shape, broadcast_shape, shape_of, whole_number

from ._quantile import normal_cdf, normal_quantile
from ._tensor import Tensor

ShapeLike = int | Sequence[int]


def uniform(
    low: float = 0.0,
    high: float = 1.0,
    shape: ShapeLike = (),
    dtype: npt.DTypeLike = float32,
    device: DeviceLike = CPU,
    generator: Generator | None = None,
) -> Tensor:
    """Numbers of which all from ``low`` to before ``high`` are equally likely.

    Args:
        low: The lowest.
        high: Above all of them, but for rounding.
        shape: Of the result.
        dtype: float32 or float16.
        device: Where they are; the same numbers on every device.
        generator: What they are drawn from; by default what ``manual_seed`` starts.

    Raises:
        ArgumentError: ``high`` is below ``low``, or a bound is not finite.
        DTypeError: The dtype is no float.

    Example:
        >>> 2.0 <= uniform(2.0, 3.0).item() <= 3.0
        True
    """
    if not (math.isfinite(low) and math.isfinite(high) and low <= high):
        raise ArgumentError(f"uniform: finite bounds in ascending order, not {low} and {high}")
    drawn = drawn_from("uniform", "uniform", shape, device, generator)
    return _in_dtype("uniform", drawn * (high - low) + low, dtype)


def normal(
    mean: float | Tensor = 0.0,
    std: float | Tensor = 1.0,
    shape: ShapeLike | None = None,
    dtype: npt.DTypeLike = float32,
    device: DeviceLike = CPU,
    generator: Generator | None = None,
) -> Tensor:
    """Numbers of normal distributions.

    Args:
        mean: Of the distribution, or of each number's own.
        std: Its standard deviation.
        shape: Of the result; by default what ``mean`` and ``std`` broadcast to.
        dtype: float32 or float16.
        device: Where they are, if neither ``mean`` nor ``std`` is a tensor.
        generator: What they are drawn from; by default what ``manual_seed`` starts.

    Raises:
        ArgumentError: ``std`` is a negative number.
        ShapeError: ``mean`` and ``std`` do not broadcast to the shape.
        DTypeError: The dtype is no float.

    Example:
        >>> normal(10.0, 0.1, (2, 3)).shape
        (2, 3)
    """
    if not isinstance(std, TensorBase) and not std >= 0:
        raise ArgumentError(f"normal: std is not negative, unlike {std}")
    tensors = [t for t in (mean, std) if isinstance(t, TensorBase)]
    own = broadcast_shape("normal", *(t.shape for t in tensors))
    whole = own if shape is None else shape_of("normal", shape)
    if broadcast_shape("normal", own, whole) != whole:
        raise ShapeError(f"normal: means or deviations of shape {own} for numbers of shape {whole}")
    place = tensors[0].device if tensors else device
    return _in_dtype(
        "normal", drawn_from("normal", "normal", whole, place, generator) * std + mean, dtype
    )


def trunc_normal(
    mean: float = 0.0,
    std: float = 1.0,
    low: float = -2.0,
    high: float = 2.0,
    shape: ShapeLike = (),
    dtype: npt.DTypeLike = float32,
    device: DeviceLike = CPU,
    generator: Generator | None = None,
) -> Tensor:
    """Numbers of the part of a normal distribution in ``[low, high]``.

    The quantiles of uniform numbers between those of the bounds.

    Raises:
        ArgumentError: ``std`` is not positive, or there is nothing between the bounds.
        DTypeError: The dtype is no float.

    Example:
        >>> abs(trunc_normal(low=-1.0, high=1.0).item()) <= 1
        True
    """
    if not std > 0:
        raise ArgumentError(f"trunc_normal: std is positive, unlike {std}")
    first, last = normal_cdf((low - mean) / std), normal_cdf((high - mean) / std)
    if not first < last:
        raise ArgumentError(
            f"trunc_normal: nothing of the distribution of mean {mean} and std {std} is between "
            f"{low} and {high}"
        )
    drawn = drawn_from("trunc_normal", "uniform", shape, device, generator)
    numbers = normal_quantile(drawn * (last - first) + first) * std + mean
    return _in_dtype("trunc_normal", numbers.clamp(low, high), dtype)


def exponential(
    rate: float = 1.0,
    shape: ShapeLike = (),
    dtype: npt.DTypeLike = float32,
    device: DeviceLike = CPU,
    generator: Generator | None = None,
) -> Tensor:
    """Numbers of an exponential distribution, of mean ``1 / rate``: ``-log(1 - u) / rate``.

    Raises:
        ArgumentError: The rate is not positive.
        DTypeError: The dtype is no float.

    Example:
        >>> exponential(2.0, (3,)).shape
        (3,)
    """
    if not rate > 0:
        raise ArgumentError(f"exponential: the rate is positive, unlike {rate}")
    drawn = drawn_from("exponential", "uniform", shape, device, generator)
    return _in_dtype("exponential", (1.0 - drawn).log() * (-1.0 / rate), dtype)


def bernoulli(
    p: float | Tensor,
    shape: ShapeLike | None = None,
    dtype: npt.DTypeLike | None = None,
    device: DeviceLike = CPU,
    generator: Generator | None = None,
) -> Tensor:
    """1 with probability ``p``, else 0.

    Args:
        p: One probability, or one for each number.
        shape: Of the result; by default that of ``p``.
        dtype: By default that of ``p``, or float32.
        device: Where they are, if ``p`` is no tensor.
        generator: What they are drawn from; by default what ``manual_seed`` starts.

    Raises:
        ArgumentError: A probability is outside of [0, 1]; one in a tensor on the GPU is reported
            when results are next read.
        ShapeError: ``p`` does not broadcast to the shape.

    Example:
        >>> bernoulli(1.0, (3,)).tolist()
        [1.0, 1.0, 1.0]
    """
    own: Shape = ()
    place: DeviceLike = device
    chance: Any = p
    if isinstance(p, TensorBase):
        if not is_float(p.dtype):
            raise DTypeError(f"bernoulli takes probabilities in floats, not {p.dtype}")
        own, place, chance = p.shape, p.device, p.detach()
        inside = (chance >= 0) & (chance <= 1)
        message = "bernoulli: element {0} of p is no probability from 0 to 1"
        backend_of(p.device).check(inside.array, message)
    elif not 0 <= p <= 1:
        raise ArgumentError(f"bernoulli: p is a probability from 0 to 1, not {p}")
    whole = own if shape is None else shape_of("bernoulli", shape)
    if broadcast_shape("bernoulli", own, whole) != whole:
        raise ShapeError(f"bernoulli: p of shape {own} for numbers of shape {whole}")
    kind = p.dtype if isinstance(p, TensorBase) else float32
    target = given_dtype(kind if dtype is None else dtype)
    drawn = drawn_from("bernoulli", "uniform", whole, place, generator)
    return Tensor.to(drawn < chance, target)


def randint(
    low: int,
    high: int | Sequence[int] | None = None,
    shape: ShapeLike | None = None,
    dtype: npt.DTypeLike = int32,
    device: DeviceLike = CPU,
    generator: Generator | None = None,
) -> Tensor:
    """Whole numbers from ``low`` to before ``high``, all equally likely.

    The same bit for bit on every device. ``randint(high, shape)`` and ``randint(high)`` begin at 0.

    Args:
        low: The lowest.
        high: Above the highest.
        shape: Of the result.
        dtype: int32 or uint8.
        device: Where they are.
        generator: What they are drawn from; by default what ``manual_seed`` starts.

    Raises:
        ArgumentError: There is no number from ``low`` to before ``high``, or one does not fit.
        DTypeError: The dtype is neither int32 nor uint8.

    Example:
        >>> randint(3, 4, (2,)).tolist()
        [3, 3]
    """
    if isinstance(high, Sequence):
        if shape is not None:
            raise ArgumentError(f"randint: two shapes, {high} and {shape}")
        high, shape = None, high
    first, end = (0, low) if high is None else (low, high)
    first, end = whole_number("randint: low", first), whole_number("randint: high", end)
    target = given_dtype(dtype)
    if target not in (int32, uint8):
        raise DTypeError(f"randint gives int32 or uint8, not {target}")
    limits = np.iinfo(target)
    if not first < end:
        raise ArgumentError(f"randint: no number from {first} to before {end}")
    if first < limits.min or end - 1 > limits.max:
        raise ArgumentError(f"randint: numbers from {first} to {end - 1} do not fit {target}")
    device = Device(device)
    lengths = shape_of("randint", () if shape is None else shape)
    numbers = backend_of(device).random_integers(
        lengths, first, end - first, generator or default_generator
    )
    drawn = Tensor._wrap(numbers, device)
    return drawn if target == int32 else drawn.to(target)


def randperm(n: int, device: DeviceLike = CPU, generator: Generator | None = None) -> Tensor:
    """The int32 numbers from 0 to ``n - 1`` in random order, the same on every device.

    The order of ``n`` random words.

    Raises:
        ArgumentError: ``n`` is negative, or above 2**31 - 1.

    Example:
        >>> sorted(randperm(4).tolist())
        [0, 1, 2, 3]
    """
    n = whole_number("randperm: n", n)
    if not 0 <= n < 2**31:
        raise ArgumentError(f"randperm: n is from 0 to 2**31 - 1, not {n}")
    device = Device(device)
    be = backend_of(device)
    words = be.random_integers((1, n), -(2**31), 2**32, generator or default_generator)
    return Tensor._wrap(be.reshape(be.sort(words)[1], (n,)), device)


def drawn_from(
    name: str, kind: str, shape: ShapeLike, device: DeviceLike, generator: Generator | None
) -> Tensor:
    """Numbers of a kind that the devices draw themselves."""
    device = Device(device)
    numbers = backend_of(device).random(kind, shape_of(name, shape), generator or default_generator)
    return Tensor._wrap(numbers, device)


def _in_dtype(name: str, numbers: Tensor, dtype: npt.DTypeLike) -> Tensor:
    target: DType = given_dtype(dtype)
    if not is_float(target):
        raise DTypeError(f"{name} gives float32 or float16, not {target}")
    return numbers if numbers.dtype == target else numbers.to(target)
