"""Layers whose kernels slide over one or two axes."""

from __future__ import annotations

import math
from typing import ClassVar, Literal, TypeAlias, get_args

from rumus._core.devices import CPU, DeviceLike
from rumus._core.errors import ArgumentError, ShapeError
from rumus._core.shapes import Shape
from rumus.tensor._tensor import Tensor

from ._layer import Layer
from ._lengths import check_lengths
from ._linear import uniform
from ._parameter import Parameter
from .functional._convolution import SAMES, Same, conv1d, conv2d, conv_transpose1d, conv_transpose2d
from .functional._padding import pad
from .functional._windows import Lengths, lengths_of

PaddingMode: TypeAlias = Literal["zeros", "reflect", "replicate", "circular"]


class _Sliding(Layer):
    """What the four have in common: checked options, and weights that start as Linear's do."""

    in_channels: int
    out_channels: int
    groups: int
    kernel_size: Shape
    stride: Shape
    dilation: Shape
    weight: Parameter
    bias: Parameter | None
    axes: ClassVar[int]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Lengths,
        stride: Lengths,
        dilation: Lengths,
        groups: int,
    ) -> None:
        name = type(self).__name__
        check_lengths(name, in_channels=in_channels, out_channels=out_channels, groups=groups)
        if in_channels % groups or out_channels % groups:
            raise ArgumentError(
                f"{name}: in_channels and out_channels are multiples of groups, "
                f"not {in_channels}, {out_channels} and {groups}"
            )
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size = lengths_of(name, "kernel_size", kernel_size, self.axes)
        self.stride = lengths_of(name, "stride", stride, self.axes)
        self.dilation = lengths_of(name, "dilation", dilation, self.axes)

    def _make_parameters(self, shape: Shape, bias: bool, device: DeviceLike) -> None:
        bound = 1.0 / math.sqrt(math.prod(shape[1:]))
        self.weight = Parameter(uniform(shape, bound, device))
        self.bias = Parameter(uniform((self.out_channels,), bound, device)) if bias else None

    def _check(self, x: Tensor) -> None:
        if (
            x.ndim not in (self.axes + 1, self.axes + 2)
            or x.shape[-self.axes - 1] != self.in_channels
        ):
            letters = "L" if self.axes == 1 else "H, W"
            raise ShapeError(
                f"{type(self).__name__} takes x of (N, {self.in_channels}, {letters}) or "
                f"({self.in_channels}, {letters}), not {x.shape}{self._advice(x)}"
            )

    def _advice(self, x: Tensor) -> str:
        """What makes images fit whose channels are last."""
        is_last = x.ndim == self.axes + 2 and x.shape[-1] == self.in_channels
        return "; channels come first: x.movedim(-1, 1)" if is_last else ""

    def _options(self, padding: object, *others: str) -> str:
        parts = [f"{self.in_channels}, {self.out_channels}", f"kernel_size={self.kernel_size}"]
        parts.append(f"stride={self.stride}")
        if padding not in ((0,) * self.axes, "valid"):
            parts.append(f"padding={padding!r}")
        if max(self.dilation) > 1:
            parts.append(f"dilation={self.dilation}")
        if self.groups > 1:
            parts.append(f"groups={self.groups}")
        if self.bias is None:
            parts.append("bias=False")
        return ", ".join([*parts, *others])


