"""Gradient accumulation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rumus.autograd import GradientStore
from rumus.nn import Parameter
from rumus.optim import SGD, GradientAccumulator, clip_grad_norm_
from rumus.tensor import ShapeError, Tensor, tensor


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
