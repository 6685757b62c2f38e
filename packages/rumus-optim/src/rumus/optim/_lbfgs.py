"""L-BFGS: a quasi-Newton method for whole batches."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from rumus.nn import Parameter
from rumus.optim import _checks
from rumus.optim._errors import HyperparameterError, OptimizerStateError, ParameterListError
from rumus.optim._expects import expects
from rumus.optim._flat_vectors import (
    FlatSpace,
    Vector,
    added,
    dot,
    largest,
    read,
    scaled,
    total,
)
from rumus.optim._groups import flat_params, state_keys
from rumus.optim._line_search import Point, strong_wolfe
from rumus.optim._reading import reading
from rumus.tensor import ArgumentError, ShapeError, Tensor

_LEAST_CURVATURE = 1e-10
_VECTORS = ("direction", "grad")


@dataclass
class _Memory:
    """What goes from one iteration to the next.

    Attributes:
        iterations: made so far.
        evaluations: of the loss so far.
        loss: at the last iteration's start.
        t: the last step's size.
        scale: the first guess of the inverse Hessian's diagonal.
        direction: the last step's direction.
        grad: the gradient at the last iteration's start.
        steps: the latest steps ``s``, the oldest first.
        changes: the gradient's changes ``y`` in them.
        inverses: ``1 / (y · s)`` of each.
    """

    iterations: int = 0
    evaluations: int = 0
    loss: float = 0.0
    t: float = 0.0
    scale: float = 1.0
    direction: Vector = field(default_factory=list)
    grad: Vector = field(default_factory=list)
    steps: list[Vector] = field(default_factory=list)
    changes: list[Vector] = field(default_factory=list)
    inverses: list[float] = field(default_factory=list)


@dataclass
class _Here:
    """The last evaluation: loss, gradient, and the gradient's largest magnitude."""

    loss: float
    grad: Vector
    most: float


