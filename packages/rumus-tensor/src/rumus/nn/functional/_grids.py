"""Images read at any places: turned, sheared, bent."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, TypeAlias, get_args

from rumus._core.dtypes import float32, int32, is_float
from rumus._core.errors import ArgumentError, DTypeError, ShapeError
from rumus.tensor._creation import ones
from rumus.tensor._gathering import take_along_axis
from rumus.tensor._joining import stack
from rumus.tensor._spaced import arange
from rumus.tensor._tensor import Tensor

from ._loss_checks import check_tensors

GridMode: TypeAlias = Literal["bilinear", "nearest"]
GridPadding: TypeAlias = Literal["zeros", "border", "reflection"]
_MODES, _PADDINGS = get_args(GridMode), get_args(GridPadding)
_FAR = 1e9


def affine_grid(theta: Tensor, size: Sequence[int], align_corners: bool = False) -> Tensor:
    """Where :func:`grid_sample` reads for an affine map: ``theta @ (x, y, 1)`` for each place.

    Jaderberg et al., arXiv:1506.02025. Places are from -1 to 1, x to the right and y down.

    Args:
        theta: Floats of shape (N, 2, 3), from places of the result to places of the source.
        size: (N, C, H, W) of the result.
        align_corners: Whether -1 and 1 are the centres of the first and the last pixel, and not
            their outer borders.

    Returns:
        Of shape (N, H, W, 2).

    Raises:
        ShapeError: The shapes do not fit.
        DTypeError: theta is of no floats.

    Example:
        >>> from rumus.tensor import tensor
        >>> affine_grid(tensor([[[1.0, 0, 0], [0, 1.0, 0]]]), (1, 1, 1, 2)).tolist()
        [[[[-0.5, 0.0], [0.5, 0.0]]]]
    """
    check_tensors("affine_grid", theta)
    if not is_float(theta.dtype):
        raise DTypeError(f"affine_grid takes floats, not {theta.dtype}; convert with .to(float32)")
    if theta.ndim != 3 or len(size) != 4 or theta.shape != (size[0], 2, 3) or min(size[1:]) < 1:
        raise ShapeError(
            f"affine_grid takes theta of (N, 2, 3) and a size (N, C, H, W), not {theta.shape} and "
            f"{tuple(size)}"
        )
    rows, columns = size[2:]
    x = _places(columns, align_corners, theta).expand((rows, columns))
    y = _places(rows, align_corners, theta).unsqueeze(1).expand((rows, columns))
    one = ones(rows, columns, dtype=theta.dtype, device=theta.device)
    places = stack([x, y, one], 2).reshape((1, rows * columns, 3))
    grid = places @ theta.transpose(1, 2)
    return grid.reshape((size[0], rows, columns, 2))


def grid_sample(
    x: Tensor,
    grid: Tensor,
    mode: GridMode = "bilinear",
    padding_mode: GridPadding = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    """What images have at given places, between their pixels.

    Args:
        x: Floats of shape (N, C, H, W).
        grid: Of shape (N, H', W', 2): for each place of the result the column and the row, from -1
            to 1. NaN is far outside on the left or above.
        mode: ``"bilinear"``, between the four pixels around, or ``"nearest"``.
        padding_mode: What is outside: ``"zeros"``, the pixel of the ``"border"`` that is next, or
            the image again, mirrored there (``"reflection"``).
        align_corners: Whether -1 and 1 are the centres of the first and the last pixel; by default
            their outer borders.

    Returns:
        Of shape (N, C, H', W').

    Raises:
        ShapeError: The shapes do not fit.
        DTypeError: Not both are floats of one dtype.
        ArgumentError: A mode is unknown.

    Example:
        >>> from rumus.tensor import tensor
        >>> image = tensor([[[[1.0, 3.0]]]])
        >>> grid_sample(image, tensor([[[[-0.5, 0.0], [0.0, 0.0], [1.0, 0.0]]]])).tolist()
        [[[[1.0, 2.0, 1.5]]]]
    """
    _check_sampled(x, grid, mode, padding_mode)
    n, channels, rows, columns = x.shape
    out = grid.shape[1:3]
    wide = grid.to(float32).nan_to_num(nan=-_FAR, posinf=_FAR, neginf=-_FAR)
    at = [
        _pixels(wide[..., k].reshape((n, 1, math.prod(out))), length, padding_mode, align_corners)
        for k, length in ((1, rows), (0, columns))
    ]
    flat = x.reshape((n, channels, rows * columns))
    corners: list[tuple[Tensor, Tensor, Tensor | None]]
    if mode == "nearest":
        corners = [(at[0].round(), at[1].round(), None)]
    else:
        top, left = (part.detach().floor() for part in at)
        down, right = at[0] - top, at[1] - left
        corners = [
            (top, left, (1 - down) * (1 - right)),
            (top, left + 1, (1 - down) * right),
            (top + 1, left, down * (1 - right)),
            (top + 1, left + 1, down * right),
        ]
    total: Tensor | None = None
    for row, column, weight in corners:
        part = _read(flat, row.detach(), column.detach(), rows, columns)
        part = part if weight is None else part * weight
        total = part if total is None else total + part
    assert total is not None
    return total.to(x.dtype).reshape((n, channels, *out))


def _read(flat: Tensor, row: Tensor, column: Tensor, rows: int, columns: int) -> Tensor:
    """Pixels at whole places, float32, with zeros outside."""
    inside = (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
    row, column = row.clip(0, rows - 1), column.clip(0, columns - 1)
    index = row.to(int32) * columns + column.to(int32)
    return take_along_axis(flat, index, 2).to(float32) * inside.to(float32)


def _pixels(place: Tensor, length: int, padding: str, align_corners: bool | None) -> Tensor:
    """Places from -1 to 1 as rows or columns."""
    if align_corners:
        pixel = (place + 1.0) * ((length - 1) / 2)
        low, high = 0.0, length - 1.0
    else:
        pixel = ((place + 1.0) * length - 1.0) / 2
        low, high = -0.5, length - 0.5
    if padding == "reflection":
        pixel = _mirrored(pixel, low, high)
    if padding == "zeros":
        return pixel.clip(-2.0, length + 1.0)  # what is farther out is as far out
    return pixel.clip(0.0, length - 1.0)


def _mirrored(pixel: Tensor, low: float, high: float) -> Tensor:
    """Places on a line that is mirrored at its ends, again and again."""
    span = high - low
    if span <= 0:
        return pixel * 0.0
    along = (pixel - low).abs()
    along = along - (along.detach() / (2 * span)).floor() * (2 * span)
    return span - (along - span).abs() + low


def _places(length: int, align_corners: bool, like: Tensor) -> Tensor:
    """Of the centres of pixels, from -1 to 1."""
    k = arange(length, dtype=like.dtype, device=like.device)
    if align_corners:
        return k * (2.0 / (length - 1)) - 1.0 if length > 1 else k
    return k * (2.0 / length) + (1.0 / length - 1.0)


def _check_sampled(x: Tensor, grid: Tensor, mode: str, padding_mode: str) -> None:
    check_tensors("grid_sample", x, grid)
    if not is_float(x.dtype) or x.dtype != grid.dtype:
        raise DTypeError(
            f"grid_sample takes floats of one dtype, not {x.dtype} and {grid.dtype}; convert with "
            ".to(dtype)"
        )
    if (
        x.ndim != 4
        or grid.ndim != 4
        or grid.shape[0] != x.shape[0]
        or grid.shape[3] != 2
        or not min(x.shape[1:])
    ):
        raise ShapeError(
            f"grid_sample takes x of (N, C, H, W) and a grid of (N, H', W', 2), not {x.shape} and "
            f"{grid.shape}"
        )
    if mode not in _MODES or padding_mode not in _PADDINGS:
        raise ArgumentError(
            f"grid_sample: mode is one of {_MODES} and padding_mode of {_PADDINGS}, not {mode!r} "
            f"and {padding_mode!r}"
        )
