"""Layers that change the size of images, and pad them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rumus._core.errors import ArgumentError, ShapeError
from rumus._core.shapes import whole_numbers
from rumus.tensor._padding import PadMode
from rumus.tensor._tensor import Tensor

from ._layer import Layer
from .functional._padding import pad
from .functional._resample import (
    Interpolation,
    fold,
    interpolate,
    pixel_shuffle,
    pixel_unshuffle,
    unfold,
)
from .functional._windows import Lengths


class Upsample(Layer):
    """Lines or planes in another size; see :func:`rumus.nn.functional.interpolate`.

    Args:
        size: Lengths of the result.
        scale_factor: How many times as long each axis becomes; instead of ``size``.
        mode: ``"nearest"``, ``"nearest-exact"``, ``"linear"``, ``"bilinear"`` or ``"area"``.
        align_corners: Whether the corners of source and result meet; for linear modes.

    Example:
        >>> from rumus.tensor import ones
        >>> Upsample(scale_factor=2)(ones(1, 3, 4, 4)).shape
        (1, 3, 8, 8)
    """

    size: Lengths | None
    scale_factor: float | Sequence[float] | None
    align_corners: bool | None

    def __init__(
        self,
        size: Lengths | None = None,
        scale_factor: float | Sequence[float] | None = None,
        mode: Interpolation = "nearest",
        align_corners: bool | None = None,
    ) -> None:
        self.size, self.scale_factor = size, scale_factor
        self.mode, self.align_corners = mode, align_corners

    def forward(self, x: Tensor) -> Tensor:
        """Resample x of (N, C, L) or (N, C, H, W)."""
        return interpolate(x, self.size, self.scale_factor, self.mode, self.align_corners)

    def extra_repr(self) -> str:
        """The size and mode."""
        what = (
            f"size={self.size}"
            if self.scale_factor is None
            else f"scale_factor={self.scale_factor}"
        )
        return f"{what}, mode={self.mode!r}"


class PixelShuffle(Layer):
    """(…, C r², H, W) as (…, C, H r, W r); see :func:`rumus.nn.functional.pixel_shuffle`.

    Args:
        upscale_factor: r.

    Example:
        >>> from rumus.tensor import ones
        >>> PixelShuffle(2)(ones(1, 8, 3, 3)).shape
        (1, 2, 6, 6)
    """

    def __init__(self, upscale_factor: int) -> None:
        self.upscale_factor = upscale_factor

    def forward(self, x: Tensor) -> Tensor:
        """Make pixels of channels."""
        return pixel_shuffle(x, self.upscale_factor)

    def extra_repr(self) -> str:
        """The factor."""
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Layer):
    """(…, C, H r, W r) as (…, C r², H, W); see :func:`rumus.nn.functional.pixel_unshuffle`.

    Args:
        downscale_factor: r.

    Example:
        >>> from rumus.tensor import ones
        >>> PixelUnshuffle(2)(ones(1, 2, 6, 6)).shape
        (1, 8, 3, 3)
    """

    def __init__(self, downscale_factor: int) -> None:
        self.downscale_factor = downscale_factor

    def forward(self, x: Tensor) -> Tensor:
        """Make channels of pixels."""
        return pixel_unshuffle(x, self.downscale_factor)

    def extra_repr(self) -> str:
        """The factor."""
        return f"downscale_factor={self.downscale_factor}"


class Unfold(Layer):
    """The windows of planes as columns; see :func:`rumus.nn.functional.unfold`.

    Args:
        kernel_size: Rows and columns of a window, one number or two.
        dilation: Steps between the places of a window.
        padding: Zeros on both ends of the axes.
        stride: From window to window.

    Example:
        >>> from rumus.tensor import ones
        >>> Unfold(3)(ones(1, 2, 5, 5)).shape
        (1, 18, 9)
    """

    kernel_size: Lengths
    dilation: Lengths
    padding: Lengths
    stride: Lengths

    def __init__(
        self,
        kernel_size: Lengths,
        dilation: Lengths = 1,
        padding: Lengths = 0,
        stride: Lengths = 1,
    ) -> None:
        self.kernel_size, self.dilation = kernel_size, dilation
        self.padding, self.stride = padding, stride

    def forward(self, x: Tensor) -> Tensor:
        """Copy the windows of x, (N, C, H, W)."""
        return unfold(x, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        """The windows."""
        return (
            f"kernel_size={self.kernel_size}, dilation={self.dilation}, padding={self.padding}, "
            f"stride={self.stride}"
        )


class Fold(Unfold):
    """Columns added up to planes; see :func:`rumus.nn.functional.fold`.

    Args:
        output_size: H and W of the planes.
        kernel_size: Rows and columns of a window, one number or two.
        dilation: Steps between the places of a window.
        padding: What is left out on both ends of the axes.
        stride: From window to window.

    Example:
        >>> from rumus.tensor import ones
        >>> Fold((5, 5), 3)(ones(1, 18, 9)).shape
        (1, 2, 5, 5)
    """

    def __init__(
        self,
        output_size: Lengths,
        kernel_size: Lengths,
        dilation: Lengths = 1,
        padding: Lengths = 0,
        stride: Lengths = 1,
    ) -> None:
        super().__init__(kernel_size, dilation, padding, stride)
        self.output_size = output_size

    def forward(self, x: Tensor) -> Tensor:
        """Add up the columns of x, (N, C * taps, windows)."""
        options = self.kernel_size, self.dilation, self.padding, self.stride
        return fold(x, self.output_size, *options)

    def extra_repr(self) -> str:
        """The planes and windows."""
        return f"output_size={self.output_size}, {super().extra_repr()}"


class _Pad(Layer):
    mode: ClassVar[PadMode] = "constant"
    axes: ClassVar[int] = 2
    padding: tuple[int, ...]
    value: float

    def __init__(self, padding: int | Sequence[int], value: float = 0.0) -> None:
        numbers = whole_numbers(type(self).__name__, padding)
        numbers = numbers * (2 * self.axes) if isinstance(padding, int) else numbers
        if len(numbers) != 2 * self.axes:
            raise ArgumentError(
                f"{type(self).__name__}: padding is one number or {2 * self.axes}, (before, after) "
                f"from the last axis on, not {padding!r}"
            )
        self.padding, self.value = numbers, value

    def forward(self, x: Tensor) -> Tensor:
        """Pad the last axes of x."""
        if x.ndim not in (self.axes + 1, self.axes + 2):
            raise ShapeError(
                f"{type(self).__name__} takes {self.axes + 1} or {self.axes + 2} axes, "
                f"not {x.shape}"
            )
        return pad(x, self.padding, self.mode, self.value)

    def extra_repr(self) -> str:
        """The numbers."""
        return f"{self.padding}" + (f", value={self.value}" if self.value else "")


class ConstantPad1d(_Pad):
    """A number around lines.

    Args:
        padding: One number, or (before, after).
        value: The number.

    Example:
        >>> from rumus.tensor import tensor
        >>> ConstantPad1d(1, 9.0)(tensor([[[1.0, 2.0]]])).tolist()
        [[[9.0, 1.0, 2.0, 9.0]]]
    """

    axes: ClassVar[int] = 1


class ConstantPad2d(_Pad):
    """A number around planes.

    Args:
        padding: One number, or (left, right, top, bottom).
        value: The number.

    Example:
        >>> from rumus.tensor import tensor
        >>> ConstantPad2d((1, 0, 0, 0), 9.0)(tensor([[[[1.0, 2.0]]]])).tolist()
        [[[[9.0, 1.0, 2.0]]]]
    """


class _WithoutValue(_Pad):
    def __init__(self, padding: int | Sequence[int]) -> None:
        super().__init__(padding)


class ZeroPad1d(_WithoutValue):
    """Zeros around lines.

    Args:
        padding: One number, or (before, after).

    Example:
        >>> from rumus.tensor import tensor
        >>> ZeroPad1d(1)(tensor([[[1.0, 2.0, 3.0]]])).tolist()
        [[[0.0, 1.0, 2.0, 3.0, 0.0]]]
    """

    axes: ClassVar[int] = 1


class ZeroPad2d(_WithoutValue):
    """Zeros around planes.

    Args:
        padding: One number, or (left, right, top, bottom).

    Example:
        >>> from rumus.tensor import tensor
        >>> ZeroPad2d((1, 1, 0, 0))(tensor([[[[1.0, 2.0, 3.0]]]])).tolist()
        [[[[0.0, 1.0, 2.0, 3.0, 0.0]]]]
    """


class ReflectionPad1d(_WithoutValue):
    """Lines mirrored at their first and last element.

    Args:
        padding: One number, or (before, after).

    Example:
        >>> from rumus.tensor import tensor
        >>> ReflectionPad1d(1)(tensor([[[1.0, 2.0, 3.0]]])).tolist()
        [[[2.0, 1.0, 2.0, 3.0, 2.0]]]
    """

    axes: ClassVar[int] = 1
    mode: ClassVar[PadMode] = "reflect"


class ReflectionPad2d(_WithoutValue):
    """Planes mirrored at their edges.

    Args:
        padding: One number, or (left, right, top, bottom).

    Example:
        >>> from rumus.tensor import tensor
        >>> ReflectionPad2d((1, 1, 0, 0))(tensor([[[[1.0, 2.0, 3.0]]]])).tolist()
        [[[[2.0, 1.0, 2.0, 3.0, 2.0]]]]
    """

    mode: ClassVar[PadMode] = "reflect"


class ReplicationPad1d(_WithoutValue):
    """Lines with their first and last element repeated.

    Args:
        padding: One number, or (before, after).

    Example:
        >>> from rumus.tensor import tensor
        >>> ReplicationPad1d(1)(tensor([[[1.0, 2.0, 3.0]]])).tolist()
        [[[1.0, 1.0, 2.0, 3.0, 3.0]]]
    """

    axes: ClassVar[int] = 1
    mode: ClassVar[PadMode] = "replicate"


class ReplicationPad2d(_WithoutValue):
    """Planes with their edges repeated.

    Args:
        padding: One number, or (left, right, top, bottom).

    Example:
        >>> from rumus.tensor import tensor
        >>> ReplicationPad2d((1, 1, 0, 0))(tensor([[[[1.0, 2.0, 3.0]]]])).tolist()
        [[[[1.0, 1.0, 2.0, 3.0, 3.0]]]]
    """

    mode: ClassVar[PadMode] = "replicate"


class CircularPad1d(_WithoutValue):
    """Lines that go on from their other end.

    Args:
        padding: One number, or (before, after).

    Example:
        >>> from rumus.tensor import tensor
        >>> CircularPad1d(1)(tensor([[[1.0, 2.0, 3.0]]])).tolist()
        [[[3.0, 1.0, 2.0, 3.0, 1.0]]]
    """

    axes: ClassVar[int] = 1
    mode: ClassVar[PadMode] = "circular"


class CircularPad2d(_WithoutValue):
    """Planes that go on from their other edge.

    Args:
        padding: One number, or (left, right, top, bottom).

    Example:
        >>> from rumus.tensor import tensor
        >>> CircularPad2d((1, 1, 0, 0))(tensor([[[[1.0, 2.0, 3.0]]]])).tolist()
        [[[[3.0, 1.0, 2.0, 3.0, 1.0]]]]
    """

    mode: ClassVar[PadMode] = "circular"
