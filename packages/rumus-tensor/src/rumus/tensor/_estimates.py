"""Statistics, differences and distances that are a few operations put together."""

from __future__ import annotations

from typing import Any, NamedTuple, Unpack

from rumus._core.dtypes import float32, is_float
from rumus._core.errors import ArgumentError, ShapeError
from rumus._core.shapes import Axes, axis_of

from ._aliases import Aliases, axis_alias, reduction_aliases
from ._joining import cat, where
from ._named import clip, isnan, norm, sqrt
from ._tensor import Tensor


class MinAndMax(NamedTuple):
    """What :func:`aminmax` gives."""

    min: Tensor
    max: Tensor


def aminmax(
    x: Tensor, axis: Axes = None, keepdims: bool = False, **aliases: Unpack[Aliases]
) -> MinAndMax:
    """The smallest and the largest element over axes; ``dim`` and ``keepdim`` too.

    Example:
        >>> from rumus.tensor import tensor
        >>> [t.item() for t in aminmax(tensor([3.0, -1.0, 2.0]))]
        [-1.0, 3.0]
    """
    if aliases:
        axis, keepdims = reduction_aliases("aminmax", aliases, axis, keepdims)
    return MinAndMax(x.min(axis, keepdims), x.max(axis, keepdims))


def std_mean(
    x: Tensor,
    axis: Axes = None,
    keepdims: bool = False,
    correction: float = 0,
    **aliases: Unpack[Aliases],
) -> tuple[Tensor, Tensor]:
    """The standard deviation and the mean over axes; arguments as of :func:`var_mean`.

    Example:
        >>> from rumus.tensor import tensor
        >>> [t.item() for t in std_mean(tensor([1.0, 3.0]))]
        [1.0, 2.0]
    """
    if aliases:
        axis, keepdims = reduction_aliases("std_mean", aliases, axis, keepdims)
    variance, mean = x.var_mean(axis, keepdims, correction)
    return sqrt(variance), mean


def nansum(
    x: Tensor, axis: Axes = None, keepdims: bool = False, **aliases: Unpack[Aliases]
) -> Tensor:
    """The sum over axes with 0 for NaN; ``dim`` and ``keepdim`` too.

    Example:
        >>> from rumus.tensor import tensor
        >>> nansum(tensor([1.0, float("nan"), 3.0])).item()
        4.0
    """
    if aliases:
        axis, keepdims = reduction_aliases("nansum", aliases, axis, keepdims)
    return (where(isnan(x), 0, x) if is_float(x.dtype) else x).sum(axis, keepdims)


def nanmean(
    x: Tensor, axis: Axes = None, keepdims: bool = False, **aliases: Unpack[Aliases]
) -> Tensor:
    """The mean over axes of what is not NaN, in floats; NaN where nothing is.

    ``dim`` and ``keepdim`` are taken too.

    Example:
        >>> from rumus.tensor import tensor
        >>> nanmean(tensor([1.0, float("nan"), 3.0])).item()
        2.0
    """
    if aliases:
        axis, keepdims = reduction_aliases("nanmean", aliases, axis, keepdims)
    count = (~isnan(x)).sum(axis, keepdims).to(float32)
    total = where(isnan(x), 0, x).to(float32).sum(axis, keepdims)
    mean = total / count
    return mean.to(x.dtype) if is_float(x.dtype) else mean


