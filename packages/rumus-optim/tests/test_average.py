"""Moving averages of weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rumus.gpu import capture
from rumus.nn import Parameter
from rumus.optim import (
    AdamW,
    HyperparameterError,
    OptimizerStateError,
    ParameterListError,
    WeightAverage,
)
from rumus.tensor import no_grad, tensor


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_the_average_follows_its_formula(device: str, dtype: Any) -> None:
    rng = np.random.default_rng(0)
    shapes = [(), (5,), (70, 100)]
    params = [Parameter(tensor(rng.standard_normal(s).astype(dtype)).to(device)) for s in shapes]
    average = WeightAverage(params, decay=0.8)
    expected = [p.numpy().astype(np.float64) for p in params]
    optimizer = AdamW(params, lr=0.1)
    for _ in range(10):
        optimizer.step(sum((p * p).sum() for p in params).backward())  # type: ignore[union-attr]
        average.update()
        weights = [p.numpy().astype(np.float64) for p in params]
        expected = [0.8 * e + 0.2 * w for e, w in zip(expected, weights, strict=True)]
    last = [p.numpy() for p in params]
    for value, wanted in zip(average.state_dict()["averages"].values(), expected, strict=True):
        np.testing.assert_allclose(value, wanted, rtol=1e-5, atol=1e-6)
    with average.applied():
        for p, wanted in zip(params, expected, strict=True):
            tolerance = 1e-5 if dtype == np.float32 else 2e-3
            np.testing.assert_allclose(p.numpy(), wanted, rtol=tolerance, atol=tolerance)
    for p, value in zip(params, last, strict=True):
        np.testing.assert_array_equal(p.numpy(), value)


def test_the_parameters_come_back_after_an_error(device: str) -> None:
    weight = Parameter(tensor([1.0, 2.0]).to(device))
    average = WeightAverage([weight], decay=0.5)
    with no_grad():
        weight.fill_(9.0)
    with pytest.raises(RuntimeError, match="validation"), average.applied():
        raise RuntimeError("validation failed")
    np.testing.assert_array_equal(weight.numpy(), [9.0, 9.0])


def test_a_saved_average_continues_exactly(device: str) -> None:
    weight = Parameter(tensor([1.0, 2.0]).to(device), name="w")
    first = WeightAverage([weight], decay=0.9)
    with no_grad():
        weight.fill_(5.0)
    first.update()
    second = WeightAverage([weight], decay=0.5)
    second.load_state_dict(first.state_dict())
    for average in (first, second):
        average.update()
    np.testing.assert_array_equal(
        first.state_dict()["averages"]["w"], second.state_dict()["averages"]["w"]
    )


@pytest.mark.gpu
def test_a_captured_update_follows_the_decay() -> None:
    weight = Parameter(tensor([1.0]).to("gpu"), name="w")
    average = WeightAverage([weight], decay=0.5)
    captured = capture(average.update)
    with no_grad():
        weight.fill_(2.0)
    captured()
    assert average.state_dict()["averages"]["w"].tolist() == [1.5]
    average.decay = 0.75
    captured()
    assert average.state_dict()["averages"]["w"].tolist() == [1.625]
    average.load_state_dict({"decay": 0.0, "averages": {"w": [7.0]}})
    captured()
    assert average.state_dict()["averages"]["w"].tolist() == [2.0]


def test_a_decay_outside_its_range_is_refused_later_too() -> None:
    average = WeightAverage([Parameter([1.0])], decay=0.5)
    with pytest.raises(HyperparameterError, match="decay"):
        average.decay = 1.5
    assert average.decay == 0.5


def test_groups_of_parameters_are_refused() -> None:
    with pytest.raises(ParameterListError, match="not groups"):
        WeightAverage([{"params": [Parameter([1.0])]}])  # type: ignore[list-item]


def test_averages_of_other_parameters_are_refused() -> None:
    average = WeightAverage([Parameter([1.0, 2.0], name="w")])
    with pytest.raises(OptimizerStateError, match=r"\(3,\)"):
        average.load_state_dict({"decay": 0.9, "averages": {"w": np.zeros(3)}})
    with pytest.raises(OptimizerStateError, match="other"):
        average.load_state_dict({"decay": 0.9, "averages": {"other": np.zeros(2)}})
