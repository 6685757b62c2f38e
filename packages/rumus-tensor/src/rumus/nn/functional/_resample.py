"""Images in other sizes, windows as columns, channels as pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from rumus._backends.bands import Band
from rumus._backends.contract.convolution import Slide
from rumus._core.dtypes import is_float
from rumus._core.errors import ArgumentError, DTypeError, ShapeError
from rumus.tensor._ops.resample import Fold, Resample, Unfold
from rumus.tensor._tensor import Tensor

from ._loss_checks import check_tensors
from ._pooling import adaptive_avg_pool1d, adaptive_avg_pool2d
from ._windows import Lengths, lengths_of, two

BETWEEN = {"linear": 1, "bilinear": 2, "bicubic": 2}
Interpolation: TypeAlias = Literal[
    "nearest", "nearest-exact", "linear", "bilinear", "bicubic", "area"
]
_MODES = get_args(Interpolation)


def interpolate(
    x: Tensor,
    size: Lengths | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: Interpolation = "nearest",
    align_corners: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """Lines or planes in another size.

    Place o of the result reads the source at ``(o + 1/2) s - 1/2``, s being one over the scale
    factor, or the ratio of the lengths where ``size`` is given; with ``align_corners`` at
    ``o (L - 1) / (L' - 1)``.

    Args:
        x: Floats of shape (N, C, L) or (N, C, H, W).
        size: Lengths of the result, one number or one an axis.
        scale_factor: How many times as long each axis becomes, rounded down; instead of ``size``.
        mode: ``"nearest"``, of the source at ``floor(o s)``; ``"nearest-exact"``, of the nearest
            centre; ``"linear"`` for lines and ``"bilinear"`` for planes, between the neighbours;
            ``"bicubic"``, of four neighbours by Keys' cubic (IEEE ASSP 29, 1981) with a = -3/4; or
            ``"area"``, the means of :func:`adaptive_avg_pool2d`.
        align_corners: Whether the first and last places of both meet; for modes between neighbours.
        antialias: Whether a place that stands for several of the source takes part of each: the
            triangle between the neighbours grows to s places on both sides, the cubic (with
            a = -1/2) to 2 s, as in Pillow. For modes between neighbours, without ``align_corners``.

    Raises:
        ShapeError: x has another number of axes, or is empty.
        DTypeError: x is of no floats.
        ArgumentError: Both or neither of size and scale_factor are given, or an option is unknown.

    Example:
        >>> from rumus.nn import functional as F
        >>> from rumus.tensor import arange
        >>> F.interpolate(arange(3.0).reshape((1, 1, 3)), scale_factor=2).tolist()
        [[[0.0, 0.0, 1.0, 1.0, 2.0, 2.0]]]
    """
    check_tensors("interpolate", x)
    axes = x.ndim - 2
    if axes not in (1, 2) or not min(x.shape[1:]):
        raise ShapeError(f"interpolate takes x of (N, C, L) or (N, C, H, W), not {x.shape}")
    if not is_float(x.dtype):
        raise DTypeError(f"interpolate takes floats, not {x.dtype}; convert with .to(float32)")
    if mode not in _MODES or BETWEEN.get(mode, axes) != axes:
        there = [name for name in _MODES if BETWEEN.get(name, axes) == axes]
        raise ArgumentError(
            f"interpolate: no mode {mode!r} for {axes} axes; there are {', '.join(there)}"
        )
    if align_corners is not None and mode not in BETWEEN:
        raise ArgumentError(
            f"interpolate: align_corners is for modes between neighbours, not {mode!r}"
        )
    if antialias and (mode not in BETWEEN or align_corners):
        raise ArgumentError(
            "interpolate: antialias is for modes between neighbours without align_corners, not "
            f"mode={mode!r}, align_corners={align_corners}"
        )
    lengths, steps = _lengths(x.shape[2:], size, scale_factor)
    if mode == "area":
        return adaptive_avg_pool1d(x, lengths) if axes == 1 else adaptive_avg_pool2d(x, lengths)
    for axis, (n, wanted, step) in enumerate(zip(x.shape[2:], lengths, steps, strict=True), 2):
        if (n, 1.0) != (wanted, step):
            band = _band(n, wanted, step, mode, bool(align_corners), antialias)
            x = Resample(axis, band)(x)
    return x


def unfold(
    x: Tensor,
    kernel_size: Lengths,
    dilation: Lengths = 1,
    padding: Lengths = 0,
    stride: Lengths = 1,
) -> Tensor:
    """The windows of planes as columns, as a convolution would meet them.

    Args:
        x: Of shape (N, C, H, W), or (C, H, W) without a batch.
        kernel_size: Rows and columns of a window, one number or two.
        dilation: Steps between the places of a window.
        padding: Zeros on both ends of the axes.
        stride: From window to window.

    Returns:
        Of shape (N, C * rows * columns, windows).

    Raises:
        ShapeError: x has another number of axes, or is smaller than a window.
        DTypeError: x is of no floats.
        ArgumentError: An option is out of range.

    Example:
        >>> from rumus.tensor import ones
        >>> unfold(ones(1, 2, 5, 5), 3).shape
        (1, 18, 9)
    """
    _check_planes("unfold", x, (3, 4), "(N, C, H, W) or (C, H, W)")
    slide, kernel, size = _geometry(
        "unfold", (x.shape[-2], x.shape[-1]), kernel_size, dilation, padding, stride
    )
    y: Tensor = Unfold(slide, kernel, size)(x if x.ndim == 4 else x.unsqueeze(0))
    return y if x.ndim == 4 else y.reshape(y.shape[1:])


def fold(
    x: Tensor,
    output_size: Lengths,
    kernel_size: Lengths,
    dilation: Lengths = 1,
    padding: Lengths = 0,
    stride: Lengths = 1,
) -> Tensor:
    """Columns added up to planes: the adjoint of :func:`unfold`.

    Args:
        x: Of shape (N, C * rows * columns, windows), or without the N.
        output_size: H and W of the planes.
        kernel_size: Rows and columns of a window, one number or two.
        dilation: Steps between the places of a window.
        padding: What is left out on both ends of the axes.
        stride: From window to window.

    Returns:
        Of shape (N, C, H, W).

    Raises:
        ShapeError: The columns do not fit the planes.
        DTypeError: x is of no floats.
        ArgumentError: An option is out of range.

    Example:
        >>> from rumus.tensor import ones
        >>> fold(ones(1, 18, 9), (5, 5), 3).shape
        (1, 2, 5, 5)
    """
    _check_planes("fold", x, (2, 3), "(N, C * taps, windows) or (C * taps, windows)")
    plane = two(lengths_of("fold", "output_size", output_size, 2), 1)
    slide, kernel, size = _geometry("fold", plane, kernel_size, dilation, padding, stride)
    if x.shape[-2] % math.prod(kernel) or x.shape[-1] != math.prod(size):
        raise ShapeError(
            f"fold: planes of {plane} have {size[0]} x {size[1]} windows of {kernel}, so x is "
            f"(N, C * {math.prod(kernel)}, {math.prod(size)}), not {x.shape}"
        )
    y: Tensor = Fold(slide, kernel, size, plane)(x if x.ndim == 3 else x.unsqueeze(0))
    return y if x.ndim == 3 else y.reshape(y.shape[1:])


def channel_shuffle(x: Tensor, groups: int) -> Tensor:
    """The channels of groups in turns (Zhang et al., arXiv:1707.01083).

    Args:
        x: Of shape (N, C, …).
        groups: A divisor of C.

    Raises:
        ShapeError: x has fewer than three axes, or its channels are no multiple of groups.
        ArgumentError: groups is not positive.

    Example:
        >>> from rumus.tensor import arange
        >>> channel_shuffle(arange(6).reshape(1, 6, 1), 3).flatten().tolist()
        [0, 2, 4, 1, 3, 5]
    """
    check_tensors("channel_shuffle", x)
    (groups,) = lengths_of("channel_shuffle", "groups", groups, 1)
    if x.ndim < 3 or x.shape[1] % groups:
        raise ShapeError(f"channel_shuffle by {groups} takes (N, C * {groups}, …), not {x.shape}")
    batch, channels, *rest = x.shape
    parts = x.reshape((batch, groups, channels // groups, *rest))
    return parts.swapaxes(1, 2).reshape(x.shape)


def pixel_shuffle(x: Tensor, upscale_factor: int) -> Tensor:
    """(…, C r², H, W) as (…, C, H r, W r): channels become pixels (Shi et al., arXiv:1609.05158).

    Args:
        x: Of at least three axes.
        upscale_factor: r.

    Raises:
        ShapeError: x has fewer axes, or its channels are no multiple of r².
        ArgumentError: r is not positive.

    Example:
        >>> from rumus.tensor import ones
        >>> pixel_shuffle(ones(1, 8, 3, 3), 2).shape
        (1, 2, 6, 6)
    """
    check_tensors("pixel_shuffle", x)
    (r,) = lengths_of("pixel_shuffle", "upscale_factor", upscale_factor, 1)
    if x.ndim < 3 or x.shape[-3] % (r * r):
        raise ShapeError(f"pixel_shuffle by {r} takes (…, C * {r * r}, H, W), not {x.shape}")
    *batch, channels, rows, columns = x.shape
    n = len(batch)
    parts = x.reshape((*batch, channels // (r * r), r, r, rows, columns))
    turned = parts.permute(*range(n), n, n + 3, n + 1, n + 4, n + 2)
    return turned.reshape((*batch, channels // (r * r), rows * r, columns * r))


def pixel_unshuffle(x: Tensor, downscale_factor: int) -> Tensor:
    """(…, C, H r, W r) as (…, C r², H, W): what :func:`pixel_shuffle` takes back.

    Args:
        x: Of at least three axes.
        downscale_factor: r.

    Raises:
        ShapeError: x has fewer axes, or its lengths are no multiples of r.
        ArgumentError: r is not positive.

    Example:
        >>> from rumus.tensor import ones
        >>> pixel_unshuffle(ones(1, 2, 6, 6), 2).shape
        (1, 8, 3, 3)
    """
    check_tensors("pixel_unshuffle", x)
    (r,) = lengths_of("pixel_unshuffle", "downscale_factor", downscale_factor, 1)
    if x.ndim < 3 or x.shape[-1] % r or x.shape[-2] % r:
        raise ShapeError(f"pixel_unshuffle by {r} takes (…, C, H * {r}, W * {r}), not {x.shape}")
    *batch, channels, rows, columns = x.shape
    n = len(batch)
    parts = x.reshape((*batch, channels, rows // r, r, columns // r, r))
    turned = parts.permute(*range(n), n, n + 2, n + 4, n + 1, n + 3)
    return turned.reshape((*batch, channels * r * r, rows // r, columns // r))


def _lengths(
    given: Sequence[int], size: Lengths | None, scale_factor: float | Sequence[float] | None
) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """The lengths of the result, and source places a place of it."""
    if (size is None) == (scale_factor is None):
        raise ArgumentError("interpolate takes either size or scale_factor")
    axes = len(given)
    if scale_factor is None:
        lengths = lengths_of("interpolate", "size", size, axes)  # type: ignore[arg-type]
        return lengths, tuple(n / wanted for n, wanted in zip(given, lengths, strict=True))
    one = isinstance(scale_factor, (int, float))
    factors = [float(scale_factor)] * axes if one else list(scale_factor)  # type: ignore[arg-type]
    if len(factors) != axes or not all(factor > 0 for factor in factors):
        raise ArgumentError(
            f"interpolate: scale_factor is one number or {axes}, above 0, not {scale_factor!r}"
        )
    lengths = tuple(math.floor(n * factor) for n, factor in zip(given, factors, strict=True))
    if min(lengths) < 1:
        raise ShapeError(f"interpolate: nothing is left of {tuple(given)} scaled by {scale_factor}")
    return lengths, tuple(1.0 / factor for factor in factors)


@lru_cache(maxsize=256)
def _band(
    length: int, count: int, step: float, mode: str, align_corners: bool, antialias: bool
) -> Band:
    """How each place of the result is made, computed in float32 as PyTorch does."""
    if antialias:
        return _antialiased(length, count, step, mode)
    step32 = np.float32(step)
    places = np.arange(count, dtype=np.float32)
    if mode not in BETWEEN:
        centre = np.float32(0.5) if mode == "nearest-exact" else np.float32(0)
        starts = np.minimum(np.floor((places + centre) * step32).astype(np.int64), length - 1)
        return Band(length, starts, np.ones((count, 1)))
    if align_corners:
        at = places * np.float32((length - 1) / (count - 1) if count > 1 else 0.0)
    else:
        at = (places + np.float32(0.5)) * step32 - np.float32(0.5)
    if mode == "bicubic":
        return _of_four(length, at)
    at = np.maximum(at, 0)
    starts = np.minimum(at.astype(np.int64), length - 1)
    behind = np.where(starts < length - 1, at - starts, 0)
    return Band(length, starts, np.stack([1 - behind, behind], axis=1))


def _of_four(length: int, at: npt.NDArray[Any]) -> Band:
    """The cubic around each point, past the ends of what lies there."""
    first = np.floor(at).astype(np.int64) - 1
    taps = first[:, None] + np.arange(4)
    weights = _cubic(taps - at[:, None], -0.75)
    inside = np.clip(taps, 0, length - 1)
    starts = inside[:, 0]
    gathered = np.zeros_like(weights)
    np.add.at(gathered, (np.arange(len(at))[:, None], inside - starts[:, None]), weights)
    return Band(length, starts, gathered)


def _cubic(x: npt.NDArray[Any], a: float) -> npt.NDArray[Any]:
    """Keys' cubic convolution."""
    x = np.abs(x)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))


