"""Values that do not depend on the number of inputs and outputs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from rumus._backends.generator import Generator, default_generator
from rumus._backends.registry import backend_of
from rumus._core.devices import CPU
from rumus._core.errors import ArgumentError, ShapeError
from rumus._core.mode import no_grad
from rumus.tensor._tensor import Tensor

Array = npt.NDArray[Any]


def uniform_(
    tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator = default_generator
) -> Tensor:
    """Numbers that are uniform in [a, b).

    Args:
        tensor: What is written to.
        a: The lower bound.
        b: The upper bound.
        generator: What the numbers are drawn from.

    Example:
        >>> from rumus.tensor import manual_seed, zeros
        >>> manual_seed(0)
        >>> bool((uniform_(zeros(3), 2.0, 3.0) >= 2.0).all())
        True
    """
    return written(tensor, drawn("uniform", tensor.shape, generator) * (b - a) + a)


def normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator = default_generator
) -> Tensor:
    """Numbers of a normal distribution.

    Args:
        tensor: What is written to.
        mean: Of the distribution.
        std: Its standard deviation.
        generator: What the numbers are drawn from.

    Example:
        >>> from rumus.tensor import zeros
        >>> normal_(zeros(1000), std=0.1).std().item() < 0.2
        True
    """
    return written(tensor, drawn("normal", tensor.shape, generator) * std + mean)


def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator = default_generator,
) -> Tensor:
    """Numbers of a normal distribution within [a, b], by the inverse of its distribution function.

    Args:
        tensor: What is written to.
        mean: Of the distribution, before it is cut off.
        std: Its standard deviation, before it is cut off.
        a: The lower bound.
        b: The upper bound.
        generator: What the numbers are drawn from.

    Raises:
        ArgumentError: The bounds leave nothing.

    Example:
        >>> from rumus.tensor import zeros
        >>> bool((trunc_normal_(zeros(1000)).abs() <= 2.0).all())
        True
    """
    low, high = _below((a - mean) / std), _below((b - mean) / std)
    if not low < high:
        raise ArgumentError(f"trunc_normal_: nothing of the distribution is between {a} and {b}")
    part = drawn("uniform", tensor.shape, generator) * (high - low) + low
    return written(tensor, np.clip(_quantile(part) * std + mean, a, b))


def constant_(tensor: Tensor, val: float) -> Tensor:
    """One number everywhere.

    Example:
        >>> from rumus.tensor import zeros
        >>> constant_(zeros(2), 3.0).tolist()
        [3.0, 3.0]
    """
    with no_grad():
        return tensor.fill_(val)


def zeros_(tensor: Tensor) -> Tensor:
    """Zeros.

    Example:
        >>> from rumus.tensor import zeros
        >>> zeros_(zeros(2)).tolist()
        [0.0, 0.0]
    """
    return constant_(tensor, 0)


def ones_(tensor: Tensor) -> Tensor:
    """Ones.

    Example:
        >>> from rumus.tensor import zeros
        >>> ones_(zeros(2)).tolist()
        [1.0, 1.0]
    """
    return constant_(tensor, 1)


def eye_(tensor: Tensor) -> Tensor:
    """Ones on the diagonal of a matrix, zeros elsewhere.

    Raises:
        ShapeError: The tensor has not two axes.

    Example:
        >>> from rumus.tensor import zeros
        >>> eye_(zeros(2, 2)).tolist()
        [[1.0, 0.0], [0.0, 1.0]]
    """
    if tensor.ndim != 2:
        raise ShapeError(f"eye_ takes a matrix, not shape {tensor.shape}")
    return written(tensor, np.eye(tensor.shape[0], tensor.shape[1]))


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """Weights of a convolution that passes its channels on as they are.

    Args:
        tensor: Of shape (outputs, inputs, …), with one to three axes more.
        groups: Of the convolution; each passes on its own channels.

    Raises:
        ShapeError: The tensor has another number of axes.
        ArgumentError: The outputs cannot be divided into so many groups.

    Example:
        >>> from rumus.tensor import zeros
        >>> dirac_(zeros(2, 2, 3)).tolist()
        [[[0.0, 1.0, 0.0], [0.0, 0.0, 0.0]], [[0.0, 0.0, 0.0], [0.0, 1.0, 0.0]]]
    """
    if tensor.ndim not in (3, 4, 5):
        raise ShapeError(f"dirac_ takes weights of 3, 4 or 5 axes, not shape {tensor.shape}")
    if groups < 1 or tensor.shape[0] % groups:
        raise ArgumentError(
            f"dirac_: {tensor.shape[0]} outputs cannot be divided into {groups} groups"
        )
    values = np.zeros(tensor.shape)
    each = tensor.shape[0] // groups
    passed = np.arange(min(each, tensor.shape[1]))
    middle: list[Any] = [n // 2 for n in tensor.shape[2:]]
    for group in range(groups):
        values[(group * each + passed, passed, *middle)] = 1
    return written(tensor, values)


def orthogonal_(
    tensor: Tensor, gain: float = 1.0, generator: Generator = default_generator
) -> Tensor:
    """Rows, or columns if there are fewer, of length ``gain`` that are orthogonal to each other.

    Saxe, McClelland and Ganguli, arXiv:1312.6120. Axes after the second are joined with it.

    Args:
        tensor: What is written to, of two axes or more.
        gain: The factor.
        generator: What the numbers are drawn from.

    Raises:
        ShapeError: The tensor has fewer than two axes.

    Example:
        >>> from rumus.tensor import zeros
        >>> rows = orthogonal_(zeros((2, 3)), gain=2.0)
        >>> [[round(x, 3) + 0.0 for x in row] for row in (rows @ rows.T).tolist()]
        [[4.0, 0.0], [0.0, 4.0]]
    """
    if tensor.ndim < 2:
        raise ShapeError(f"orthogonal_ takes two axes or more, not shape {tensor.shape}")
    if not tensor.size:
        return tensor
    rows, columns = tensor.shape[0], tensor.size // tensor.shape[0]
    flat = drawn("normal", (rows, columns), generator)
    q, r = np.linalg.qr(flat if rows >= columns else flat.T)
    q *= np.sign(np.diag(r))
    q = q if rows >= columns else q.T
    return written(tensor, gain * q.reshape(tensor.shape))


def drawn(kind: str, shape: tuple[int, ...], generator: Generator) -> Array:
    """Numbers of :meth:`Backend.random`, in float64, the same for every device."""
    return np.asarray(backend_of(CPU).random(kind, shape, generator), np.float64)


def written(tensor: Tensor, values: Array) -> Tensor:
    """Write values of the tensor's shape into it, and give it back."""
    with no_grad():
        tensor.copy_(Tensor(np.asarray(values, np.float32)))
    return tensor


