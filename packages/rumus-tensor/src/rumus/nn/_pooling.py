"""Pooling layers."""

from __future__ import annotations

from typing import Any

from rumus.tensor._tensor import Tensor

from ._layer import Layer
from .functional import _pooling as pooling
from .functional._pooling import Sizes
from .functional._windows import Lengths


class _MaxPool(Layer):
    stride: Lengths
    padding: Lengths
    dilation: Lengths
    return_indices: bool
    ceil_mode: bool

    def __init__(
        self,
        kernel_size: Lengths,
        stride: Lengths | None = None,
        padding: Lengths = 0,
        dilation: Lengths = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding, self.dilation = padding, dilation
        self.return_indices, self.ceil_mode = return_indices, ceil_mode

    def _options(self) -> tuple[Any, ...]:
        return (
            self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode,
            self.return_indices,
        )  # fmt: skip

    def extra_repr(self) -> str:
        """The window."""
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPool):
    """The largest of each window; see :func:`rumus.nn.functional.max_pool1d`.

    Args:
        kernel_size: Places of a window.
        stride: From window to window; by default the windows touch.
        padding: Places outside of x that windows may reach to.
        dilation: Steps between the places of a window.
        return_indices: Whether to give the places of the largest as well.
        ceil_mode: Whether a last window that reaches past the end counts, too.

    Example:
        >>> from rumus.tensor import ones
        >>> MaxPool1d(2)(ones(1, 3, 8)).shape
        (1, 3, 4)
    """

    def forward(self, x: Tensor) -> Tensor:  # checkers unpack a pair of indices as well
        """Pool x of (N, C, L) or (C, L)."""
        result: Tensor = pooling.max_pool1d(x, *self._options())
        return result


class MaxPool2d(_MaxPool):
    """The largest of each window; see :func:`rumus.nn.functional.max_pool2d`.

    Args:
        kernel_size: Rows and columns of a window, one number or two.
        stride: From window to window; by default the windows touch.
        padding: Places outside of x that windows may reach to.
        dilation: Steps between the places of a window.
        return_indices: Whether to give the places of the largest as well.
        ceil_mode: Whether a last window that reaches past the end counts, too.

    Example:
        >>> from rumus.nn import MaxPool2d
        >>> from rumus.tensor import zeros
        >>> MaxPool2d(3, stride=2, padding=1)(zeros((1, 8, 32, 32))).shape
        (1, 8, 16, 16)
    """

    def forward(self, x: Tensor) -> Tensor:  # checkers unpack a pair of indices as well
        """Pool x of (N, C, H, W) or (C, H, W)."""
        result: Tensor = pooling.max_pool2d(x, *self._options())
        return result