class _Convolution(_Sliding):
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Lengths,
        stride: Lengths = 1,
        padding: Lengths | Same = 0,
        dilation: Lengths = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: PaddingMode = "zeros",
        device: DeviceLike = CPU,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, dilation, groups)
        name = type(self).__name__
        if isinstance(padding, str) and padding not in SAMES:
            raise ArgumentError(f"{name}: padding is numbers, 'same' or 'valid', not {padding!r}")
        if padding == "same" and max(self.stride) > 1:
            raise ArgumentError(f"{name}: padding 'same' takes a stride of 1, not {self.stride}")
        modes = get_args(PaddingMode)
        if padding_mode not in modes:
            raise ArgumentError(f"{name}: padding_mode is one of {modes}, not {padding_mode!r}")
        self.padding = (
            padding
            if isinstance(padding, str)
            else lengths_of(name, "padding", padding, self.axes, least=0)
        )
        self.padding_mode = padding_mode
        shape = (out_channels, in_channels // groups, *self.kernel_size)
        self._make_parameters(shape, bias, device)

    def forward(self, x: Tensor) -> Tensor:
        """Slide the kernel.

        Raises:
            ShapeError: x has other channels, or is smaller than the kernel.
            DTypeError: x has another dtype than the weight.
        """
        self._check(x)
        padding: Lengths | Same = self.padding
        if self.padding_mode != "zeros":
            x, padding = pad(x, self._sides(), self.padding_mode), 0
        slide = conv1d if self.axes == 1 else conv2d
        options = self.stride, padding, self.dilation, self.groups
        return slide(x, self.weight, self.bias, *options)

    def _sides(self) -> list[int]:
        """What is padded in front and behind, the last axis first."""
        sides: list[int] = []
        for axis in reversed(range(self.axes)):
            total = self.dilation[axis] * (self.kernel_size[axis] - 1)
            if isinstance(self.padding, str):
                front = total // 2 if self.padding == "same" else 0
                behind = total - front if self.padding == "same" else 0
            else:
                front = behind = self.padding[axis]
            sides += [front, behind]
        return sides

    def extra_repr(self) -> str:
        """The options that are not as usual."""
        mode = f"padding_mode={self.padding_mode!r}"
        return self._options(self.padding, *([mode] if self.padding_mode != "zeros" else []))


class Conv1d(_Convolution):
    """A convolution over one axis; see :func:`rumus.nn.functional.conv1d`.

    Weight and bias start uniform in ``(-b, b)`` with ``b = 1 / sqrt(in_channels / groups * K)``,
    He's uniform rule with a = sqrt(5) (He et al., arXiv:1502.01852).

    Args:
        in_channels: Channels of x.
        out_channels: Channels of the result.
        kernel_size: K, taps of the kernel.
        stride: Steps of the kernel.
        padding: What is put on both ends, ``"same"`` or ``"valid"``.
        dilation: Steps between the taps.
        groups: Parts of the channels that are convolved on their own.
        bias: Whether to add a learned number a channel.
        padding_mode: ``"zeros"``, ``"reflect"``, ``"replicate"`` or ``"circular"``.
        device: Where the parameters start.

    Attributes:
        weight: Of shape (out_channels, in_channels / groups, K).
        bias: Of shape (out_channels,), or None.

    Raises:
        ArgumentError: An option is out of range.

    Example:
        >>> from rumus.tensor import ones
        >>> Conv1d(3, 8, 5, padding=2)(ones(1, 3, 20)).shape
        (1, 8, 20)
    """

    axes = 1


class Conv2d(_Convolution):
    """A convolution over two axes; see :func:`rumus.nn.functional.conv2d`.

    Weight and bias start as in :class:`Conv1d`.

    Args:
        in_channels: Channels of x.
        out_channels: Channels of the result.
        kernel_size: Rows and columns of the kernel, one number or two.
        stride: Steps of the kernel.
        padding: What is put on both ends of an axis, ``"same"`` or ``"valid"``.
        dilation: Steps between the taps.
        groups: Parts of the channels that are convolved on their own; as many as channels make it
            depthwise.
        bias: Whether to add a learned number a channel.
        padding_mode: ``"zeros"``, ``"reflect"``, ``"replicate"`` or ``"circular"``.
        device: Where the parameters start.

    Attributes:
        weight: Of shape (out_channels, in_channels / groups, rows, columns).
        bias: Of shape (out_channels,), or None.

    Raises:
        ArgumentError: An option is out of range.

    Example:
        >>> from rumus.nn import Conv2d
        >>> from rumus.tensor import zeros
        >>> layer = Conv2d(3, 8, 3, stride=2, padding=1)
        >>> layer(zeros((1, 3, 32, 32))).shape
        (1, 8, 16, 16)
        >>> layer
        Conv2d(3, 8, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1))
    """

    axes = 2


class _Transposed(_Sliding):
    padding: Shape
    output_padding: Shape

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Lengths,
        stride: Lengths = 1,
        padding: Lengths = 0,
        output_padding: Lengths = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Lengths = 1,
        device: DeviceLike = CPU,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, dilation, groups)
        name = type(self).__name__
        self.padding = lengths_of(name, "padding", padding, self.axes, least=0)
        self.output_padding = lengths_of(name, "output_padding", output_padding, self.axes, least=0)
        shape = (in_channels, out_channels // groups, *self.kernel_size)
        self._make_parameters(shape, bias, device)

    def forward(self, x: Tensor) -> Tensor:
        """Add up what every element of x gives.

        Raises:
            ShapeError: x has other channels.
            DTypeError: x has another dtype than the weight.
        """
        self._check(x)
        slide = conv_transpose1d if self.axes == 1 else conv_transpose2d
        options = self.stride, self.padding, self.output_padding, self.groups, self.dilation
        return slide(x, self.weight, self.bias, *options)

    def extra_repr(self) -> str:
        """The options that are not as usual."""
        more = f"output_padding={self.output_padding}"
        return self._options(self.padding, *([more] if max(self.output_padding) else []))


class ConvTranspose1d(_Transposed):
    """The adjoint of :class:`Conv1d`; see :func:`rumus.nn.functional.conv_transpose1d`.

    Args:
        in_channels: Channels of x.
        out_channels: Channels of the result.
        kernel_size: K, taps of the kernel.
        stride: Steps of the kernel in the result.
        padding: What is cut off from both ends of the result.
        output_padding: What is added behind.
        groups: Parts of the channels that are convolved on their own.
        bias: Whether to add a learned number a channel.
        dilation: Steps between the taps.
        device: Where the parameters start.

    Attributes:
        weight: Of shape (in_channels, out_channels / groups, K).
        bias: Of shape (out_channels,), or None.

    Raises:
        ArgumentError: An option is out of range.

    Example:
        >>> from rumus.tensor import ones
        >>> ConvTranspose1d(3, 8, 2, stride=2)(ones(1, 3, 10)).shape
        (1, 8, 20)
    """

    axes = 1


class ConvTranspose2d(_Transposed):
    """The adjoint of :class:`Conv2d`; see :func:`rumus.nn.functional.conv_transpose2d`.

    Args:
        in_channels: Channels of x.
        out_channels: Channels of the result.
        kernel_size: Rows and columns of the kernel, one number or two.
        stride: Steps of the kernel in the result.
        padding: What is cut off from both ends of the result.
        output_padding: What is added behind.
        groups: Parts of the channels that are convolved on their own.
        bias: Whether to add a learned number a channel.
        dilation: Steps between the taps.
        device: Where the parameters start.

    Attributes:
        weight: Of shape (in_channels, out_channels / groups, rows, columns).
        bias: Of shape (out_channels,), or None.

    Raises:
        ArgumentError: An option is out of range.

    Example:
        >>> from rumus.tensor import ones
        >>> ConvTranspose2d(3, 8, 2, stride=2)(ones(1, 3, 5, 5)).shape
        (1, 8, 10, 10)
    """

    axes = 2
