"""Gradients against differences, in float32 as everything here."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from rumus._backends.registry import backend_of
from rumus._core.base import TensorBase
from rumus._core.dtypes import is_float
from rumus._core.errors import AutogradError

from ._targeted import grad

Double = npt.NDArray[np.float64]


def gradcheck(
    f: Callable[..., Any],
    inputs: TensorBase | Sequence[TensorBase],
    *,
    step: float = 2.0**-6,
    rtol: float = 1e-3,
    directions: int = 4,
    raise_exception: bool = True,
) -> bool:
    """Whether the gradients of a function are those of its values.

    The outputs are weighted at random, and their sum is followed from the inputs along random
    directions of +1 and -1 for each element. The gradient's change between two points at a distance
    of ``step`` on both sides is taken from that of the values; the rest is found for half the step
    too, and what grows with the step's square is taken out of it (Richardson). What then is left
    must be no more than ``rtol`` of the gradient's length plus what rounding makes of the values:
    eight roundings of the outputs over the step. float64 is no dtype here, so errors below a
    thousandth may go unseen, and a function with steep bends needs a smaller step.

    Args:
        f: Takes the inputs and gives back a tensor or several. Its gradients are asked for at
            points that differ by up to ``step``: it should have no corners there.
        inputs: Tensors, a tensor or several; those of integers are passed on as they are.
        step: Distance in each element.
        rtol: See above.
        directions: How many are tried for each input.
        raise_exception: Raise, instead of giving back False.

    Raises:
        AutogradError: A gradient is wrong, or f gives different results for the same inputs.

    Example:
        >>> from rumus.autograd import gradcheck
        >>> from rumus.tensor import tensor
        >>> gradcheck(lambda x: x.sin() * x, tensor([0.5, 2.0]))
        True
    """
    points = [inputs] if isinstance(inputs, TensorBase) else list(inputs)
    wrong = _wrong(_Check(f, points, np.random.default_rng(0)), step, rtol, directions)
    if wrong is not None and raise_exception:
        raise AutogradError(f"gradcheck: {wrong}")
    return wrong is None


def gradgradcheck(
    f: Callable[..., Any],
    inputs: TensorBase | Sequence[TensorBase],
    *,
    step: float = 2.0**-6,
    rtol: float = 1e-3,
    directions: int = 4,
    raise_exception: bool = True,
) -> bool:
    """Whether the second derivatives of a function are those of its gradients.

    :func:`gradcheck` of the gradients of the inputs, as a function of the inputs and of the
    gradients of the outputs; arguments and errors are the same.

    Example:
        >>> from rumus.autograd import gradgradcheck
        >>> from rumus.tensor import tensor
        >>> gradgradcheck(lambda x: x.sin() * x, tensor([0.5, 2.0]))
        True
    """
    points = [inputs] if isinstance(inputs, TensorBase) else list(inputs)
    outputs = _outputs(f(*points))
    rng = np.random.default_rng(1)
    seeds = [_like(y, rng.normal(size=y.shape)) for y in outputs]

    def gradients(*given: Any) -> tuple[Any, ...]:
        xs, gs = given[: len(points)], given[len(points) :]
        asked = [x for x in xs if x.requires_grad]
        found = grad(_outputs(f(*xs)), asked, gs, create_graph=True, allow_unused=True)
        return tuple(g for g in found if g is not None)

    return gradcheck(
        gradients,
        [*points, *seeds],
        step=step,
        rtol=rtol,
        directions=directions,
        raise_exception=raise_exception,
    )


class _Check:
    """A function at a point, with weights for its outputs, and its gradients there."""

    def __init__(self, f: Callable[..., Any], points: list[Any], rng: np.random.Generator) -> None:
        self.f, self.points, self.rng = f, points, rng
        self.floats = [i for i, x in enumerate(points) if is_float(x.dtype)]
        if not self.floats:
            raise AutogradError("gradcheck: there is no input of floats to differentiate for")
        self.leaves = [x._as_leaf() if is_float(x.dtype) else x for x in points]
        outputs = [y for y in _outputs(f(*self.leaves)) if is_float(y.dtype)]
        self.weights = [rng.normal(size=y.shape).astype(y.dtype) for y in outputs]
        asked = [(y, _like(y, w)) for y, w in zip(outputs, self.weights, strict=True)]
        asked = [(y, w) for y, w in asked if y.requires_grad]
        wanted = [self.leaves[i] for i in self.floats]
        found: Sequence[Any] = [None] * len(wanted)
        if asked:
            outputs, seeds = [y for y, _ in asked], [w for _, w in asked]
            found = grad(outputs, wanted, seeds, allow_unused=True)
        self.gradients = {
            i: np.zeros(points[i].shape) if g is None else g.numpy().astype(np.float64)
            for i, g in zip(self.floats, found, strict=True)
        }
        self.values = self.at(points)
        self.rounding = 8 * math.sqrt(
            sum(
                float(((np.finfo(w.dtype).eps / 2 * w.astype(np.float64) * v) ** 2).sum())
                for w, v in zip(self.weights, self.values, strict=True)
            )
        )

    def at(self, points: list[Any]) -> list[Double]:
        """The outputs at a point."""
        given = [y for y in _outputs(self.f(*[_detached(x) for x in points])) if is_float(y.dtype)]
        return [y.numpy().astype(np.float64) for y in given]

    def total(self, points: list[Any]) -> float:
        """Their weighted sum."""
        pairs = zip(self.weights, self.at(points), strict=True)
        return sum(float((w.astype(np.float64) * v).sum()) for w, v in pairs)

    def rest(self, i: int, direction: Double, step: float) -> float:
        """What of the values' change along a direction is not the gradient's, over the step."""
        here = self.points[i].numpy().astype(np.float64)
        sides = [_like(self.points[i], here + sign * step * direction) for sign in (1, -1)]
        totals = [self.total([*self.points[:i], x, *self.points[i + 1 :]]) for x in sides]
        moved = sides[0].numpy().astype(np.float64) - sides[1].numpy()
        return (totals[0] - totals[1] - float((self.gradients[i] * moved).sum())) / (2 * step)


def _wrong(check: _Check, step: float, rtol: float, directions: int) -> str | None:
    """What is wrong, if anything is."""
    again = check.at(check.points)
    pairs = zip(again, check.values, strict=True)
    if not all(np.array_equal(a, b, equal_nan=True) for a, b in pairs):
        return "the function gives different results for the same inputs"
    for i in check.floats:
        gradient = check.gradients[i]
        for _ in range(directions if gradient.size else 0):
            direction = check.rng.choice([-1.0, 1.0], size=gradient.shape)
            far, near = (check.rest(i, direction, h) for h in (step, step / 2))
            rest = (4 * near - far) / 3
            allowed = rtol * float(np.sqrt((gradient**2).sum())) + 2 * check.rounding / step
            if not abs(rest) <= allowed:
                slope = float((gradient * direction).sum())
                return (
                    f"along a direction of input {i} the gradient gives a slope of {slope:.6g}, "
                    f"and the values have one of {slope + rest:.6g}; {allowed:.2g} apart would do"
                )
    return None


def _outputs(given: Any) -> list[Any]:
    return [given] if isinstance(given, TensorBase) else list(given)


def _detached(x: Any) -> Any:
    """A tensor of its own, which f may differentiate for."""
    return x._as_leaf() if is_float(x.dtype) else x


def _like(x: TensorBase, values: Any) -> Any:
    array = np.asarray(values).astype(x.dtype)
    return x._wrap(backend_of(x.device).from_host(array), x.device)