class AvgPool1d(Layer):
    """The mean of each window; see :func:`rumus.nn.functional.avg_pool1d`.

    Args:
        kernel_size: Places of a window.
        stride: From window to window; by default the windows touch.
        padding: Zeros on both ends.
        ceil_mode: Whether a last window that reaches past the end counts, too.
        count_include_pad: Whether the zeros of the padding are counted.

    Example:
        >>> from rumus.tensor import ones
        >>> AvgPool1d(2)(ones(1, 3, 8)).shape
        (1, 3, 4)
    """

    stride: Lengths
    padding: Lengths
    ceil_mode: bool

    def __init__(
        self,
        kernel_size: Lengths,
        stride: Lengths | None = None,
        padding: Lengths = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding, self.ceil_mode = padding, ceil_mode
        self.count_include_pad = count_include_pad

    def forward(self, x: Tensor) -> Tensor:
        """Pool x of (N, C, L) or (C, L)."""
        options = self.kernel_size, self.stride, self.padding, self.ceil_mode
        return pooling.avg_pool1d(x, *options, self.count_include_pad)

    def extra_repr(self) -> str:
        """The window."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool2d(Layer):
    """The mean of each window; see :func:`rumus.nn.functional.avg_pool2d`.

    Args:
        kernel_size: Rows and columns of a window, one number or two.
        stride: From window to window; by default the windows touch.
        padding: Zeros on both ends of the axes.
        ceil_mode: Whether a last window that reaches past the end counts, too.
        count_include_pad: Whether the zeros of the padding are counted.
        divisor_override: What sums are divided by instead of the count.

    Example:
        >>> from rumus.tensor import ones
        >>> AvgPool2d(2)(ones(1, 3, 8, 8)).shape
        (1, 3, 4, 4)
    """

    stride: Lengths
    padding: Lengths
    ceil_mode: bool
    count_include_pad: bool
    divisor_override: int | None

    def __init__(
        self,
        kernel_size: Lengths,
        stride: Lengths | None = None,
        padding: Lengths = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding, self.ceil_mode = padding, ceil_mode
        self.count_include_pad, self.divisor_override = count_include_pad, divisor_override

    def forward(self, x: Tensor) -> Tensor:
        """Pool x of (N, C, H, W) or (C, H, W)."""
        options = self.kernel_size, self.stride, self.padding, self.ceil_mode
        return pooling.avg_pool2d(x, *options, self.count_include_pad, self.divisor_override)

    def extra_repr(self) -> str:
        """The window."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class _AdaptiveAvgPool(Layer):
    def __init__(self, output_size: Sizes) -> None:
        self.output_size = output_size

    def extra_repr(self) -> str:
        """The size."""
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    """The means of so many windows; see :func:`rumus.nn.functional.adaptive_avg_pool1d`.

    Args:
        output_size: Length of the result.

    Example:
        >>> from rumus.tensor import ones
        >>> AdaptiveAvgPool1d(4)(ones(1, 3, 9)).shape
        (1, 3, 4)
    """

    def forward(self, x: Tensor) -> Tensor:
        """Pool x of (N, C, L) or (C, L)."""
        return pooling.adaptive_avg_pool1d(x, self.output_size)


class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    """The means of so many windows; see :func:`rumus.nn.functional.adaptive_avg_pool2d`.

    Args:
        output_size: Rows and columns of the result, one number or two; None is as many as x has.

    Example:
        >>> from rumus.tensor import ones
        >>> AdaptiveAvgPool2d((1, 1))(ones(1, 3, 9, 7)).shape
        (1, 3, 1, 1)
    """

    def forward(self, x: Tensor) -> Tensor:
        """Pool x of (N, C, H, W) or (C, H, W)."""
        return pooling.adaptive_avg_pool2d(x, self.output_size)


class _AdaptiveMaxPool(Layer):
    output_size: Sizes
    return_indices: bool

    def __init__(self, output_size: Sizes, return_indices: bool = False) -> None:
        self.output_size, self.return_indices = output_size, return_indices

    def extra_repr(self) -> str:
        """The size."""
        return f"output_size={self.output_size}"


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """The largest of so many windows; see :func:`rumus.nn.functional.adaptive_max_pool1d`.

    Args:
        output_size: Length of the result.
        return_indices: Whether to give the places of the largest as well.

    Example:
        >>> from rumus.tensor import ones
        >>> AdaptiveMaxPool1d(4)(ones(1, 3, 9)).shape
        (1, 3, 4)
    """

    def forward(self, x: Tensor) -> Tensor:  # checkers unpack a pair of indices as well
        """Pool x of (N, C, L) or (C, L)."""
        result: Tensor = pooling.adaptive_max_pool1d(x, self.output_size, self.return_indices)
        return result


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """The largest of so many windows; see :func:`rumus.nn.functional.adaptive_max_pool2d`.

    Args:
        output_size: Rows and columns of the result, one number or two; None is as many as x has.
        return_indices: Whether to give the places of the largest as well.

    Example:
        >>> from rumus.tensor import ones
        >>> AdaptiveMaxPool2d((2, 2))(ones(1, 3, 9, 7)).shape
        (1, 3, 2, 2)
    """

    def forward(self, x: Tensor) -> Tensor:  # checkers unpack a pair of indices as well
        """Pool x of (N, C, H, W) or (C, H, W)."""
        result: Tensor = pooling.adaptive_max_pool2d(x, self.output_size, self.return_indices)
        return result
