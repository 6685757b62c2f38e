"""L-BFGS: it finds minima that are known, and goes on from its state."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from rumus import optim
from rumus._backends.gpu.creation import Creation
from rumus.nn import Parameter
from rumus.optim import HyperparameterError, OptimizerStateError, ParameterListError
from rumus.optim._line_search import Point, strong_wolfe
from rumus.tensor import ArgumentError, DTypeError, MissingGradError, ShapeError, Tensor, tensor


def rosenbrock(p: Parameter) -> Callable[[], Tensor]:
    def loss() -> Tensor:
        x, y = p[:-1], p[1:]
        return ((1 - x) ** 2 + 100 * (y - x * x) ** 2).sum()

    return loss


class LeastSquares:
    """``‖A X + b - Y‖²`` in two parameters, with its solution in float64."""

    def __init__(self, device: str) -> None:
        rng = np.random.default_rng(0)
        a, y = rng.standard_normal((40, 6)), rng.standard_normal((40, 3))
        self.a, self.y = (tensor(x.astype(np.float32)).to(device) for x in (a, y))
        self.weight = Parameter(tensor(np.zeros((6, 3), np.float32)).to(device), name="w")
        self.bias = Parameter(tensor(np.zeros(3, np.float32)).to(device), name="b")
        self.solution = np.linalg.lstsq(np.hstack([a, np.ones((40, 1))]), y, rcond=None)[0]

    def loss(self) -> Tensor:
        rest = self.a @ self.weight + self.bias - self.y
        return (rest * rest).sum()

    def values(self) -> Any:
        return np.vstack([self.weight.numpy(), self.bias.numpy()[None]])


@pytest.mark.parametrize("size", [2, 10])
def test_it_goes_through_rosenbrock_s_valley(size: int, device: str) -> None:
    start = np.resize(np.array([-1.2, 1.0], np.float32), size)
    point = Parameter(tensor(start).to(device))
    optimizer = optim.LBFGS([point], max_iter=100, max_eval=300, line_search_fn="strong_wolfe")
    first = optimizer.step(rosenbrock(point))
    assert first.item() == pytest.approx(
        sum(24.2 if k % 2 == 0 else 484.0 for k in range(size - 1))
    )
    np.testing.assert_allclose(point.numpy(), 1.0, atol=2e-3)
    assert optimizer.evaluations < 200


@pytest.mark.parametrize("search", [None, "strong_wolfe"])
def test_least_squares_have_their_solution(search: str | None, device: str) -> None:
    problem = LeastSquares(device)
    lr = 1.0 if search else 0.5
    optimizer = optim.LBFGS(
        [problem.weight, problem.bias], lr, 80, history_size=8, line_search_fn=search
    )
    optimizer.step(problem.loss)
    # A loss of 80 in float32 does not tell parameters apart that are closer than this.
    np.testing.assert_allclose(problem.values(), problem.solution, atol=5e-4)


def test_steps_that_go_on_from_a_state_are_the_same_steps(device: str) -> None:
    def make() -> tuple[LeastSquares, optim.LBFGS]:
        problem = LeastSquares(device)
        params = [problem.weight, problem.bias]
        return problem, optim.LBFGS(params, 0.5, 3, history_size=4)

    whole, one = make()
    half, other = make()
    one.step(whole.loss), one.step(whole.loss)
    other.step(half.loss)
    state = other.state_dict()
    json.dumps({k: v for k, v in state.items() if k not in ("vectors", "steps", "changes")})
    again, third = make()
    for p, q in ((again.weight, half.weight), (again.bias, half.bias)):
        q_values = q.detach()
        p.detach().copy_(q_values)
    third.load_state_dict(state)
    third.step(again.loss)
    np.testing.assert_array_equal(again.values(), whole.values())
    assert (third.steps, third.evaluations) == (one.steps, one.evaluations)
    with pytest.raises(OptimizerStateError):
        optim.LBFGS([Parameter([1.0])]).load_state_dict(state)


def test_a_frozen_parameter_stays_and_is_not_missed(device: str) -> None:
    problem = LeastSquares(device)
    problem.bias.requires_grad = False
    optimizer = optim.LBFGS([problem.weight, problem.bias], line_search_fn="strong_wolfe")
    optimizer.step(problem.loss)
    assert problem.bias.tolist() == [0.0] * 3
    a, y = problem.a.numpy().astype(np.float64), problem.y.numpy().astype(np.float64)
    expected = np.linalg.lstsq(a, y, rcond=None)[0]
    np.testing.assert_allclose(problem.weight.numpy(), expected, atol=5e-4)


@pytest.mark.gpu
def test_an_iteration_reads_the_device_three_times(monkeypatch: pytest.MonkeyPatch) -> None:
    reads = []
    to_host = Creation.to_host
    monkeypatch.setattr(Creation, "to_host", lambda be, a: reads.append(a.size) or to_host(be, a))
    problem = LeastSquares("gpu")
    optimizer = optim.LBFGS([problem.weight, problem.bias], 0.1, 10, tolerance_change=0.0)
    optimizer.step(problem.loss)
    assert optimizer.steps == 10
    assert len(reads) <= 3 * 10 + 1
    assert max(reads) <= 3


@pytest.mark.parametrize("t", [1e-3, 0.1, 1.0, 30.0])
@pytest.mark.parametrize(
    ("f", "slope"),
    [
        (lambda t: (t - 3.0) ** 2, lambda t: 2 * (t - 3.0)),
        (lambda t: -t / (t * t + 2), lambda t: (t * t - 2) / (t * t + 2) ** 2),
        (lambda t: np.exp(t) - 3 * t, lambda t: np.exp(t) - 3),
    ],
)
def test_a_search_ends_where_wolfe_s_conditions_hold(
    f: Callable[[float], float], slope: Callable[[float], float], t: float
) -> None:
    def look(at: float) -> Point[None]:
        return Point(at, float(f(at)), float(slope(at)), None)

    start = look(0.0)
    found, looks = strong_wolfe(look, start, t, 1.0, 1e-9)
    assert found.loss <= start.loss + 1e-4 * found.t * start.slope
    assert abs(found.slope) <= 0.9 * abs(start.slope)
    assert looks <= 26


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda p: optim.LBFGS([p], lr=0.0), HyperparameterError),
        (lambda p: optim.LBFGS([p], line_search_fn="armijo"), HyperparameterError),
        (lambda p: optim.LBFGS([p], history_size=0), HyperparameterError),
        (lambda p: optim.LBFGS([p, p]), ParameterListError),
        (lambda p: optim.LBFGS([]), ParameterListError),
        (lambda p: optim.LBFGS([Parameter(tensor([1.0], dtype="float16"))]), DTypeError),
        (lambda p: optim.LBFGS([p]).step(None), ArgumentError),
        (lambda p: optim.LBFGS([p]).step(lambda: 1.0), ArgumentError),
        (lambda p: optim.LBFGS([p]).step(lambda: p * 2.0), ShapeError),
        (lambda p: optim.LBFGS([p, Parameter([1.0])]).step(lambda: p.sum()), MissingGradError),
    ],
)
def test_mistakes_have_errors(call: Callable[[Parameter], Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        call(Parameter([1.0, 2.0]))