def _antialiased(length: int, count: int, step: float, mode: str) -> Band:
    """A triangle or a cubic around each centre, of a place a unit, or of a step if that is more."""
    unit = max(step, 1.0)
    reach = 2 * unit if mode == "bicubic" else unit
    centres = (np.arange(count) + 0.5) * step
    starts = np.maximum((centres - reach + 0.5).astype(np.int64), 0)
    ends = np.minimum((centres + reach + 0.5).astype(np.int64), length)
    places = starts[:, None] + np.arange((ends - starts).max())
    distances = np.abs(places + 0.5 - centres[:, None]) / unit
    cubic = mode == "bicubic"
    weights = _cubic(distances, -0.5) if cubic else np.maximum(0.0, 1.0 - distances)
    weights[places >= ends[:, None]] = 0.0
    return Band(length, starts, weights / weights.sum(1, keepdims=True))


def _check_planes(name: str, x: Tensor, axes: tuple[int, int], wanted: str) -> None:
    check_tensors(name, x)
    if x.ndim not in axes:
        raise ShapeError(f"{name} takes x of {wanted}, not {x.shape}")
    if not is_float(x.dtype):
        raise DTypeError(f"{name} takes floats, not {x.dtype}; convert with .to(float32)")


def _geometry(name: str, plane: tuple[int, int], *options: Any) -> tuple[Slide, Any, Any]:
    """How a window slides, its rows and columns, and the windows down and along."""
    names = "kernel_size", "dilation", "padding", "stride"
    kernel, spread, zeros, steps = (
        two(lengths_of(name, what, given, 2, least=what != "padding"), 1)
        for what, given in zip(names, options, strict=True)
    )
    size = tuple(
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, p, d, k, s in zip(plane, zeros, spread, kernel, steps, strict=True)
    )
    if min(size) < 1:
        raise ShapeError(
            f"{name}: a window of {kernel} with dilation {spread} is larger than planes of {plane} "
            f"with padding {zeros}"
        )
    return Slide(steps, zeros, spread, 1), kernel, size
