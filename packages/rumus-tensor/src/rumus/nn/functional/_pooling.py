"""Pooling of planes and lines by windows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, overload

from rumus._backends.contract.pooling import Windows
from rumus._core.dtypes import is_float
from rumus._core.errors import ArgumentError, DTypeError, ShapeError
from rumus._core.shapes import Shape
from rumus.tensor._ops.pooling import AvgPool, MaxPool
from rumus.tensor._tensor import Tensor

from ._loss_checks import check_tensors
from ._windows import Lengths, lengths_of, two

Sizes = int | None | Sequence[int | None]
"""Lengths of a result; None is the input's."""
Indexed = Any
"""A tensor, or with ``return_indices`` a pair of them."""


@overload
def max_pool1d(
    x: Tensor,
    kernel_size: Lengths,
    stride: Lengths | None = None,
    padding: Lengths = 0,
    dilation: Lengths = 1,
    ceil_mode: bool = False,
    return_indices: Literal[False] = False,
) -> Tensor: ...


@overload
def max_pool1d(
    x: Tensor,
    kernel_size: Lengths,
    stride: Lengths | None = None,
    padding: Lengths = 0,
    dilation: Lengths = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Indexed: ...


def max_pool1d(
    x: Tensor,
    kernel_size: Lengths,
    stride: Lengths | None = None,
    padding: Lengths = 0,
    dilation: Lengths = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Indexed:
    """The largest of each window over the last axis; arguments as in :func:`max_pool2d`.

    Raises:
        ShapeError: x is not (N, C, L) or (C, L), or too small.
        DTypeError: x is of no floats.
        ArgumentError: An option is out of range.

    Example:
        >>> from rumus.tensor import tensor
        >>> max_pool1d(tensor([[[1.0, 3.0, 2.0, 4.0]]]), 2).tolist()
        [[[3.0, 4.0]]]
    """
    options = kernel_size, stride, padding, dilation, ceil_mode
    return _max("max_pool1d", x, 1, _windows("max_pool1d", x, 1, *options), return_indices)


@overload
def max_pool2d(
    x: Tensor,
    kernel_size: Lengths,
    stride: Lengths | None = None,
    padding: Lengths = 0,
    dilation: Lengths = 1,
    ceil_mode: bool = False,
    return_indices: Literal[False] = False,
) -> Tensor: ...


@overload
def max_pool2d(
    x: Tensor,
    kernel_size: Lengths,
    stride: Lengths | None = None,
    padding: Lengths = 0,
    dilation: Lengths = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Indexed: ...


def max_pool2d(
    x: Tensor,
    kernel_size: Lengths,
    stride: Lengths | None = None,
    padding: Lengths = 0,
    dilation: Lengths = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Indexed:
    """The largest of each window over the last two axes; NaN wins.

    Args:
        x: Of shape (N, C, H, W), or (C, H, W) without a batch.
        kernel_size: Rows and columns of a window, one number or two.
        stride: From window to window; by default the windows touch.
        padding: Places outside of x that windows may begin and end at, at most half a window. They
            count nothing.
        dilation: Steps between the places of a window.
        ceil_mode: Whether a last window that reaches past the end counts, too.
        return_indices: Whether to give the places of the largest as well.

    Returns:
        Of shape (N, C, H', W') with
        ``H' = floor((H + 2 padding - dilation (rows - 1) - 1) / stride) + 1``, W' likewise; with
        ``return_indices`` a pair of it and int32 ``row * W + column`` of that shape.

    Raises:
        ShapeError: x has another number of axes, or is smaller than a window.
        DTypeError: x is of no floats.
        ArgumentError: An option is out of range.

    Example:
        >>> from rumus.nn import functional as F
        >>> from rumus.tensor import arange
        >>> F.max_pool2d(arange(16.0).reshape((1, 4, 4)), 2).tolist()
        [[[5.0, 7.0], [13.0, 15.0]]]
    """
    options = kernel_size, stride, padding, dilation, ceil_mode
    return _max("max_pool2d", x, 2, _windows("max_pool2d", x, 2, *options), return_indices)


def avg_pool1d(
    x: Tensor,
    kernel_size: Lengths,
    stride: Lengths | None = None,
    padding: Lengths = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """The mean of each window over the last axis; arguments as in :func:`avg_pool2d`.

    Raises:
        ShapeError: x is not (N, C, L) or (C, L), or too small.
        DTypeError: x is of no floats.
        ArgumentError: An option is out of range.

    Example:
        >>> from rumus.tensor import tensor
        >>> avg_pool1d(tensor([[[1.0, 3.0, 2.0, 4.0]]]), 2).tolist()
        [[[2.0, 3.0]]]
    """
    windows = _windows("avg_pool1d", x, 1, kernel_size, stride, padding, 1, ceil_mode)
    return _batched(x, 1, AvgPool(windows._replace(include_padding=count_include_pad)))


def avg_pool2d(
    x: Tensor,
    kernel_size: Lengths,
    stride: Lengths | None = None,
    padding: Lengths = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window over the last two axes.

    Args:
        x: Of shape (N, C, H, W), or (C, H, W) without a batch.
        kernel_size: Rows and columns of a window, one number or two.
        stride: From window to window; by default the windows touch.
        padding: Zeros on both ends of the axes, at most half a window.
        ceil_mode: Whether a last window that reaches past the end counts, too.
        count_include_pad: Whether the zeros of the padding are counted.
        divisor_override: What sums are divided by instead of the count.

    Returns:
        Of a shape as in :func:`max_pool2d`.

    Raises:
        ShapeError: x has another number of axes, or is smaller than a window.
        DTypeError: x is of no floats.
        ArgumentError: An option is out of range.

    Example:
        >>> from rumus.tensor import ones
        >>> avg_pool2d(ones(1, 3, 8, 8), 2).shape
        (1, 3, 4, 4)
    """
    if divisor_override is not None and divisor_override == 0:
        raise ArgumentError("avg_pool2d: divisor_override is not 0")
    windows = _windows("avg_pool2d", x, 2, kernel_size, stride, padding, 1, ceil_mode)
    windows = windows._replace(include_padding=count_include_pad, divisor=divisor_override or 0)
    return _batched(x, 2, AvgPool(windows))


def adaptive_avg_pool1d(x: Tensor, output_size: Sizes) -> Tensor:
    """The means of as many windows as wanted over the last axis; see :func:`adaptive_avg_pool2d`.

    Raises:
        ShapeError: x is not (N, C, L) or (C, L), or empty.
        DTypeError: x is of no floats.
        ArgumentError: The size is not positive.

    Example:
        >>> from rumus.tensor import tensor
        >>> adaptive_avg_pool1d(tensor([[[1.0, 3.0, 2.0, 4.0]]]), 2).tolist()
        [[[2.0, 3.0]]]
    """
    return _adaptive_mean("adaptive_avg_pool1d", x, 1, output_size)


def adaptive_avg_pool2d(x: Tensor, output_size: Sizes) -> Tensor:
    """The means of as many windows as wanted over the last two axes.

    Window o of n over a length L reaches from ``floor(o L / n)`` to ``ceil((o + 1) L / n)``.

    Args:
        x: Of shape (N, C, H, W), or (C, H, W) without a batch.
        output_size: Rows and columns of the result, one number or two; None is as many as x has.

    Raises:
        ShapeError: x has another number of axes, or is empty.
        DTypeError: x is of no floats.
        ArgumentError: A size is not positive.

    Example:
        >>> from rumus.nn import functional as F
        >>> from rumus.tensor import arange
        >>> F.adaptive_avg_pool2d(arange(6.0).reshape((1, 2, 3)), 1).tolist()
        [[[2.5]]]
    """
    return _adaptive_mean("adaptive_avg_pool2d", x, 2, output_size)


@overload
def adaptive_max_pool1d(
    x: Tensor, output_size: Sizes, return_indices: Literal[False] = False
) -> Tensor: ...


@overload
def adaptive_max_pool1d(x: Tensor, output_size: Sizes, return_indices: bool = False) -> Indexed: ...


def adaptive_max_pool1d(x: Tensor, output_size: Sizes, return_indices: bool = False) -> Indexed:
    """The largest of as many windows as wanted over the last axis; see :func:`adaptive_max_pool2d`.

    Raises:
        ShapeError: x is not (N, C, L) or (C, L), or empty.
        DTypeError: x is of no floats.
        ArgumentError: The size is not positive.

    Example:
        >>> from rumus.tensor import tensor
        >>> adaptive_max_pool1d(tensor([[[1.0, 3.0, 2.0, 4.0]]]), 2).tolist()
        [[[3.0, 4.0]]]
    """
    name = "adaptive_max_pool1d"
    return _max(name, x, 1, _adaptive(name, x, 1, output_size), return_indices)


@overload
def adaptive_max_pool2d(
    x: Tensor, output_size: Sizes, return_indices: Literal[False] = False
) -> Tensor: ...


@overload
def adaptive_max_pool2d(x: Tensor, output_size: Sizes, return_indices: bool = False) -> Indexed: ...


def adaptive_max_pool2d(x: Tensor, output_size: Sizes, return_indices: bool = False) -> Indexed:
    """The largest of as many windows as wanted over the last two axes.

    The windows are those of :func:`adaptive_avg_pool2d`.

    Args:
        x: Of shape (N, C, H, W), or (C, H, W) without a batch.
        output_size: Rows and columns of the result, one number or two; None is as many as x has.
        return_indices: Whether to give the places of the largest as well, as in :func:`max_pool2d`.

    Raises:
        ShapeError: x has another number of axes, or is empty.
        DTypeError: x is of no floats.
        ArgumentError: A size is not positive.

    Example:
        >>> from rumus.tensor import ones
        >>> adaptive_max_pool2d(ones(1, 3, 9, 7), (2, 2)).shape
        (1, 3, 2, 2)
    """
    name = "adaptive_max_pool2d"
    return _max(name, x, 2, _adaptive(name, x, 2, output_size), return_indices)


def _max(name: str, x: Tensor, axes: int, windows: Windows, return_indices: bool) -> Indexed:
    pool = MaxPool(windows)
    y = _batched(x, axes, pool)
    if not return_indices:
        return y
    places = Tensor._wrap(pool.places, y.device).contiguous()
    return y, places.reshape(y.shape)


def _adaptive_mean(name: str, x: Tensor, axes: int, output_size: Sizes) -> Tensor:
    windows = _adaptive(name, x, axes, output_size)
    if windows.size == (1, 1):
        return x.mean(tuple(range(-axes, 0)), keepdims=True)
    return _batched(x, axes, AvgPool(windows))


def _batched(x: Tensor, axes: int, pool: MaxPool | AvgPool) -> Tensor:
    y: Tensor = pool(x if x.ndim == axes + 2 else x.unsqueeze(0))
    return y if x.ndim == axes + 2 else y.reshape(y.shape[1:])


def _windows(
    name: str,
    x: Tensor,
    axes: int,
    kernel_size: Lengths,
    stride: Lengths | None,
    padding: Lengths,
    dilation: Lengths,
    ceil_mode: bool,
) -> Windows:
    _check(name, x, axes)
    kernel = lengths_of(name, "kernel_size", kernel_size, axes)
    steps = kernel if stride is None else lengths_of(name, "stride", stride, axes)
    zeros = lengths_of(name, "padding", padding, axes, least=0)
    spread = lengths_of(name, "dilation", dilation, axes)
    if any(p > k // 2 for p, k in zip(zeros, kernel, strict=True)):
        raise ArgumentError(f"{name}: padding {zeros} is at most half of kernel_size {kernel}")
    size = []
    for n, k, s, p, d in zip(x.shape[-axes:], kernel, steps, zeros, spread, strict=True):
        left = n + 2 * p - d * (k - 1) - 1
        count = left // s + 1
        if ceil_mode:
            count = -(-left // s) + 1
            count -= (count - 1) * s >= n + p  # the last window begins inside
        if (left < 0 and not (ceil_mode and count > 0)) or count < 1:
            raise ShapeError(
                f"{name}: a window of {kernel} with dilation {spread} is larger than the padded "
                f"input: x {x.shape}, padding {zeros}; each length of the result is "
                "floor((length + 2 * padding - dilation * (kernel_size - 1) - 1) / stride) + 1, "
                "at least 1"
            )
        size.append(count)
    return Windows(two(size, 1), two(kernel, 1), two(steps, 1), two(zeros, 0), two(spread, 1))


def _adaptive(name: str, x: Tensor, axes: int, output_size: Sizes) -> Windows:
    _check(name, x, axes)
    lengths = x.shape[-axes:]
    given = (output_size,) * axes if output_size is None else output_size
    sizes = (given,) * axes if isinstance(given, int) else tuple(given)
    if len(sizes) != axes:
        raise ArgumentError(f"{name}: output_size is one number or {axes}, not {output_size!r}")
    wanted = [n if size is None else size for n, size in zip(lengths, sizes, strict=True)]
    size: Shape = lengths_of(name, "output_size", wanted, axes)
    if not min(lengths):
        raise ShapeError(f"{name}: x {x.shape} has nothing to pool")
    return Windows(two(size, 1), adaptive=True)


def _check(name: str, x: Tensor, axes: int) -> None:
    check_tensors(name, x)
    letters = "L" if axes == 1 else "H, W"
    if x.ndim not in (axes + 1, axes + 2):
        raise ShapeError(f"{name} takes x of (N, C, {letters}) or (C, {letters}), not {x.shape}")
    if not is_float(x.dtype):
        raise DTypeError(f"{name} takes floats, not {x.dtype}; convert with .to(float32)")