def diff(
    x: Tensor,
    n: int = 1,
    axis: int = -1,
    prepend: Tensor | None = None,
    append: Tensor | None = None,
    **aliases: Unpack[Aliases],
) -> Tensor:
    """The differences of neighbours along an axis, ``n`` times.

    Args:
        x: With at least one axis. Of bools, whether neighbours differ.
        n: How often, from 0 on.
        axis: ``dim`` too.
        prepend: Stands in front of ``x`` along the axis.
        append: Stands behind it.

    Raises:
        ArgumentError: ``n`` is negative, or there are no axes.

    Example:
        >>> from rumus.tensor import tensor
        >>> diff(tensor([1, 4, 9])).tolist()
        [3, 5]
    """
    if aliases:
        axis = axis_alias("diff", aliases, axis, -1)
    if not isinstance(n, int) or n < 0 or not x.ndim:
        raise ArgumentError(f"diff: n is from 0 on and x has axes, not {n} of shape {x.shape}")
    axis = axis_of("diff", axis, x.ndim)
    if n == 0:
        return x
    parts = [part for part in (prepend, x, append) if part is not None]
    x = cat(parts, axis) if len(parts) > 1 else x
    for _ in range(n):
        later, before = _cut(x, axis, 1, None), _cut(x, axis, 0, -1)
        x = later != before if x.dtype == bool else later - before
    return x


def trapezoid(
    y: Tensor, x: Tensor | None = None, *, dx: float = 1, axis: int = -1, **aliases: Unpack[Aliases]
) -> Tensor:
    """The integral along an axis by the trapezoidal rule.

    Args:
        y: The values.
        x: Where they lie; by default ``dx`` apart.
        dx: See ``x``.
        axis: ``dim`` too.

    Example:
        >>> from rumus.tensor import tensor
        >>> trapezoid(tensor([1.0, 2.0, 4.0])).item()
        4.5
    """
    if aliases:
        axis = axis_alias("trapezoid", aliases, axis, -1)
    return _strips("trapezoid", y, x, dx, axis).sum(axis)


def cumulative_trapezoid(
    y: Tensor, x: Tensor | None = None, *, dx: float = 1, axis: int = -1, **aliases: Unpack[Aliases]
) -> Tensor:
    """The integrals up to each value but the first; see :func:`trapezoid`.

    Example:
        >>> from rumus.tensor import tensor
        >>> cumulative_trapezoid(tensor([1.0, 2.0, 4.0])).tolist()
        [1.5, 4.5]
    """
    if aliases:
        axis = axis_alias("cumulative_trapezoid", aliases, axis, -1)
    return _strips("cumulative_trapezoid", y, x, dx, axis).cumsum(axis)


def cov(
    x: Tensor,
    *,
    correction: int = 1,
    fweights: Tensor | None = None,
    aweights: Tensor | None = None,
) -> Tensor:
    """The covariances of variables, of which each row of ``x`` holds the observations.

    Args:
        x: Of shape (variables, observations), or one variable of shape (observations,).
        correction: The sum is divided by the number of observations less this.
        fweights: How often each observation occurred.
        aweights: How important each is.

    Returns:
        Of shape (variables, variables); without axes for one variable.

    Raises:
        ShapeError: ``x`` has more than two axes.

    Example:
        >>> from rumus.tensor import tensor
        >>> cov(tensor([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0]])).tolist()
        [[1.0, 2.0], [2.0, 4.0]]
    """
    if x.ndim > 2:
        raise ShapeError(f"cov takes at most two axes, not shape {x.shape}")
    rows = x if x.ndim == 2 else x.reshape(1, x.size)
    rows = rows if is_float(rows.dtype) else rows.to(float32)
    weights = [w.to(rows.dtype) for w in (fweights, aweights) if w is not None]
    w: Any = weights[0] * weights[1] if len(weights) == 2 else weights[0] if weights else None
    count: Any = float(rows.shape[1]) if w is None else w.sum()
    mean = rows.mean(1, True) if w is None else (rows * w).sum(1, True) / count
    rows = rows - mean
    if aweights is not None and correction:
        divisor = count - correction * (w * aweights.to(rows.dtype)).sum() / count
    else:
        divisor = count - correction
    divisor = max(divisor, 0.0) if isinstance(divisor, float) else clip(divisor, 0.0, None)
    product = (rows if w is None else rows * w) @ rows.T
    result = product / divisor
    return result.reshape(()) if rows.shape[0] == 1 else result