class LBFGS:
    r"""Newton's direction from the last changes of the gradient, for losses without noise.

    With the last ``m`` steps ``s`` and changes of the gradient ``y``, ``ρ = 1/(y·s)``, each
    iteration's direction ``d = -H g`` follows from two loops over them; ``H`` starts as
    ``(y·s)/(y·y)``. Then ``p ← p + t d`` with ``t = lr``, or with a ``t`` that fulfils the strong
    Wolfe conditions. Nocedal & Wright, "Numerical Optimization", 2006, algorithm 7.4, with
    PyTorch's options, defaults and ends.

    All vectors stay on the parameters' device; an iteration reads two handfuls of numbers from it,
    and a line search one more for each point that it looks at. A captured step cannot hold it.

    Args:
        params: float32 parameters or ``(name, parameter)`` pairs, no groups.
        lr: step size, and where a line search begins, above 0 (default 1).
        max_iter: iterations of a step, at least 1 (default 20).
        max_eval: evaluations of a step after which it ends (default: 1.25 ``max_iter``).
        tolerance_grad: end when no element of the gradient is larger (default 1e-7).
        tolerance_change: end when loss or parameters change less (default 1e-9).
        history_size: ``m``, at least 1 (default 100).
        line_search_fn: ``"strong_wolfe"``, or None for steps of ``lr`` (default).

    Raises:
        HyperparameterError: a value is outside its range.
        ParameterListError: no parameters, one of them twice, groups, or another object.
        DTypeError: a parameter is not float32.

    Example:
        >>> from rumus.tensor import tensor
        >>> point = Parameter([-1.5, 2.0])
        >>> def rosenbrock() -> Tensor:
        ...     x, y = point[0], point[1]
        ...     return (1 - x) ** 2 + 100 * (y - x * x) ** 2
        >>> optimizer = LBFGS([point], max_iter=60, line_search_fn="strong_wolfe")
        >>> loss = optimizer.step(rosenbrock)
        >>> [round(x, 3) for x in point.tolist()]
        [1.0, 1.0]
    """

    def __init__(
        self,
        params: Iterable[Parameter | tuple[str, Parameter]],
        lr: float = 1.0,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: Literal["strong_wolfe"] | None = None,
    ) -> None:
        groups = flat_params(params)
        self._params = [p for group in groups for p in group.params]
        if len({p.device for p in self._params}) > 1:
            raise ParameterListError("the parameters of one optimizer must be on one device")
        self._keys = state_keys(groups)
        self._space = FlatSpace(self._params)
        self._lr = _checks.positive("lr", lr)
        self._max_iter = _checks.count("max_iter", max_iter)
        most = self._max_iter * 5 // 4 if max_eval is None else max_eval
        self._max_eval = _checks.count("max_eval", most)
        self._tolerance_grad = _checks.non_negative("tolerance_grad", tolerance_grad)
        self._tolerance_change = _checks.non_negative("tolerance_change", tolerance_change)
        self._history = _checks.count("history_size", history_size)
        if line_search_fn not in (None, "strong_wolfe"):
            raise HyperparameterError(
                f'line_search_fn must be "strong_wolfe" or None, got {line_search_fn!r}'
            )
        self._searches = line_search_fn is not None
        self._memory = _Memory()

    @property
    def params(self) -> list[Parameter]:
        """The parameters, in order."""
        return list(self._params)

    @property
    def steps(self) -> int:
        """Iterations made so far, in all steps."""
        return self._memory.iterations

    @property
    def evaluations(self) -> int:
        """How often the loss was computed so far."""
        return self._memory.evaluations

    def get_lr(self) -> float:
        """The step size, or where a line search begins."""
        return self._lr

    def set_lr(self, lr: float) -> None:
        """Set the step size.

        Raises:
            HyperparameterError: it is not above 0.
        """
        self._lr = _checks.positive("lr", lr)

    @expects("optimizer.step(closure), where closure() computes the loss anew")
    def step(self, closure: Callable[[], Tensor]) -> Tensor:
        """Take up to ``max_iter`` iterations.

        Args:
            closure: computes the loss of the whole batch anew, a scalar with its graph; called
                several times.

        Returns:
            The loss before the first iteration, cut off from the graph.

        Raises:
            ArgumentError: ``closure`` is no function, or returned something else than a tensor.
            ShapeError: the loss is no scalar.
            MissingGradError: the loss does not depend on a parameter that requires a gradient.
        """
        if not callable(closure):
            raise ArgumentError("step takes a function that computes the loss anew")
        first, here = self._evaluate(closure)
        if here.most <= self._tolerance_grad:
            return first
        memory, evaluated = self._memory, 1
        for iteration in range(1, self._max_iter + 1):
            is_last = iteration == self._max_iter
            memory.iterations += 1
            direction = self._direction(here)
            slope, extent, reach = read(
                dot(here.grad, direction), largest(direction), total(here.grad)
            )
            memory.direction, memory.grad, memory.loss = direction, here.grad, here.loss
            memory.t = self._lr
            if memory.iterations == 1:
                memory.t *= min(1.0, 1 / reach)
            if slope > -self._tolerance_change or math.isnan(slope):
                break
            if self._searches:
                here, looks = self._search(closure, here, slope, extent)
            else:
                self._space.move(added(self._space.point(), direction, memory.t))
                looks = int(not is_last)
                if not is_last:
                    here = self._evaluate(closure)[1]
            evaluated += looks
            if (
                is_last
                or evaluated >= self._max_eval
                or here.most <= self._tolerance_grad
                or extent * memory.t <= self._tolerance_change
                or abs(here.loss - memory.loss) < self._tolerance_change
            ):
                break
        return first

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to continue, vectors as float32 arrays over all elements in order."""
        memory = self._memory
        host = self._space.to_host
        return {
            "optimizer": "LBFGS",
            "lr": self._lr,
            "params": {k: list(p.shape) for k, p in zip(self._keys, self._params, strict=True)},
            "step": memory.iterations,
            "evaluations": memory.evaluations,
            "loss": memory.loss,
            "t": memory.t,
            "scale": memory.scale,
            "inverses": list(memory.inverses),
            "vectors": {
                name: host(getattr(memory, name)) for name in _VECTORS if memory.iterations
            },
            "steps": [host(vector) for vector in memory.steps],
            "changes": [host(vector) for vector in memory.changes],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from :meth:`state_dict`; options other than ``lr`` stay as they were made.

        Raises:
            OptimizerStateError: another optimizer's, or of other parameters or shapes; nothing has
                changed then.
        """
        shapes = {k: list(p.shape) for k, p in zip(self._keys, self._params, strict=True)}
        with reading("LBFGS", state):
            if state["optimizer"] != "LBFGS" or dict(state["params"]) != shapes:
                raise OptimizerStateError(
                    f"expected the state of an LBFGS of {shapes}, got that of "
                    f"{state['optimizer']!r} of {dict(state['params'])}"
                )
            memory = _Memory(
                iterations=_checks.count("step", state["step"], least=0),
                evaluations=_checks.count("evaluations", state["evaluations"], least=0),
                loss=float(state["loss"]),
                t=float(state["t"]),
                scale=float(state["scale"]),
                inverses=[float(x) for x in state["inverses"]],
                steps=[self._read(vector) for vector in state["steps"]],
                changes=[self._read(vector) for vector in state["changes"]],
                **{name: self._read(vector) for name, vector in state["vectors"].items()},
            )
            lr = _checks.positive("lr", state["lr"])
        self._memory, self._lr = memory, lr

    def __repr__(self) -> str:
        return f"<LBFGS: {len(self._params)} parameters, lr {self._lr:g}>"

    def _read(self, values: Any) -> Vector:
        array = np.asarray(values, np.float32)
        size = sum(p.size for p in self._params)
        if array.shape != (size,):
            raise OptimizerStateError(f"a vector has shape {array.shape}, here {(size,)}")
        return self._space.from_host(array)

    def _evaluate(self, closure: Callable[[], Tensor]) -> tuple[Tensor, _Here]:
        loss = closure()
        if not isinstance(loss, Tensor):
            raise ArgumentError(f"closure must return the loss, not a {type(loss).__name__}")
        if loss.shape != ():
            raise ShapeError(f"the loss must be a scalar, and has shape {loss.shape}")
        grad = self._space.gradient(loss.backward())
        loss = loss.detach()
        value, most = read(loss, largest(grad))
        self._memory.evaluations += 1
        return loss, _Here(value, grad, most)

    def _direction(self, here: _Here) -> Vector:
        """``-H g`` by two loops over the steps so far, the last one among them."""
        memory = self._memory
        if memory.iterations > 1:
            self._remember(here)
        direction = scaled(here.grad, -1.0)
        shares = []
        history = list(zip(memory.steps, memory.changes, memory.inverses, strict=True))
        for step, change, inverse in reversed(history):
            share = dot(step, direction) * inverse
            shares.append(share)
            direction = added(direction, change, -share)
        direction = scaled(direction, memory.scale)
        for (step, change, inverse), share in zip(history, reversed(shares), strict=True):
            direction = added(direction, step, share - dot(change, direction) * inverse)
        return direction

    def _remember(self, here: _Here) -> None:
        memory = self._memory
        change = added(here.grad, memory.grad, -1.0)
        step = scaled(memory.direction, memory.t)
        curvature, square = read(dot(change, step), dot(change, change))
        if not curvature > _LEAST_CURVATURE:
            return
        memory.steps.append(step)
        memory.changes.append(change)
        memory.inverses.append(1 / curvature)
        for kept in (memory.steps, memory.changes, memory.inverses):
            del kept[: -self._history]
        memory.scale = curvature / square

    def _search(
        self, closure: Callable[[], Tensor], here: _Here, slope: float, extent: float
    ) -> tuple[_Here, int]:
        """Go where the line search ends, and what was evaluated there."""
        memory, origin = self._memory, self._space.point()

        def look(t: float) -> Point[_Here]:
            self._space.move(added(origin, memory.direction, t))
            there = self._evaluate(closure)[1]
            (along,) = read(dot(there.grad, memory.direction))
            return Point(t, there.loss, along, there)

        start = Point(0.0, here.loss, slope, here)
        found, looks = strong_wolfe(look, start, memory.t, extent, self._tolerance_change)
        memory.t = found.t
        self._space.move(added(origin, memory.direction, found.t))
        return found.place, looks
