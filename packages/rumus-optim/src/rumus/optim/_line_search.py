"""A line search whose steps fulfil the strong Wolfe conditions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

V = TypeVar("V")

_DECREASE, _CURVATURE = 1e-4, 0.9
_MOST_STEPS = 25


class Point(NamedTuple, Generic[V]):
    """Where the search has looked.

    Attributes:
        t: the step size.
        loss: the loss there.
        slope: its derivative along the direction.
        place: what is there, for the caller.
    """

    t: float
    loss: float
    slope: float
    place: V


def strong_wolfe(
    look: Callable[[float], Point[V]], start: Point[V], t: float, extent: float, tolerance: float
) -> tuple[Point[V], int]:
    """A step that lowers the loss enough and leaves little slope.

    ``f(t) ≤ f(0) + 1e-4 t f'(0)`` and ``|f'(t)| ≤ 0.9 |f'(0)|``. The step is bracketed, and then
    found by cubic interpolation. Nocedal & Wright, "Numerical Optimization", 2006, algorithms 3.5
    and 3.6, with the safeguards of PyTorch's.

    Args:
        look: gives the point at a step size.
        start: the point at 0.
        t: the first step to try.
        extent: the largest element of the direction.
        tolerance: the change of an element below which the search ends.

    Returns:
        The point, and how many were looked at.
    """
    before, here = start, look(t)
    looks = 1
    while True:
        if _is_too_high(here, start) or (looks > 2 and here.loss >= before.loss):
            break
        if abs(here.slope) <= -_CURVATURE * start.slope:
            return here, looks
        if here.slope >= 0:
            break
        if looks > _MOST_STEPS:
            return min(start, here, key=_loss), looks
        bounds = here.t + 0.01 * (here.t - before.t), here.t * 10
        before, here = here, look(_interpolated(before, here, bounds))
        looks += 1
    return _narrowed(look, start, before, here, looks, extent, tolerance)


def _narrowed(
    look: Callable[[float], Point[V]],
    start: Point[V],
    one: Point[V],
    other: Point[V],
    looks: int,
    extent: float,
    tolerance: float,
) -> tuple[Point[V], int]:
    """A point between two of which one is good and the other bounds it."""
    low, high = (one, other) if one.loss <= other.loss else (other, one)
    stuck = False
    while looks <= _MOST_STEPS and abs(high.t - low.t) * extent >= tolerance:
        left, right = sorted((low.t, high.t))
        first, second = (low, high) if low.t == left else (high, low)
        t = _interpolated(first, second, (left, right))
        margin = 0.1 * (right - left)
        near = min(right - t, t - left) < margin
        if near and (stuck or t >= right or t <= left):
            t = right - margin if right - t < t - left else left + margin
            near = False
        stuck = near
        here = look(t)
        looks += 1
        if _is_too_high(here, start) or here.loss >= low.loss:
            low, high = (low, here) if low.loss <= here.loss else (here, low)
            continue
        if abs(here.slope) <= -_CURVATURE * start.slope:
            return here, looks
        if here.slope * (high.t - low.t) >= 0:
            high = low
        low = here
    return low, looks


def _is_too_high(here: Point[V], start: Point[V]) -> bool:
    return not here.loss <= start.loss + _DECREASE * here.t * start.slope


def _loss(point: Point[V]) -> float:
    return point.loss if math.isfinite(point.loss) else math.inf


def _interpolated(a: Point[V], b: Point[V], bounds: tuple[float, float]) -> float:
    """The minimum of the cubic through two points with their slopes, within bounds."""
    least, most = bounds
    if a.t > b.t:
        a, b = b, a
    d1 = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.t - b.t)
    square = d1 * d1 - a.slope * b.slope
    if square >= 0:
        d2 = math.sqrt(square)
        below = b.slope - a.slope + 2 * d2
        if below:
            t = b.t - (b.t - a.t) * ((b.slope + d2 - d1) / below)
            if math.isfinite(t):
                return min(max(t, least), most)
    return (least + most) / 2