def corrcoef(x: Tensor) -> Tensor:
    """The correlations of variables, covariances over standard deviations; see :func:`cov`.

    Example:
        >>> from rumus.tensor import tensor
        >>> corrcoef(tensor([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]])).tolist()
        [[1.0, -1.0], [-1.0, 1.0]]
    """
    covariance = cov(x)
    if not covariance.ndim:
        return covariance / covariance
    deviation = sqrt(covariance.diagonal())
    return clip(covariance / deviation.reshape(-1, 1) / deviation, -1.0, 1.0)


def dist(a: Tensor, b: Tensor, p: float = 2) -> Tensor:
    """The p-norm of ``a - b``, which broadcast, over all axes.

    Example:
        >>> from rumus.tensor import tensor
        >>> dist(tensor([0.0, 0.0]), tensor([3.0, 4.0])).item()
        5.0
    """
    return norm((a - b).reshape(-1), p, 0)


def cdist(a: Tensor, b: Tensor, p: float = 2, compute_mode: str | None = None) -> Tensor:
    """The p-norm of the difference of each row of ``a`` and each row of ``b``.

    All differences are made, (…, P, R, M) numbers: a product of the two, PyTorch's way for many
    rows, loses the digits of small distances.

    Args:
        a: Of shape (…, P, M).
        b: Of shape (…, R, M).
        p: From 0 on.
        compute_mode: Taken as PyTorch's, and without effect.

    Returns:
        Of shape (…, P, R).

    Raises:
        ShapeError: The last axes differ in length.
        ArgumentError: ``p`` is negative.

    Example:
        >>> from rumus.tensor import tensor
        >>> cdist(tensor([[0.0, 0.0]]), tensor([[3.0, 4.0], [0.0, 1.0]])).tolist()
        [[5.0, 1.0]]
    """
    if a.ndim < 2 or b.ndim < 2 or a.shape[-1] != b.shape[-1]:
        raise ShapeError(f"cdist takes (…, P, M) and (…, R, M), not {a.shape} and {b.shape}")
    if p < 0:
        raise ArgumentError(f"cdist: p is from 0 on, not {p}")
    difference = a.unsqueeze(-2) - b.unsqueeze(-3)
    return norm(difference, p, -1)


def renorm(x: Tensor, p: float, dim: int, maxnorm: float) -> Tensor:
    """Each part along an axis scaled down to a p-norm of at most ``maxnorm``.

    Raises:
        ArgumentError: ``maxnorm`` is negative, or ``p`` not positive.

    Example:
        >>> from rumus.tensor import tensor
        >>> renorm(tensor([[3.0, 4.0], [0.5, 0.0]]), 1, 0, 3.5).tolist()
        [[1.5, 2.0], [0.5, 0.0]]
    """
    if maxnorm < 0 or p <= 0:
        raise ArgumentError(f"renorm: p above 0 and maxnorm from 0 on, not {p} and {maxnorm}")
    axis = axis_of("renorm", dim, x.ndim)
    others = tuple(k for k in range(x.ndim) if k != axis)
    size = norm(x, p, others, keepdims=True)
    return x * where(size > maxnorm, maxnorm / (size + 1e-7), 1.0)


def _strips(name: str, y: Tensor, x: Tensor | None, dx: float, axis: int) -> Tensor:
    axis = axis_of(name, axis, y.ndim)
    heights = _cut(y, axis, 1, None) + _cut(y, axis, 0, -1)
    if x is None:
        return heights * (dx / 2)
    if x.ndim == 1:
        x = x.reshape([-1 if k == axis else 1 for k in range(y.ndim)])
    along = axis - y.ndim
    widths = _cut(x, x.ndim + along, 1, None) - _cut(x, x.ndim + along, 0, -1)
    return heights * widths / 2


def _cut(x: Tensor, axis: int, start: int, stop: int | None) -> Tensor:
    result: Tensor = x[(*(slice(None),) * axis, slice(start, stop))]
    return result
