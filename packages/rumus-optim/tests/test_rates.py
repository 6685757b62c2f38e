"""Learning rates of groups: multiples of the optimizer's, which schedules and states keep."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from rumus.nn import Parameter
from rumus.optim import (
    SGD,
    AdamW,
    GradientAccumulator,
    HyperparameterError,
    Optimizer,
    OptimizerStateError,
    WeightAverage,
)
from rumus.optim.lr_scheduler import ExponentialLR


def made(base: float = 0.1, **second: Any) -> Optimizer:
    params = [Parameter([1.0, 2.0], name=name) for name in ("a", "b")]
    return AdamW([{"params": params[:1]}, {"params": params[1:], **second}], lr=base)


def rates(optimizer: Optimizer) -> list[float]:
    return [float(group["lr"]) for group in optimizer.groups]


def stepped(optimizer: Optimizer) -> Optimizer:
    a, b = optimizer.params
    optimizer.step(((a * a).sum() + (b * b).sum()).backward())
    return optimizer


def test_a_schedule_keeps_the_groups_own_rates() -> None:
    optimizer, schedule = made(0.1, lr=0.01), ExponentialLR(0.1, gamma=0.5)
    for epoch in range(4):
        optimizer.set_lr(schedule.get_lr())
        assert rates(optimizer) == pytest.approx([0.1 * 0.5**epoch, 0.01 * 0.5**epoch], rel=1e-12)
        assert optimizer.get_lr() == schedule.get_lr()
        schedule.step()


def test_a_step_uses_the_group_s_rate(device: str) -> None:
    from rumus.tensor import tensor

    params = [Parameter(tensor([1.0, 1.0]).to(device)) for _ in range(2)]
    optimizer = SGD([{"params": params[:1]}, {"params": params[1:], "lr_scale": 0.5}], lr=0.1)
    optimizer.set_lr(0.2)
    optimizer.step(((params[0] * 3.0).sum() + (params[1] * 3.0).sum()).backward())
    np.testing.assert_allclose(params[0].numpy(), [0.4, 0.4], rtol=1e-6)
    np.testing.assert_allclose(params[1].numpy(), [0.7, 0.7], rtol=1e-6)


def test_a_rate_of_0_forgets_no_group() -> None:
    optimizer = made(0.1, lr=0.02)
    optimizer.set_lr(0.0)
    assert rates(optimizer) == [0.0, 0.0]
    optimizer.set_lr(1.0)
    assert rates(optimizer) == pytest.approx([1.0, 0.2])


def test_a_group_says_its_rate_or_its_scale() -> None:
    assert rates(made(0.1, lr_scale=3.0)) == pytest.approx([0.1, 0.3])
    assert made(0.1, lr=0.05).groups[1]["lr_scale"] == pytest.approx(0.5)
    assert rates(made(0.003, lr=0.001)) == [0.003, 0.001]
    frozen = made(0.1, lr=0.0)
    frozen.set_lr(0.7)
    assert rates(frozen) == [0.7, 0.0]
    warm = made(0.0, lr_scale=0.5)
    warm.set_lr(0.2)
    assert rates(warm) == pytest.approx([0.2, 0.1])


@pytest.mark.parametrize(
    ("lr", "second", "named"),
    [
        (0.0, {"lr": 0.1}, "lr_scale"),
        (0.0, {"lr": 0.0}, "lr_scale"),
        (1e-300, {"lr": 1e300}, "lr_scale"),
        (0.1, {"lr": 0.1, "lr_scale": 1.0}, "lr_scale"),
        (0.1, {"lr_scale": -1.0}, "lr_scale"),
        (0.1, {"lr_scale": math.nan}, "lr_scale"),
        (0.1, {"lr_scale": "half"}, "lr_scale"),
        (0.1, {"lr": "fast"}, "lr"),
        (0.1, {"lr": math.inf}, "lr"),
        (-0.1, {"lr": 0.1}, "lr"),
    ],
)
def test_rates_that_cannot_be_are_refused(lr: float, second: Any, named: str) -> None:
    with pytest.raises(HyperparameterError, match=named):
        made(lr, **second)


def test_setting_a_group_s_rate_sets_its_scale() -> None:
    optimizer = made(0.1)
    optimizer.set_lr(0.5, group=1)
    assert rates(optimizer) == [0.1, 0.5]
    assert optimizer.groups[1]["lr_scale"] == 5.0
    optimizer.set_lr(0.2)
    assert rates(optimizer) == pytest.approx([0.2, 1.0])
    optimizer.set_option("lr", 0.4)
    assert rates(optimizer) == pytest.approx([0.4, 2.0])
    assert (optimizer.get_lr(), optimizer.get_lr(1)) == pytest.approx((0.4, 2.0))


def test_a_rate_that_is_refused_changes_no_group() -> None:
    optimizer = made(0.1, lr_scale=1e10)
    before = optimizer.groups
    for lr in (-1.0, math.nan, 1e300, "fast"):
        with pytest.raises(HyperparameterError, match="lr"):
            optimizer.set_lr(lr)  # type: ignore[arg-type]
    optimizer.set_lr(0.0)
    with pytest.raises(HyperparameterError, match="is 0"):
        optimizer.set_lr(0.1, group=0)
    with pytest.raises(HyperparameterError, match="no group"):
        optimizer.set_lr(0.1, group=2)
    optimizer.set_lr(0.1)
    after = [{k: v for k, v in g.items() if k != "params"} for g in optimizer.groups]
    assert after == [{k: v for k, v in g.items() if k != "params"} for g in before]


@pytest.mark.parametrize("lr", [0.05, 0.0])
def test_rates_and_scales_are_saved(lr: float) -> None:
    first, second = stepped(made(0.1, lr=0.01)), stepped(made(0.1))
    first.set_lr(lr)
    state = json.loads(json.dumps(first.state_dict(), default=lambda a: a.tolist()))
    second.load_state_dict(state)
    assert (second.get_lr(), rates(second)) == (lr, rates(first))
    second.set_lr(1.0)
    assert rates(second) == pytest.approx([1.0, 0.1])


def old(optimizer: Optimizer, values: list[float]) -> dict[str, Any]:
    """A state as 0.1 wrote it, with these rates."""
    state = optimizer.state_dict()
    for name in ("lr", "steps"):
        del state[name]
    for group, lr in zip(state["groups"], values, strict=True):
        del group["lr_scale"]
        group["lr"] = lr
    return state


@pytest.mark.parametrize(
    ("saved", "base"),
    [
        ([0.05, 0.005], 0.05),
        ([0.05, 0.05], 0.05),
        ([0.0, 0.02], 0.02),
        ([0.03, 0.0], 0.03),
        ([0.0, 0.0], 0.0),
    ],
)
def test_states_of_an_earlier_version_keep_their_groups_rates(
    saved: list[float], base: float
) -> None:
    optimizer = stepped(made(0.1, lr=0.01))
    optimizer.load_state_dict(old(optimizer, saved))
    assert rates(optimizer) == saved
    assert optimizer.get_lr() == pytest.approx(base)
    optimizer.set_lr(2 * optimizer.get_lr())
    assert rates(optimizer) == pytest.approx([2 * rate for rate in saved])


@pytest.mark.parametrize("change", [{"lr": -1.0}, {"lr": None}, {"lr": "fast"}])
def test_a_state_with_a_rate_that_cannot_be_is_refused(change: dict[str, Any]) -> None:
    optimizer = stepped(made())
    with pytest.raises(OptimizerStateError):
        optimizer.load_state_dict({**optimizer.state_dict(), **change})
    state = optimizer.state_dict()
    del state["groups"][1]["lr_scale"]
    with pytest.raises(OptimizerStateError):
        optimizer.load_state_dict(state)
    assert rates(optimizer) == [0.1, 0.1]


def test_a_window_and_an_average_show_how_far_they_are() -> None:
    weight = Parameter([1.0])
    accumulator = GradientAccumulator(3)
    accumulator.add((weight * 2.0).sum().backward())
    assert repr(accumulator) == "<GradientAccumulator: 1 of 3 passes>"
    assert repr(WeightAverage([weight], 0.9)) == "<WeightAverage: 1 parameters, decay 0.9>"
