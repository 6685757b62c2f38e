"""Gradient accumulation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rumus.autograd import GradientStore
from rumus.nn import Parameter
from rumus.optim import (
    SGD,
    GradientAccumulator,
    OptimizerStateError,
    ParameterListError,
    clip_grad_norm_,
)
from rumus.tensor import DTypeError, ShapeError, Tensor, tensor


def store_of(weight: Parameter, value: float, device: str) -> GradientStore:
    store = GradientStore()
    store.accumulate(weight.id, tensor(np.full(weight.shape, value, np.float32)).to(device))
    return store


def test_a_window_gives_the_mean_and_a_short_last_one_its_own(device: str) -> None:
    weight = Parameter(tensor(np.zeros((3, 2), np.float32)).to(device))
    accumulator = GradientAccumulator(3)
    results = [accumulator.add(store_of(weight, v, device)) for v in (1.0, 2.0, 6.0, 10.0, 20.0)]
    assert [r is not None for r in results] == [False, False, True, False, False]
    last = accumulator.flush()
    assert last is not None
    assert accumulator.flush() is None
    optimizer = SGD([weight], lr=1.0)
    optimizer.step(results[2])  # type: ignore[arg-type]
    np.testing.assert_allclose(weight.numpy(), np.full((3, 2), -3.0))
    optimizer.step(last)
    np.testing.assert_allclose(weight.numpy(), np.full((3, 2), -18.0))


def test_a_window_can_be_clipped_and_a_bad_one_skipped(device: str) -> None:
    weight = Parameter(tensor(np.zeros(4, np.float32)).to(device))
    optimizer = SGD([weight], lr=1.0, skip_nonfinite=True)
    accumulator = GradientAccumulator(2)
    for value in (2.0, 4.0):
        window = accumulator.add(store_of(weight, value, device))
    assert window is not None
    assert float(clip_grad_norm_(window, [weight], 3.0)) == pytest.approx(6.0)
    optimizer.step(window)
    np.testing.assert_allclose(weight.numpy(), np.full(4, -1.5), rtol=1e-5)
    for value in (2.0, math.inf):
        window = accumulator.add(store_of(weight, value, device))
    assert window is not None
    optimizer.step(window)
    assert optimizer.skipped_steps == 1
    np.testing.assert_allclose(weight.numpy(), np.full(4, -1.5), rtol=1e-5)


def test_a_gradient_that_does_not_fit_is_refused_and_not_counted() -> None:
    weight = Parameter([0.0, 0.0])
    accumulator = GradientAccumulator(2)
    accumulator.add(store_of(weight, 1.0, "cpu"))
    other = GradientStore()
    other.accumulate(weight.id, tensor([1.0, 2.0, 3.0]))
    with pytest.raises(ShapeError):
        accumulator.add(other)
    assert accumulator.added == 1


def losses(params: list[Parameter], weights: list[float]) -> Tensor:
    """A loss with gradient ``weight`` for each parameter of a weight that is not 0."""
    used = [(p * w).sum() for p, w in zip(params, weights, strict=True) if w]
    return sum(used[1:], start=used[0])


@pytest.mark.parametrize(
    "passes",
    [
        [[1.0, 2.0, 3.0], [5.0, 6.0, 7.0], [9.0, 1.0, 2.0]],
        [[1.0, 2.0, 3.0], [5.0, 0.0, 7.0], [9.0, 1.0, 2.0]],
        [[0.0, 2.0, 3.0], [5.0, 6.0, 7.0], [9.0, 1.0, 2.0]],
        [[1.0, 0.0, 0.0], [0.0, 6.0, 7.0], [9.0, 0.0, 2.0]],
        [[0.0, 2.0, 3.0], [0.0, 6.0, 7.0], [9.0, 1.0, 2.0]],
    ],
)
@pytest.mark.parametrize("kept", [False, True])
def test_gradients_in_an_optimizer_s_arena_add_up_whichever_a_pass_has(
    passes: list[list[float]], kept: bool, device: str
) -> None:
    params = [Parameter(tensor(np.zeros(n, np.float32)).to(device)) for n in (40, 3, 70)]
    SGD(params, lr=1.0)
    accumulator = GradientAccumulator(3)
    alive = []
    for weights in passes:
        grads = losses(params, weights).backward()
        alive += [grads.get(p.id) for p in params if kept]
        window = accumulator.add(grads)
        assert len(grads) == 0
    assert window is not None
    for p, *values in zip(params, *passes, strict=True):
        grad = window.get(p.id)
        assert grad is not None
        np.testing.assert_allclose(grad.numpy(), np.full(p.shape, sum(values) / 3), rtol=1e-6)
    total = sum(p.size * (sum(v) / 3) ** 2 for p, *v in zip(params, *passes, strict=True))
    assert float(clip_grad_norm_(window, params, 1e9)) == pytest.approx(math.sqrt(total), rel=1e-6)


def test_a_finished_window_stays_as_it_is_while_the_next_one_is_added(device: str) -> None:
    params = [Parameter(tensor(np.zeros(n, np.float32)).to(device)) for n in (40, 3)]
    SGD(params, lr=1.0)
    accumulator = GradientAccumulator(2)
    windows = [accumulator.add(losses(params, [w, 2 * w]).backward()) for w in (1.0, 3.0, 5.0, 9.0)]
    for window, mean in ((windows[1], 2.0), (windows[3], 7.0)):
        assert window is not None
        for p, factor in zip(params, (1, 2), strict=True):
            grad = window.get(p.id)
            assert grad is not None
            np.testing.assert_allclose(grad.numpy(), np.full(p.shape, factor * mean))


HALVES = [
    [30000.0] * 4,
    [-65504.0, -65504.0, 65504.0],
    [2048.0] + [1.0] * 63,
    [6e-8] * 3,
    [0.1, 0.2, 0.3],
]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("values", HALVES)
def test_float16_gradients_are_summed_in_float32_and_rounded_once(
    values: list[float], packed: bool, device: str
) -> None:
    params = [Parameter(tensor(np.zeros(n, np.float16)).to(device)) for n in (40, 3, 70)]
    if packed:
        SGD(params, lr=1.0)
    accumulator = GradientAccumulator(len(values))
    for value in values:
        loss = sum(((p * value).sum() for p in params[1:]), start=(params[0] * value).sum())
        window = accumulator.add(loss.backward())
    exact = np.array(values, np.float16).astype(np.float64).mean()
    assert window is not None
    for p in params:
        grad = window.get(p.id)
        assert grad is not None
        assert grad.dtype == np.float16
        np.testing.assert_array_equal(grad.numpy(), np.full(p.shape, exact).astype(np.float16))


def test_a_gradient_of_another_dtype_than_before_is_refused_and_not_counted(device: str) -> None:
    weight = Parameter(tensor(np.zeros(2, np.float16)).to(device))
    accumulator = GradientAccumulator(2)
    accumulator.add((weight * 2.0).sum().backward())
    other = GradientStore()
    other.accumulate(weight.id, tensor([1.0, 2.0]).to(device))
    with pytest.raises(DTypeError):
        accumulator.add(other)
    assert (accumulator.added, len(other)) == (1, 1)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("packed", [False, True])
def test_an_open_window_is_saved_and_goes_on_bit_for_bit(
    packed: bool, dtype: type, device: str
) -> None:
    weights = [[0.1, 0.2, 0.3], [5.0, 0.0, 7.0], [9.0, 1.0, 2.0]]

    def make() -> tuple[list[Parameter], GradientAccumulator]:
        params = [
            Parameter(tensor(np.zeros(n, dtype)).to(device), name=f"w{n}") for n in (40, 3, 70)
        ]
        if packed:
            SGD(params, lr=1.0)
        return params, GradientAccumulator(3, params)

    params, accumulator = make()
    others, resumed = make()
    for row in weights[:2]:
        accumulator.add(losses(params, row).backward())
    saved = accumulator.state_dict()
    assert all(array.dtype == np.float32 for array in saved["sums"].values())
    resumed.load_state_dict(saved)
    assert resumed.added == 2
    windows = [
        a.add(losses(p, weights[2]).backward())
        for a, p in ((accumulator, params), (resumed, others))
    ]
    for p, q in zip(params, others, strict=True):
        first, second = (w.get(x.id) for w, x in zip(windows, (p, q), strict=True))  # type: ignore[union-attr]
        assert first is not None and second is not None
        assert second.dtype == dtype
        np.testing.assert_array_equal(first.numpy(), second.numpy())


def test_a_window_without_names_is_saved_only_when_it_is_complete() -> None:
    weight = Parameter([0.0, 0.0])
    accumulator = GradientAccumulator(2)
    assert accumulator.state_dict() == {"steps": 2, "added": 0, "sums": {}}
    accumulator.add(store_of(weight, 1.0, "cpu"))
    with pytest.raises(ParameterListError, match="params"):
        accumulator.state_dict()
    accumulator.add(store_of(weight, 1.0, "cpu"))
    fresh = GradientAccumulator(2)
    fresh.load_state_dict(accumulator.state_dict())
    assert fresh.added == 0


@pytest.mark.parametrize(
    "change",
    [
        {"added": 2},
        {"added": -1},
        {"added": 0},
        {"added": "1"},
        {"sums": {"v": [1.0, 2.0]}},
        {"sums": {"w": [1.0]}},
        {"sums": {"w": "much"}},
        {"sums": [1.0]},
    ],
)
def test_a_window_s_state_that_does_not_fit_changes_nothing(change: dict[str, object]) -> None:
    weight = Parameter([0.0, 0.0], name="w")
    accumulator = GradientAccumulator(2, [weight])
    accumulator.add(store_of(weight, 3.0, "cpu"))
    state = accumulator.state_dict()
    with pytest.raises(OptimizerStateError):
        accumulator.load_state_dict({**state, **change})
    assert accumulator.state_dict()["sums"]["w"].tolist() == [3.0, 3.0]
    with pytest.raises(OptimizerStateError):
        accumulator.load_state_dict({})
