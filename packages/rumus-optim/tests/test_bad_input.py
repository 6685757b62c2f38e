"""Mistakes get an error that names them, and nothing has changed."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from rumus import optim
from rumus.nn import Linear, Parameter
from rumus.optim import (
    HyperparameterError,
    OptimizerStateError,
    ParameterListError,
    lr_scheduler,
)
from rumus.tensor import ArgumentError, RumusError, StateDictError, tensor

W = Parameter([[1.0, 2.0], [3.0, 4.0]], name="w")
BAD: list[tuple[Callable[[], object], str]] = [
    (lambda: optim.SGD([W], lr=-0.1), "lr"),
    (lambda: optim.SGD([W], lr=math.nan), "lr"),
    (lambda: optim.SGD([W], lr=math.inf), "lr"),
    (lambda: optim.SGD([W], lr="fast"), "lr"),  # type: ignore[arg-type]
    (lambda: optim.SGD([W], momentum=-1.0), "momentum"),
    (lambda: optim.SGD([W], nesterov=True), "nesterov"),
    (lambda: optim.SGD([W], weight_decay=math.nan), "weight_decay"),
    (lambda: optim.Adam([W], betas=(1.0, 0.9)), r"betas\[0\]"),
    (lambda: optim.Adam([W], betas=(0.9, -0.1)), r"betas\[1\]"),
    (lambda: optim.Adam([W], betas=0.9), "betas"),  # type: ignore[arg-type]
    (lambda: optim.AdamW([W], eps=-1e-8), "eps"),
    (lambda: optim.AdamW([W], weight_decay=-0.1), "weight_decay"),
    (lambda: optim.RMSprop([W], alpha=1.0), "alpha"),
    (lambda: optim.Adagrad([W], initial_accumulator_value=-1.0), "initial_accumulator_value"),
    (lambda: optim.Lion([W], betas=(0.9, math.nan)), r"betas\[1\]"),
    (lambda: optim.LAMB([W], lr=-1.0), "lr"),
    (lambda: optim.Adafactor([W], d=0.0), "d must be"),
    (lambda: optim.Adafactor([W], beta2_decay=0.5), "beta2_decay"),
    (lambda: optim.Adafactor([W], beta2_decay="x"), "beta2_decay"),  # type: ignore[arg-type]
    (lambda: optim.Adafactor([W], eps=-1), "eps"),  # type: ignore[arg-type]
    (lambda: optim.Muon([W], ns_coefficients=None), "ns_coefficients"),  # type: ignore[arg-type]
    (lambda: optim.Muon([W], ns_steps=0), "ns_steps"),
    (lambda: optim.Muon([W], momentum=1.0), "momentum"),
    (lambda: optim.Muon([W], adjust_lr="mine"), "adjust_lr"),
    (lambda: optim.SGD([{"params": [W], "speed": 1}]), "speed"),
    (lambda: optim.SGD([{"params": [W], "lr": -1.0}]), "lr"),
    (lambda: optim.GradientAccumulator(0), "steps"),
    (lambda: optim.WeightAverage([W], decay=1.0), "decay"),
    (lambda: optim.no_decay_groups(Linear(2, 2), math.nan), "weight_decay"),
    (lambda: optim.no_decay_groups(Linear(2, 2), 0.1, "["), r"regular expression, got '\['"),
    (lambda: lr_scheduler.LambdaLR(0.1, None), "lr_lambda"),  # type: ignore[arg-type]
    (lambda: lr_scheduler.MultiStepLR(0.1, 5), "milestones"),  # type: ignore[arg-type]
    (lambda: lr_scheduler.SequentialLR(None, []), "schedulers"),  # type: ignore[arg-type]
    (lambda: lr_scheduler.ReduceLROnPlateau(0.1).step("x"), "'x'"),  # type: ignore[arg-type]
]
BAD_LISTS: list[tuple[Any, str]] = [
    ([], "no parameters"),
    ([{"params": []}], "group 0 is empty"),
    ([{"lr": 0.1}], 'no "params"'),
    ([W, W], "twice"),
    ([{"params": [W]}, {"params": [W]}], "group 1"),
    ([W, {"params": [W]}], "not both"),
    ([tensor([1.0])], "expected a Parameter"),
    (W, r"model\.parameters\(\)"),
    (Linear(2, 2), r"model\.parameters\(\)"),
    (None, r"model\.parameters\(\)"),
    (5, r"model\.parameters\(\)"),
    ([{"params": None}], r"model\.parameters\(\)"),
]


@pytest.mark.parametrize(("make", "named"), BAD)
def test_hyperparameters_outside_their_range_are_refused_by_name(
    make: Callable[[], object], named: str
) -> None:
    with pytest.raises(HyperparameterError, match=named):
        make()


@pytest.mark.parametrize(("params", "said"), BAD_LISTS)
def test_lists_that_are_no_parameters_are_refused(params: Any, said: str) -> None:
    with pytest.raises(ParameterListError, match=said):
        optim.AdamW(params)


def test_muon_names_the_parameter_that_is_no_matrix() -> None:
    with pytest.raises(ParameterListError, match=r"'bias' of shape \(3,\)"):
        optim.Muon([W, Parameter([1.0, 2.0, 3.0], name="bias")])


def test_errors_belong_to_the_trees_of_rumus_and_of_python() -> None:
    assert issubclass(HyperparameterError, ArgumentError | ValueError)
    assert issubclass(ParameterListError, ArgumentError)
    assert issubclass(OptimizerStateError, StateDictError)
    assert issubclass(optim.NonFiniteGradientError, RumusError)


@pytest.mark.parametrize("lr", [-1.0, math.nan, math.inf])
def test_a_bad_rate_set_later_changes_nothing(lr: float) -> None:
    optimizer = optim.AdamW([W], lr=0.5)
    with pytest.raises(HyperparameterError, match="lr"):
        optimizer.set_lr(lr)
    assert optimizer.get_lr() == 0.5


def test_a_group_or_option_that_is_not_there_is_refused() -> None:
    optimizer = optim.AdamW([W])
    for group in (3, -1, "x", 0.5):
        with pytest.raises(HyperparameterError, match=f"no group {group!r}"):
            optimizer.set_lr(0.1, group=group)  # type: ignore[arg-type]
    with pytest.raises(HyperparameterError, match="no option 'speed'"):
        optimizer.set_option("speed", 1)


def test_an_option_that_would_need_other_state_is_refused_after_the_first_step() -> None:
    weight = Parameter([1.0])
    optimizer = optim.SGD([weight])
    optimizer.step((weight * 2.0).sum().backward())
    with pytest.raises(HyperparameterError, match="momentum"):
        optimizer.set_option("momentum", 0.9)
    assert optimizer.groups[0]["momentum"] == 0.0


@pytest.mark.parametrize("store", [None, {}, tensor([1.0])])
def test_what_is_no_store_is_refused(store: Any) -> None:
    kind = type(store).__name__
    for use in (
        optim.SGD([W]).step,
        lambda s: optim.clip_grad_norm_(s, [W], 1.0),
        lambda s: optim.clip_grad_value_(s, [W], 1.0),
        optim.GradientAccumulator(2).add,
    ):
        with pytest.raises(ArgumentError, match=f"GradientStore.*{kind}"):
            use(store)


NO_STATES: list[Any] = [None, [], "state", {}, {"scheduler": "StepLR"}]
SCHEDULES: list[Callable[[], Any]] = [
    lambda: lr_scheduler.StepLR(0.1, 2),
    lambda: lr_scheduler.ReduceLROnPlateau(0.1),
    lambda: lr_scheduler.SequentialLR([lr_scheduler.StepLR(0.1, 2)], []),
]


@pytest.mark.parametrize("state", NO_STATES)
def test_what_is_no_state_is_refused(state: Any) -> None:
    whole = [optim.SGD([W]), optim.WeightAverage([W]), *(make() for make in SCHEDULES)]
    for owner in whole:
        with pytest.raises(OptimizerStateError):
            owner.load_state_dict(state)


@pytest.mark.parametrize("make", SCHEDULES)
@pytest.mark.parametrize("value", [None, "x", -1, [1], math.nan])
def test_a_schedule_s_state_with_one_bad_entry_changes_nothing(
    make: Callable[[], Any], value: Any
) -> None:
    schedule = make()
    good = schedule.state_dict()
    for key in good.keys() - ({"best"} if value != "x" else set()):
        other = make().state_dict() | {"initial_lr": 0.7, key: value}
        with pytest.raises(OptimizerStateError):
            schedule.load_state_dict(other)
    assert schedule.state_dict() == good


def broken_states() -> list[tuple[Callable[[dict[str, Any]], object], str]]:
    return [
        (lambda s: s.update(optimizer="SGD"), "AdamW.*SGD"),
        (lambda s: s.pop("step"), "lacks step"),
        (lambda s: s.update(step=-1), "step"),
        (lambda s: s["groups"][0].update(lr=-1.0), "lr"),
        (lambda s: s["groups"][0].pop("eps"), "missing eps"),
        (lambda s: s["groups"][0].update(params=["other"]), "other"),
        (lambda s: s["groups"].append({"params": []}), "groups"),
        (lambda s: s["state"].update(x=s["state"].pop("w")), "missing w; unexpected x"),
        (lambda s: s["state"]["w"].pop("v"), "missing v"),
        (lambda s: s["state"].update(w=None), "cannot be read"),
        (lambda s: s["state"]["w"].update(m="x"), "cannot be read"),
        (lambda s: s.update(groups=None), "cannot be read"),
        (lambda s: s.update(groups=[3]), "cannot be read"),
        (lambda s: s["groups"][0].update(lr="x"), "lr"),
        (lambda s: s["groups"][0].update(params=[1]), "groups"),
        (lambda s: s["state"]["w"].update(m=np.zeros(7, np.float32)), r"\(7,\).*\(2, 2\)"),
    ]


@pytest.mark.parametrize("case", range(len(broken_states())))
def test_a_state_that_does_not_belong_is_refused_and_changes_nothing(
    case: int, device: str
) -> None:
    weight = Parameter(tensor([[1.0, 2.0], [3.0, 4.0]]).to(device), name="w")
    optimizer = optim.AdamW([weight])
    optimizer.step((weight * weight).sum().backward())
    spoil, said = broken_states()[case]
    state = optimizer.state_dict()
    spoil(state)
    with pytest.raises(OptimizerStateError, match=said):
        optimizer.load_state_dict(state)
    assert optimizer.steps == 1
    np.testing.assert_allclose(
        optimizer.state_dict()["state"]["w"]["m"], [[0.2, 0.4], [0.6, 0.8]], rtol=1e-6
    )


@pytest.mark.parametrize("stepped", [False, True])
def test_a_state_whose_options_keep_other_arrays_is_refused(stepped: bool, device: str) -> None:
    weight = Parameter(tensor([1.0, 2.0]).to(device), name="w")
    optimizer = optim.SGD([weight], momentum=0.0)
    if stepped:
        optimizer.step(weight.sum().backward())
    with pytest.raises(OptimizerStateError, match="other arrays"):
        optimizer.load_state_dict(
            optim.SGD([Parameter([1.0, 2.0], "w")], momentum=0.9).state_dict()
        )
    assert optimizer.groups[0]["momentum"] == 0.0
    optimizer.step(weight.sum().backward())


@pytest.mark.gpu
def test_parameters_on_two_devices_are_refused() -> None:
    there = Parameter(tensor([1.0]).to("gpu"))
    with pytest.raises(ParameterListError, match="one device"):
        optim.SGD([there, Parameter([1.0])])
