"""NaN, infinity and overflow: the GPU does with them what numpy does."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from rumus import optim
from rumus.autograd import GradientStore
from rumus.nn import Parameter
from rumus.tensor import no_grad, tensor

BAD = [np.nan, np.inf, -np.inf]
HUGE = {np.float32: [1e19, -1e20, 1e25, 3e38, 1e-30], np.float16: [6e4, -6e4]}


def run(
    make: Callable[..., optim.Optimizer], device: str, dtype: Any, where: str, special: float
) -> dict[str, Any]:
    """Parameters and states after three steps, with a special number in the first of them."""
    rng = np.random.default_rng(3)
    params = []
    for name, shape in (("a", (4, 7)), ("b", (9, 3)), ("c", (70, 33))):
        start = rng.standard_normal(shape).astype(dtype)
        if where == "parameter":
            start[1, 2] = special
        params.append(Parameter(tensor(start).to(device), name=name))
    optimizer = make(params)
    for step in range(3):
        store = GradientStore()
        for p in params:
            grad = (rng.standard_normal(p.shape) + 0.5).astype(dtype)
            if where == "gradient" and step == 0:
                grad[1, 2] = special
            store.accumulate(p.id, tensor(grad).to(device))
        optimizer.step(store)
    arrays = {f"{p.name}": p.numpy() for p in params}
    for name, entry in optimizer.state_dict()["state"].items():
        arrays |= {f"{name}.{key}": array for key, array in entry.items()}
    return arrays


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("where", ["gradient", "parameter"])
def test_both_devices_go_the_same_way(
    make_optimizer: Callable[..., optim.Optimizer], where: str, dtype: Any
) -> None:
    for special in BAD + (HUGE[dtype] if where == "gradient" else []):
        host = run(make_optimizer, "cpu", dtype, where, special)
        device = run(make_optimizer, "gpu", dtype, where, special)
        for name, array in host.items():
            message = f"{name} with {special} in the {where}"
            scale = 1e-5 if array.dtype == np.float32 else 2e-3
            np.testing.assert_allclose(
                device[name], array, rtol=5 * scale, atol=scale, err_msg=message
            )


def stepped(optimizer: optim.Optimizer, weight: Parameter, grads: list[Any]) -> Any:
    for grad in grads:
        store = GradientStore()
        store.accumulate(weight.id, tensor(np.array(grad, np.float32)).to(weight.device))
        optimizer.step(store)
    return weight.numpy()


def weight_of(values: Any, device: str) -> Parameter:
    return Parameter(tensor(np.array(values, np.float32)).to(device))


def test_lion_says_that_an_element_is_lost(device: str) -> None:
    weight = weight_of([1.0, 1.0, 1.0], device)
    values = stepped(optim.Lion([weight], lr=0.5), weight, [[math.nan, math.inf, -2.0], [1, 1, 1]])
    np.testing.assert_array_equal(values, [math.nan, 0.0, 1.0])


def test_an_infinite_weight_stays_one_where_nothing_decays(device: str) -> None:
    for make in (optim.SGD, optim.Adam, optim.RMSprop, optim.Adagrad):
        weight = weight_of([math.inf, 1.0], device)
        values = stepped(make([weight], lr=0.5), weight, [[1.0, 1.0]])
        assert values[0] == math.inf, make
        assert math.isfinite(values[1]), make


def test_a_large_gradient_keeps_adam_s_step_of_one_rate(device: str) -> None:
    weight = weight_of([1.0, 1.0, 1.0], device)
    values = stepped(optim.AdamW([weight], lr=0.5, weight_decay=0), weight, [[1e19, -5e20, 1.0]])
    np.testing.assert_allclose(values, [0.5, 1.5, 0.5], rtol=1e-5)


def test_adafactor_loses_the_matrix_that_has_nan_and_no_other(device: str) -> None:
    params = [weight_of(np.ones((3, 4)), device) for _ in range(2)]
    store = GradientStore()
    for k, p in enumerate(params):
        grad = np.ones((3, 4), np.float32)
        grad[1, 1] = np.nan if k == 0 else 1.0
        store.accumulate(p.id, tensor(grad).to(device))
    optim.Adafactor(params).step(store)
    assert np.isnan(params[0].numpy()).all()
    np.testing.assert_allclose(params[1].numpy(), np.full((3, 4), 0.99), rtol=1e-6)


@pytest.mark.parametrize("size", [1e-25, 1e19, 1e25, 3e38])
def test_muon_s_direction_does_not_depend_on_the_gradient_s_size(size: float, device: str) -> None:
    grad = np.random.default_rng(0).standard_normal((5, 7)).astype(np.float32)
    grad /= np.abs(grad).max()
    results = []
    for scale in (np.float32(1), np.float32(size)):
        weight = weight_of(np.zeros((5, 7)), device)
        optimizer = optim.Muon([weight], lr=1.0, momentum=0.0, eps=1e-30)
        results.append(stepped(optimizer, weight, [grad * scale]))
    np.testing.assert_allclose(results[1], results[0], rtol=2e-3, atol=2e-4)


def test_clamping_keeps_nan_and_clamps_infinity(device: str) -> None:
    params = [weight_of([1.0, 1.0, 1.0, 1.0], device) for _ in range(2)]
    optim.SGD(params[:1])  # on a GPU, one of them in an arena
    store = GradientStore()
    for p in params:
        grad = np.array([np.nan, np.inf, -np.inf, 0.5], np.float32)
        store.accumulate(p.id, tensor(grad).to(device))
    optim.clip_grad_value_(store, params, 2.0)
    for p in params:
        clamped: Any = store.get(p.id)
        np.testing.assert_array_equal(clamped.numpy(), [np.nan, 2.0, -2.0, 0.5])


@pytest.mark.parametrize("special", [np.nan, np.inf])
def test_an_average_follows_what_is_not_finite(special: float, device: str) -> None:
    weight = weight_of([1.0, 1.0], device)
    average = optim.WeightAverage([weight], decay=0.5)
    with no_grad():
        weight[0] = special
    average.update()
    values = average.state_dict()["averages"]["0"]
    np.testing.assert_array_equal(values, [special, 1.0])


@pytest.mark.parametrize("size", [1e24, 1e-3])
@pytest.mark.parametrize("make", [optim.LAMB, optim.Adafactor, optim.LARS])
def test_a_trust_ratio_s_norms_reach_beyond_float32_s_squares(
    make: Callable[..., optim.Optimizer], size: float, device: str
) -> None:
    rng = np.random.default_rng(0)
    start = rng.standard_normal((70, 50)) * size
    weight = weight_of(start, device)
    grad = np.sign(rng.standard_normal((70, 50)))
    options = {"betas": (0.0, 0.0), "weight_decay": 0.0} if make is optim.LAMB else {}
    moved = (stepped(make([weight], lr=0.5, **options), weight, [grad]) - start) / size
    rms = float(np.sqrt(np.mean((start / size) ** 2)))
    step = {optim.LAMB: 0.5, optim.LARS: 0.5 * 1e-3, optim.Adafactor: 0.5}[make] * rms
    np.testing.assert_allclose(moved, -step * grad, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("make", [optim.LAMB, optim.Adafactor, optim.LARS])
def test_a_trust_ratio_s_norm_holds_what_is_below_the_largest_element(
    make: Callable[..., optim.Optimizer], device: str
) -> None:
    """A GPU sums the squares of what is above 2**50 apart, scaled by 2**-90 twice."""
    start = np.full(3500, 1e15)
    start[7] = 2e15
    weight = weight_of(start, device)
    options = {"betas": (0.0, 0.0), "weight_decay": 0.0} if make is optim.LAMB else {}
    moved = stepped(make([weight], lr=0.5, **options), weight, [np.ones(3500)]) - start
    rms = float(np.sqrt(np.mean(start**2)))
    step = {optim.LAMB: 0.5, optim.LARS: 0.5 * 1e-3, optim.Adafactor: 0.5}[make] * rms
    np.testing.assert_allclose(moved, np.full(3500, -step), rtol=1e-3)


def test_a_step_and_a_moment_may_be_as_large_as_float32_goes(device: str) -> None:
    """Beyond 2**126, where the reciprocal that GPUs divide by is subnormal."""
    huge = np.array([2e38, -1e38], np.float32)
    lamb = stepped(optim.LAMB([w := weight_of(huge, device)], 0.5, weight_decay=1.0), w, [[1, 1]])
    np.testing.assert_allclose(lamb, 0.5 * huge, rtol=1e-6)
    grad = np.array([[1.3e19, -6.5e18], [-1.3e19, 6.5e18]])
    adafactor = stepped(optim.Adafactor([w := weight_of(np.ones((2, 2)), device)]), w, [grad])
    np.testing.assert_allclose(adafactor, 1 - 0.01 * np.sign(grad), rtol=1e-6)
    adamax = stepped(optim.Adamax([w := weight_of([1, 1], device)], 0.5), w, [1.5 * huge])
    np.testing.assert_allclose(adamax, [0.5, 1.5], rtol=1e-6)
    lars = stepped(optim.LARS([w := weight_of([3, 4], device)], 0.5), w, [1.5 * huge])
    step = 0.5 * 1e-3 * 5 * huge / np.linalg.norm(huge.astype(float))
    np.testing.assert_allclose(lars, np.array([3, 4]) - step, rtol=1e-6)