def _below(z: float) -> float:
    """The part of a normal distribution below z."""
    return math.erfc(-z / math.sqrt(2)) / 2


def _quantile(part: Array) -> Array:
    """The number that a part of a normal distribution is below.

    Acklam's rational approximation (2003), right to 1.2e-9 of the number.
    """
    a = (-3.969683028665376e01, 2.209460984245205e02, -2.759285104469687e02,
         1.383577518672690e02, -3.066479806614716e01, 2.506628277459239e00)  # fmt: skip
    b = (-5.447609879822406e01, 1.615858368580409e02, -1.556989798598866e02,
         6.680131188771972e01, -1.328068155288572e01, 1.0)  # fmt: skip
    c = (-7.784894002430293e-03, -3.223964580411365e-01, -2.400758277161838e00,
         -2.549732539343734e00, 4.374664141464968e00, 2.938163982698783e00)  # fmt: skip
    d = (7.784695709041462e-03, 3.224671290700398e-01, 2.445134137142996e00,
         3.754408661907416e00, 1.0)  # fmt: skip
    tail = np.minimum(part, 1 - part)
    with np.errstate(all="ignore"):
        q = np.sqrt(-2 * np.log(tail))
        far = np.polyval(c, q) / np.polyval(d, q)
        middle = part - 0.5
        square = middle * middle
        near = middle * np.polyval(a, square) / np.polyval(b, square)
    return np.asarray(np.where(tail < 0.02425, np.where(middle < 0, far, -far), near))
