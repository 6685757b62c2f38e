"""Clipping against norms computed by hand in float64."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rumus.autograd import GradientStore
from rumus.nn import Parameter
from rumus.optim import (
    SGD,
    Adafactor,
    AdamW,
    HyperparameterError,
    NonFiniteGradientError,
    ParameterListError,
    clip_grad_norm_,
    clip_grad_value_,
)
from rumus.optim._gpu import norm as gpu_norm
from rumus.tensor import tensor

SHAPES = [(3, 5), (), (4097,), (1,), (64, 65), (0,), (2, 3, 4)]


def make(device: str, seed: int = 0, scale: float = 1.0, dtype: Any = np.float32) -> Any:
    rng = np.random.default_rng(seed)
    params = [Parameter(tensor(np.zeros(s, dtype)).to(device)) for s in SHAPES]
    arrays = [(rng.standard_normal(s) * scale).astype(dtype) for s in SHAPES]
    return params, arrays, fill(params, arrays, device)


def fill(params: Any, arrays: Any, device: str) -> GradientStore:
    store = GradientStore()
    for p, a in zip(params, arrays, strict=True):
        store.accumulate(p.id, tensor(a).to(device))
    return store


def norm_of(arrays: Any, order: float = 2.0) -> float:
    flat = np.concatenate([a.reshape(-1).astype(np.float64) for a in arrays])
    return float(np.linalg.norm(flat, order))


@pytest.mark.parametrize("order", [2.0, 1.0, 3.0, 0.5, math.inf])
def test_the_norm_before_clipping_is_returned_and_the_one_after_is_the_limit(
    device: str, order: float
) -> None:
    params, arrays, store = make(device)
    norm = clip_grad_norm_(store, params, 0.5, order)
    assert float(norm) == pytest.approx(norm_of(arrays, order), rel=3e-6)
    clipped = [store.get(p.id).numpy() for p in params]
    assert norm_of(clipped, order) == pytest.approx(0.5, rel=1e-5)


def test_gradients_below_the_limit_stay_bit_for_bit(device: str) -> None:
    params, arrays, store = make(device)
    clip_grad_norm_(store, params, 1e4)
    for p, a in zip(params, arrays, strict=True):
        np.testing.assert_array_equal(store.get(p.id).numpy(), a)


def test_only_the_listed_parameters_are_measured_and_clipped(device: str) -> None:
    params, arrays, store = make(device)
    norm = clip_grad_norm_(store, iter(params[:3]), 0.1)
    assert float(norm) == pytest.approx(norm_of(arrays[:3]), rel=1e-6)
    np.testing.assert_array_equal(store.get(params[4].id).numpy(), arrays[4])


def test_a_parameter_listed_twice_counts_once(device: str) -> None:
    params, arrays, store = make(device)
    norm = clip_grad_norm_(store, params + params[:2], 0.1)
    assert float(norm) == pytest.approx(norm_of(arrays), rel=1e-6)


@pytest.mark.parametrize("scale", [1e-30, 1e-19, 1e-3, 1e15, 1e25])
def test_norms_survive_squares_that_overflow_or_underflow(device: str, scale: float) -> None:
    params, arrays, store = make(device, scale=scale)
    norm = clip_grad_norm_(store, params, 1.0)
    assert float(norm) == pytest.approx(norm_of(arrays), rel=1e-5)


@pytest.mark.parametrize("order", [1.0, 0.5, 3.0, 8.0, 40.0])
@pytest.mark.parametrize("scale", [1e-36, 1e-19, 1e15, 1e32])
def test_norms_survive_powers_that_overflow_or_underflow(
    device: str, scale: float, order: float
) -> None:
    params, arrays, store = make(device, scale=scale)
    shares = [a.astype(np.float64) / scale for a in arrays]
    exact = norm_of(shares, order) * scale
    expected = exact if exact < 3.4e38 else math.inf
    norm = clip_grad_norm_(store, params, 1.0, order)
    assert float(norm) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("order", [2.0, 1.0, 3.0])
def test_finite_gradients_are_clipped_although_their_norm_overflows(
    device: str, order: float
) -> None:
    weight = Parameter(tensor(np.zeros(5, np.float32)).to(device))
    values = np.array([3e38, -3e38, 1e38, 2e38, 0], np.float32)
    optimizer = SGD([weight], lr=1.0, skip_nonfinite=True)
    store = fill([weight], [values], device)
    assert math.isinf(float(clip_grad_norm_(store, [weight], 2.0, order)))
    optimizer.step(store)
    expected = -2.0 * values.astype(np.float64) / norm_of([values], order)
    if flushes_subnormal_numbers(device):  # such as the factor of this clipping
        expected *= 0
    np.testing.assert_allclose(weight.numpy(), expected, rtol=1e-5)
    assert optimizer.skipped_steps == 0


@pytest.mark.parametrize("order", [2.0, 1.0, 3.0, math.inf])
@pytest.mark.parametrize("lr", [1.0, 1e-3])
def test_a_norm_may_be_as_large_as_float32_goes(device: str, order: float, lr: float) -> None:
    weight = Parameter(tensor(np.zeros(3, np.float32)).to(device))
    values = np.array([2e38, -1e38, 1e36], np.float32)
    store = fill([weight], [values], device)
    exact = norm_of([values], order)
    assert float(clip_grad_norm_(store, [weight], 90.0, order)) == pytest.approx(exact, rel=3e-6)
    SGD([weight], lr=lr).step(store)
    expected = -90 * lr * (values / exact)
    np.testing.assert_allclose(weight.numpy(), expected, rtol=1e-5)


@pytest.mark.parametrize("order", [2.0, 1.0, 3.0, math.inf])
@pytest.mark.parametrize("most", [2e-38, 1e-20, 1e-3, 1.0, 1e20, 3e38, 1e60, math.inf])
def test_every_factor_that_is_a_normal_number_is_right(
    device: str, order: float, most: float
) -> None:
    """Of norms from 1e-30 to 2e38, the last of which take a ``most`` above 2.4."""
    shape = np.array([0.75, -0.5, 0.25])
    for size in (1e-30, 1e-12, 1e-7, 1e-3, 1.0, 3.0, 1e9, 1e16, 1e27, 1e33, 1e37, 8e37, 1.3e38):
        values = (shape * size).astype(np.float32)
        exact = min(1.0, most / (norm_of([values], order) + 1e-6))
        if exact < 1.2e-38:
            continue
        weight = Parameter(tensor(np.zeros(3, np.float32)).to(device))
        store = fill([weight], [values], device)
        clip_grad_norm_(store, [weight], most, order)
        clipped = store.get(weight.id).numpy()
        wanted = values.astype(np.float64) * exact
        np.testing.assert_allclose(clipped, wanted, rtol=1e-5, atol=1.2e-38, err_msg=f"{size}")


def test_adafactor_takes_squares_of_clipped_gradients(device: str) -> None:
    grads = [np.array(g, np.float32) for g in ([[2e38, -1e38], [-2e38, 1e38]], np.ones((9, 70)))]
    params = [Parameter(tensor(np.ones(g.shape, np.float32)).to(device)) for g in grads]
    grads[1] *= np.float32(1e38)
    store = fill(params, grads, device)
    clip_grad_norm_(store, params, 1e4)
    Adafactor(params).step(store)
    for p, g in zip(params, grads, strict=True):
        np.testing.assert_allclose(p.numpy(), 1 - 0.01 * np.sign(g), rtol=1e-5)


def flushes_subnormal_numbers(device: str) -> bool:
    """WGSL lets a GPU take them for 0."""
    return (tensor([2e-39], device=device) * 2.0).item() == 0


def test_a_step_is_skipped_for_gradients_of_its_own_only(device: str) -> None:
    params, arrays, _ = make(device)
    arrays[0][0, 0] = math.nan
    store = fill(params, arrays, device)
    clip_grad_norm_(store, params, 1.0)
    bad, good = (SGD(part, lr=1.0, skip_nonfinite=True) for part in (params[:3], params[3:]))
    bad.step(store)
    good.step(store)
    assert [bad.skipped_steps, good.skipped_steps] == [1, 0]
    np.testing.assert_array_equal(params[0].numpy(), np.zeros(SHAPES[0]))
    np.testing.assert_array_equal(params[4].numpy(), -arrays[4])


def test_a_large_gradient_s_norm_is_right_to_a_millionth(device: str) -> None:
    rng = np.random.default_rng(0)
    values = np.abs(rng.standard_normal(3_000_001).astype(np.float32)) + np.float32(0.1)
    weight = Parameter(tensor(np.zeros_like(values)).to(device))
    store = fill([weight], [values], device)
    assert float(clip_grad_norm_(store, [weight], 1.0)) == pytest.approx(
        norm_of([values]), rel=2e-7
    )


@pytest.mark.gpu
@pytest.mark.parametrize("order", [2.0, 1.0])
@pytest.mark.parametrize("spread", [0.0, 1.0])
def test_a_norm_is_right_to_a_millionth_and_the_same_for_any_number_of_workgroups(
    spread: float, order: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = 3_000_001
    rng = np.random.default_rng(0)
    values = np.abs(rng.standard_normal(size) * spread + 0.7).astype(np.float32)
    weight = Parameter(tensor(np.zeros_like(values)).to("gpu"))
    norms = []
    for most in (gpu_norm.MOST_GROUPS, 5):
        monkeypatch.setattr(gpu_norm, "MOST_GROUPS", most)
        norms.append(clip_grad_norm_(fill([weight], [values], "gpu"), [weight], 1.0, order))
    assert float(norms[0]) == pytest.approx(norm_of([values], order), rel=3e-7)
    assert float(norms[0]) == float(norms[1])


def test_float16_gradients_are_measured_in_float32(device: str) -> None:
    params, arrays, store = make(device, scale=300.0, dtype=np.float16)
    norm = clip_grad_norm_(store, params, 10.0)
    assert float(norm) == pytest.approx(norm_of(arrays), rel=1e-5)
    assert store.get(params[0].id).dtype == np.float16


@settings(max_examples=10, deadline=None)
@given(limit=st.floats(1e-3, 1e3), seed=st.integers(0, 100))
def test_clip_then_step_equals_scaling_by_hand(limit: float, seed: int) -> None:
    check_clip_then_step("cpu", limit, seed)


@pytest.mark.gpu
@pytest.mark.parametrize("limit", [0.01, 1.0, 1e3])
def test_clip_then_step_equals_scaling_by_hand_on_the_gpu(limit: float) -> None:
    check_clip_then_step("gpu", limit, 3)


def check_clip_then_step(device: str, limit: float, seed: int) -> None:
    params, arrays, store = make(device, seed)
    by_hand, _, _ = make(device, seed)
    clipped, scaled = AdamW(params, lr=0.1), AdamW(by_hand, lr=0.1)
    factor = min(1.0, limit / (norm_of(arrays) + 1e-6))
    for _ in range(2):
        clip_grad_norm_(store, params, limit)
        clipped.step(store)
        scaled.step(fill(by_hand, [a * np.float32(factor) for a in arrays], device))
        store = fill(params, arrays, device)
    for p, q in zip(params, by_hand, strict=True):
        np.testing.assert_allclose(p.numpy(), q.numpy(), rtol=1e-5, atol=1e-6)


def test_groups_clipped_apart_keep_their_own_scales(device: str) -> None:
    params, _, store = make(device)
    first, second = params[:3], params[3:]
    clip_grad_norm_(store, first, 0.1)
    clip_grad_norm_(store, second, 0.2)
    SGD(params, lr=1.0).step(store)
    assert norm_of([p.numpy() for p in first]) == pytest.approx(0.1, rel=1e-5)
    assert norm_of([p.numpy() for p in second]) == pytest.approx(0.2, rel=1e-5)


def test_clipping_twice_clips_what_the_first_left(device: str) -> None:
    params, _, store = make(device)
    clip_grad_norm_(store, params, 0.5)
    assert float(clip_grad_norm_(store, params, 0.1)) == pytest.approx(0.5, rel=1e-5)
    SGD(params, lr=1.0).step(store)
    assert norm_of([p.numpy() for p in params]) == pytest.approx(0.1, rel=1e-5)


def test_gradients_of_a_backward_pass_are_clipped_in_their_slots(device: str) -> None:
    params, arrays, _ = make(device)
    optimizer = SGD(params, lr=1.0)
    for _ in range(2):
        before = [p.numpy() for p in params]
        loss = sum((p * tensor(a).to(device)).sum() for p, a in zip(params, arrays, strict=True))
        grads = loss.backward()
        norm = clip_grad_norm_(grads, reversed(params), 0.25)
        optimizer.step(grads)
        assert float(norm) == pytest.approx(norm_of(arrays), rel=1e-6)
        moved = [a - p.numpy() for a, p in zip(before, params, strict=True)]
        assert norm_of(moved) == pytest.approx(0.25, rel=1e-4)


@pytest.mark.parametrize("bad", [math.inf, math.nan])
def test_a_norm_that_is_not_finite_leaves_the_gradients(device: str, bad: float) -> None:
    params, arrays, _ = make(device)
    arrays[4][0, 0] = bad
    store = fill(params, arrays, device)
    norm = float(clip_grad_norm_(store, params, 1.0))
    assert math.isinf(norm) if math.isinf(bad) else math.isnan(norm)
    for p, a in zip(params, arrays, strict=True):
        np.testing.assert_array_equal(store.get(p.id).numpy(), a)
    with pytest.raises(NonFiniteGradientError, match="norm"):
        clip_grad_norm_(store, params, 1.0, error_if_nonfinite=True)
    for p, a in zip(params, arrays, strict=True):
        np.testing.assert_array_equal(store.get(p.id).numpy(), a)


def test_a_clipped_step_that_is_not_finite_is_skipped(device: str) -> None:
    params, arrays, _ = make(device)
    optimizer = AdamW(params, skip_nonfinite=True)
    arrays[0][0, 0] = math.inf
    before = [p.numpy() for p in params]
    store = fill(params, arrays, device)
    clip_grad_norm_(store, params, 1.0)
    optimizer.step(store)
    assert (optimizer.skipped_steps, optimizer.steps) == (1, 0)
    assert all(np.array_equal(a, p.numpy()) for a, p in zip(before, params, strict=True))


def test_clip_by_value_clamps_every_element(device: str) -> None:
    params, arrays, store = make(device)
    limit = np.float32(0.3)
    clip_grad_value_(store, params, 0.3)
    for p, a in zip(params, arrays, strict=True):
        expected = np.clip(a, -limit, limit)
        np.testing.assert_array_equal(store.get(p.id).numpy(), expected)


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan])
def test_limits_that_are_not_above_zero_are_refused(value: float) -> None:
    params, arrays, store = make("cpu")
    with pytest.raises(HyperparameterError, match="max_norm"):
        clip_grad_norm_(store, params, value)
    with pytest.raises(HyperparameterError, match="clip_value"):
        clip_grad_value_(store, params, value)
    with pytest.raises(HyperparameterError, match="norm_type"):
        clip_grad_norm_(store, params, 1.0, norm_type=value)
    np.testing.assert_array_equal(store.get(params[0].id).numpy(), arrays[0])


def test_something_else_than_a_parameter_is_refused() -> None:
    with pytest.raises(ParameterListError, match="Tensor"):
        clip_grad_norm_(GradientStore(), [tensor([1.0])], 1.0)  # type: ignore[list-item]


def test_no_gradients_have_a_norm_of_zero() -> None:
    assert float(clip_grad_norm_(GradientStore(), [Parameter([1.0])], 1.0)) == 0.0
