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


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("kept", [[0, 1], [2], [0, 3], [], [1, 2, 3, 4]], ids=str)
def test_some_averages_are_kept_and_move_as_among_all(
    device: str, dtype: Any, kept: list[int]
) -> None:
    rng = np.random.default_rng(1)
    shapes = [(3,), (70, 10), (), (0, 4), (130,)]

    def made() -> tuple[list[Parameter], WeightAverage]:
        rng = np.random.default_rng(0)
        arrays = [rng.standard_normal(shape).astype(dtype) for shape in shapes]
        params = [Parameter(tensor(a).to(device), name=f"p{k}") for k, a in enumerate(arrays)]
        AdamW(params, lr=0.1)
        return params, WeightAverage(params, decay=0.75)

    (whole, every), (some, part) = made(), made()
    assert part.params == some
    every.update()
    part.update()
    part.keep([some[k] for k in kept])
    for _ in range(3):
        for shape, first, second in zip(shapes, whole, some, strict=True):
            value = tensor(rng.standard_normal(shape).astype(dtype)).to(device)
            with no_grad():
                first.copy_(value)
                second.copy_(value)
        every.update()
        part.update()
    state, own = every.state_dict()["averages"], part.state_dict()["averages"]
    assert list(own) == [f"p{k}" for k in kept]
    for key, values in own.items():
        np.testing.assert_array_equal(values, state[key])
    with part.applied():
        for k, p in enumerate(some):
            shown = state[f"p{k}"].astype(dtype) if k in kept else whole[k].numpy()
            np.testing.assert_array_equal(p.numpy(), shown)
    part.keep(some)
    part.load_state_dict({"decay": 0.75, "averages": {**part.state_dict()["averages"], **own}})
    for key, values in part.state_dict()["averages"].items():
        here = int(key[1:])
        wanted = state[key] if here in kept else some[here].numpy().astype(np.float32)
        np.testing.assert_array_equal(values, wanted)
    part.load_state_dict(every.state_dict())
    for key, values in part.state_dict()["averages"].items():
        np.testing.assert_array_equal(values, state[key])


def test_only_what_is_averaged_can_be_kept() -> None:
    params = [Parameter(tensor([1.0]), name=name) for name in "ab"]
    average = WeightAverage(params)
    with pytest.raises(ParameterListError, match="parameter 'c' is none"):
        average.keep([params[0], Parameter(tensor([1.0]), name="c")])
    average.keep(params[1:])
    with pytest.raises(OptimizerStateError, match="expected averages of a, b"):
        average.load_state_dict({"decay": 0.5, "averages": {"a": np.ones(1)}})
    assert average.decay == 0.999
