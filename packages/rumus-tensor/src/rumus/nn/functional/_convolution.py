"""Convolutions and transposed convolutions."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

from rumus._backends.contract.convolution import Slide
from rumus._core.dtypes import is_float
from rumus._core.errors import ArgumentError, DTypeError, ShapeError
from rumus._core.shapes import Shape
from rumus.tensor._ops.convolution import Convolution, ConvolutionInput
from rumus.tensor._tensor import Tensor

from ._loss_checks import check_tensors
from ._windows import Lengths, lengths_of, two

Same: TypeAlias = Literal["same", "valid"]
SAMES = get_args(Same)


def conv1d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Lengths = 1,
    padding: Lengths | Same = 0,
    dilation: Lengths = 1,
    groups: int = 1,
) -> Tensor:
    """Slide a kernel over one axis; arguments as in :func:`conv2d`.

    Args:
        x: Of shape (N, C, L), or (C, L) without a batch.
        weight: Of shape (out channels, C / groups, K).
        bias: Of shape (out channels,).
        stride: Steps of the kernel.
        padding: Zeros on both sides, ``"same"`` or ``"valid"``.
        dilation: Steps between the kernel's taps.
        groups: Parts of the channels that are convolved on their own.

    Returns:
        Of shape (N, out channels, floor((L + 2 padding - dilation (K - 1) - 1) / stride) + 1).

    Raises:
        ShapeError: The shapes do not fit, or the kernel is larger than the padded input.
        DTypeError: The dtypes are no floats, or differ.
        ArgumentError: An option is out of range.

    Example:
        >>> from rumus.tensor import tensor
        >>> conv1d(tensor([[[1.0, 2.0, 3.0]]]), tensor([[[1.0, 1.0]]])).tolist()
        [[[3.0, 5.0]]]
    """
    return _convolved("conv1d", 1, x, weight, bias, stride, padding, dilation, groups)


def conv2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Lengths = 1,
    padding: Lengths | Same = 0,
    dilation: Lengths = 1,
    groups: int = 1,
) -> Tensor:
    """Slide a kernel over two axes (in fact a cross-correlation, as everywhere in this field).

    Args:
        x: Of shape (N, C, H, W), or (C, H, W) without a batch.
        weight: Of shape (out channels, C / groups, rows, columns).
        bias: Of shape (out channels,).
        stride: Steps of the kernel, one number or one an axis.
        padding: Zeros on both sides, one number or one an axis; ``"same"`` for a result as large
            as x (with a stride of 1; where the zeros are odd in number, one more comes behind),
            ``"valid"`` for none.
        dilation: Steps between the kernel's taps.
        groups: Parts of the channels that are convolved on their own.

    Returns:
        Of shape (N, out channels, H', W') with
        ``H' = floor((H + 2 padding - dilation (rows - 1) - 1) / stride) + 1``, W' likewise.

    Raises:
        ShapeError: The shapes do not fit, or the kernel is larger than the padded input.
        DTypeError: The dtypes are no floats, or differ.
        ArgumentError: An option is out of range.

    Example:
        >>> from rumus.nn import functional as F
        >>> from rumus.tensor import ones
        >>> F.conv2d(ones((1, 1, 3, 3)), ones((1, 1, 2, 2))).tolist()
        [[[[4.0, 4.0], [4.0, 4.0]]]]
    """
    return _convolved("conv2d", 2, x, weight, bias, stride, padding, dilation, groups)


def conv_transpose1d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Lengths = 1,
    padding: Lengths = 0,
    output_padding: Lengths = 0,
    groups: int = 1,
    dilation: Lengths = 1,
) -> Tensor:
    """The adjoint of :func:`conv1d`; arguments as in :func:`conv_transpose2d`.

    Args:
        x: Of shape (N, C, L), or (C, L) without a batch.
        weight: Of shape (C, out channels / groups, K).
        bias: Of shape (out channels,).
        stride: Steps of the kernel in the result.
        padding: What is cut off from both ends of the result.
        output_padding: What is added behind.
        groups: Parts of the channels that are convolved on their own.
        dilation: Steps between the kernel's taps.

    Raises:
        ShapeError: The shapes do not fit, or nothing is left of the result.
        DTypeError: The dtypes are no floats, or differ.
        ArgumentError: An option is out of range.

    Example:
        >>> from rumus.tensor import tensor
        >>> conv_transpose1d(tensor([[[1.0, 2.0]]]), tensor([[[1.0, 1.0]]])).tolist()
        [[[1.0, 3.0, 2.0]]]
    """
    options = stride, padding, output_padding, groups, dilation
    return _transposed("conv_transpose1d", 1, x, weight, bias, *options)


def conv_transpose2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Lengths = 1,
    padding: Lengths = 0,
    output_padding: Lengths = 0,
    groups: int = 1,
    dilation: Lengths = 1,
) -> Tensor:
    """The adjoint of :func:`conv2d`: what goes from its result back to its input.

    Args:
        x: Of shape (N, C, H, W), or (C, H, W) without a batch.
        weight: Of shape (C, out channels / groups, rows, columns).
        bias: Of shape (out channels,).
        stride: Steps of the kernel in the result, one number or one an axis.
        padding: What is cut off from both ends of the result.
        output_padding: What is added behind, for with a stride several sizes have one result;
            smaller than stride or dilation.
        groups: Parts of the channels that are convolved on their own.
        dilation: Steps between the kernel's taps.

    Returns:
        Of shape (N, out channels, H', W') with
        ``H' = (H - 1) stride - 2 padding + dilation (rows - 1) + output_padding + 1``, W' likewise.

    Raises:
        ShapeError: The shapes do not fit, or nothing is left of the result.
        DTypeError: The dtypes are no floats, or differ.
        ArgumentError: An option is out of range.

    Example:
        >>> from rumus.tensor import ones
        >>> conv_transpose2d(ones(1, 3, 5, 5), ones(3, 8, 2, 2), stride=2).shape
        (1, 8, 10, 10)
    """
    options = stride, padding, output_padding, groups, dilation
    return _transposed("conv_transpose2d", 2, x, weight, bias, *options)


def _convolved(
    name: str,
    axes: int,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Lengths,
    padding: Lengths | Same,
    dilation: Lengths,
    groups: int,
) -> Tensor:
    steps = lengths_of(name, "stride", stride, axes)
    spread = lengths_of(name, "dilation", dilation, axes)
    _check_operands(name, axes, x, weight, bias, groups)
    out, channels, *kernel = weight.shape
    batch = x.ndim == axes + 2
    if x.shape[-axes - 1] != channels * groups or out % groups:
        raise ShapeError(
            f"{name}: x {x.shape} has {x.shape[-axes - 1]} channels, and weight {weight.shape} "
            f"with groups={groups} takes {groups} x {channels}, and gives {out}, a multiple "
            "of groups"
        )
    _check_bias(name, bias, out)
    size: list[int] = []
    before: list[int] = []
    zeros = _zeros(name, padding, steps, spread, kernel)
    for n, k, d, s, (front, behind) in zip(
        x.shape[-axes:], kernel, spread, steps, zeros, strict=True
    ):
        length = (n + front + behind - d * (k - 1) - 1) // s + 1
        if n + front + behind < d * (k - 1) + 1:
            raise ShapeError(
                f"{name}: the kernel {tuple(kernel)} with dilation {spread} is larger than the "
                f"padded input: x {x.shape}, padding {padding}; each length of the result is "
                "floor((length + padding - dilation * (kernel - 1) - 1) / stride) + 1, at least 1"
            )
        size.append(length)
        before.append(front)
    slide = _slide(steps, before, spread, groups)
    inputs = (x if batch else x.unsqueeze(0), weight) + (() if bias is None else (bias,))
    y: Tensor = Convolution(slide, two(size, 1))(*inputs)
    return y if batch else y.reshape(y.shape[1:])


def _transposed(
    name: str,
    axes: int,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Lengths,
    padding: Lengths,
    output_padding: Lengths,
    groups: int,
    dilation: Lengths,
) -> Tensor:
    steps = lengths_of(name, "stride", stride, axes)
    spread = lengths_of(name, "dilation", dilation, axes)
    cut = lengths_of(name, "padding", padding, axes, least=0)
    more = lengths_of(name, "output_padding", output_padding, axes, least=0)
    _check_operands(name, axes, x, weight, bias, groups)
    channels, out, *kernel = weight.shape
    batch = x.ndim == axes + 2
    if x.shape[-axes - 1] != channels or channels % groups:
        raise ShapeError(
            f"{name}: x {x.shape} has {x.shape[-axes - 1]} channels, and weight {weight.shape} "
            f"with groups={groups} takes {channels}, a multiple of groups, and gives "
            f"{groups} x {out}"
        )
    _check_bias(name, bias, out * groups)
    if any(m >= max(s, d) for m, s, d in zip(more, steps, spread, strict=True)):
        raise ArgumentError(
            f"{name}: output_padding {more} must be smaller than stride {steps} or "
            f"dilation {spread}"
        )
    size = [
        (n - 1) * s - 2 * p + d * (k - 1) + m + 1
        for n, s, p, d, k, m in zip(x.shape[-axes:], steps, cut, spread, kernel, more, strict=True)
    ]
    if min(size) < 1:
        raise ShapeError(
            f"{name}: x {x.shape} and kernel {tuple(kernel)} give a result of {tuple(size)}: each "
            "length is (length - 1) * stride - 2 * padding + dilation * (kernel - 1) + "
            "output_padding + 1, and at least 1"
        )
    slide = _slide(steps, cut, spread, groups)
    inputs = (x if batch else x.unsqueeze(0), weight) + (() if bias is None else (bias,))
    y: Tensor = ConvolutionInput(slide, two(size, 1))(*inputs)
    return y if batch else y.reshape(y.shape[1:])


def _check_operands(
    name: str, axes: int, x: Tensor, weight: Tensor, bias: Tensor | None, groups: int
) -> None:
    check_tensors(name, x, weight, bias)
    if isinstance(groups, bool) or not isinstance(groups, int) or groups < 1:
        raise ArgumentError(f"{name}: groups is a whole number from 1, not {groups!r}")
    letters = "L" if axes == 1 else "H, W"
    if x.ndim not in (axes + 1, axes + 2):
        raise ShapeError(f"{name} takes x of (N, C, {letters}) or (C, {letters}), not {x.shape}")
    if weight.ndim != axes + 2 or not min(weight.shape):
        raise ShapeError(
            f"{name} takes a weight of {axes + 2} axes, none of them empty, not {weight.shape}"
        )
    if not is_float(x.dtype):
        raise DTypeError(f"{name} takes floats, not {x.dtype}; convert with .to(float32)")
    for what, given in (("weight", weight), ("bias", bias)):
        if given is not None and given.dtype != x.dtype:
            raise DTypeError(
                f"{name}: x is {x.dtype}, the {what} {given.dtype}; convert one with .to(dtype)"
            )


def _check_bias(name: str, bias: Tensor | None, channels: int) -> None:
    if bias is not None and bias.shape != (channels,):
        raise ShapeError(f"{name}: the bias has shape {bias.shape}, not ({channels},)")


def _zeros(
    name: str, padding: Lengths | Same, steps: Shape, spread: Shape, kernel: list[int]
) -> list[tuple[int, int]]:
    """The zeros in front and behind, of each axis."""
    if isinstance(padding, str):
        if padding not in SAMES:
            raise ArgumentError(f"{name}: padding is numbers, 'same' or 'valid', not {padding!r}")
        if padding == "valid":
            return [(0, 0)] * len(kernel)
        if max(steps) > 1:
            raise ArgumentError(f"{name}: padding 'same' takes a stride of 1, not {steps}")
        totals = [d * (k - 1) for d, k in zip(spread, kernel, strict=True)]
        return [(total // 2, total - total // 2) for total in totals]
    return [(p, p) for p in lengths_of(name, "padding", padding, len(kernel), least=0)]


def _slide(steps: Shape, padding: list[int] | Shape, spread: Shape, groups: int) -> Slide:
    return Slide(two(steps, 1), two(padding, 0), two(spread, 1), groups)
