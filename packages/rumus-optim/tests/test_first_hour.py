"""What whoever comes from PyTorch does to an optimizer, and what is said to it."""

import copy
import pickle

import pytest

import rumus.optim
from rumus import nn
from rumus.optim import (
    LBFGS,
    SGD,
    AdamW,
    GradientAccumulator,
    HyperparameterError,
    ParameterListError,
    UnknownAttributeError,
    _foreign,
    clip_grad_norm_,
    clip_grad_value_,
)
from rumus.optim._foreign_options import NAMES_OF_SCHEDULES, OF_OPTIMIZERS, OF_SCHEDULES
from rumus.optim.lr_scheduler import CosineAnnealingLR, StepLR
from rumus.tensor import ArgumentError, DeviceError


def test_names_of_other_frameworks_are_translated() -> None:
    optimizer = SGD(nn.Linear(2, 2).parameters(), lr=0.1)
    owners = (
        (optimizer, _foreign.HINTS),
        (rumus.optim, _foreign._MODULE_HINTS),
        (rumus.optim.lr_scheduler, _foreign.SCHEDULE_HINTS),
    )
    for owner, hints in owners:
        for name, hint in hints.items():
            assert not hasattr(owner, name)
            with pytest.raises(UnknownAttributeError) as caught:
                getattr(owner, name)
            assert str(caught.value).endswith(f"no attribute {name!r}; here: {hint}")


def test_imports_of_them_say_so_too_and_those_of_modules_stay() -> None:
    with pytest.raises(ImportError, match=r"'Adagrad_typo' from 'rumus.optim'; here: there is Ada"):
        from rumus.optim import Adagrad_typo  # type: ignore[attr-defined]  # noqa: F401
    with pytest.raises(ImportError, match=r"'StepLR' from 'rumus.optim'; here: it is in rumus.opt"):
        from rumus.optim import StepLR  # type: ignore[attr-defined]  # noqa: F401
    with pytest.raises(ImportError, match=r"from 'rumus.optim.lr_scheduler'; here: there is StepL"):
        from rumus.optim.lr_scheduler import StepLr  # type: ignore[attr-defined]  # noqa: F401
    from rumus.optim import _line_search  # noqa: F401


def test_steps_without_gradients_are_told_where_to_get_them() -> None:
    model = nn.Linear(2, 2)
    step = r"^step\(\) lacks arguments; here: grads = loss.backward\(\); optimizer.step\(grads\)"
    for optimizer in (SGD(model.parameters(), lr=0.1), AdamW(model.parameters())):
        with pytest.raises(ArgumentError, match=step):
            optimizer.step()  # type: ignore[call-arg]
    with pytest.raises(ArgumentError, match=r"here: optimizer.step\(closure\), where closure"):
        LBFGS(model.parameters()).step()  # type: ignore[call-arg]
    with pytest.raises(ArgumentError, match=r"here: window = accumulator.add\(loss.backward"):
        GradientAccumulator(2).add()  # type: ignore[call-arg]
    for clip in (clip_grad_norm_, clip_grad_value_):
        with pytest.raises(ArgumentError, match=rf"here: {clip.__name__}\(grads, model.param"):
            clip(model.parameters(), 1.0)  # type: ignore[call-arg, arg-type]


def test_a_schedule_of_an_optimizer_is_told_to_take_its_rate() -> None:
    optimizer = SGD(nn.Linear(2, 2).parameters(), lr=0.1)
    with pytest.raises(HyperparameterError, match=r"a SGD; a schedule takes the rate, such as opt"):
        StepLR(optimizer, 10)  # type: ignore[arg-type]


@pytest.mark.gpu
def test_a_rule_without_a_shader_is_named_on_the_gpu() -> None:
    class Own(AdamW):
        shader = ""

    class Bare(SGD):
        shader = rumus.optim.Optimizer.shader

    for rule in (Own, Bare):
        with pytest.raises(DeviceError, match=f"{rule.__name__} has no formula .* in shader"):
            rule(nn.Linear(2, 2).to("gpu").parameters(), lr=0.1)


def test_all_groups_are_shown() -> None:
    first, second = nn.Linear(2, 2), nn.Linear(2, 3)
    groups = [{"params": list(first.parameters())}, {"params": [second.weight], "lr": 0.5}]
    shown = repr(SGD(groups, lr=0.1, momentum=0.9))
    assert shown.count("\n") == 3
    for text in ("SGD(", "2 parameters: lr=0.1", "1 parameters: lr=0.5", "momentum=0.9"):
        assert text in shown
    assert repr(SGD([second.bias], lr=0.1)).startswith("SGD(1 parameters: lr=0.1, momentum=0")


def test_options_of_other_frameworks_are_translated() -> None:
    model, made = nn.Linear(2, 2), (SGD, AdamW)
    for option, hint in OF_OPTIMIZERS.items():
        for optimizer in made:
            with pytest.raises(HyperparameterError) as caught:
                optimizer(model.parameters(), **{option: 1})  # type: ignore[arg-type]
            told = f"{optimizer.__name__} has no option {option!r}; here: {hint}"
            assert str(caught.value) == told
    for option, hint in OF_SCHEDULES.items():
        with pytest.raises(HyperparameterError) as caught:
            CosineAnnealingLR(0.1, **{option: 3})  # type: ignore[arg-type]
        assert str(caught.value) == f"CosineAnnealingLR has no option {option!r}; here: {hint}"
    with pytest.raises(TypeError, match="unexpected keyword argument 'nothing_like_it'"):
        SGD(model.parameters(), nothing_like_it=1)  # type: ignore[call-arg]


def test_parameters_of_another_framework_are_called_by_its_name() -> None:
    theirs = type("Parameter", (), {"__module__": "torch.nn.parameter"})()
    with pytest.raises(ParameterListError, match=r"expected a Parameter, got a torch.Parameter$"):
        SGD([theirs])


def test_names_on_a_schedule_are_translated() -> None:
    schedule = StepLR(0.1, 3)
    for name, hint in NAMES_OF_SCHEDULES.items():
        with pytest.raises(UnknownAttributeError) as caught:
            getattr(schedule, name)
        assert str(caught.value) == f"'StepLR' object has no attribute {name!r}; here: {hint}"
    with pytest.raises(UnknownAttributeError, match=r"no attribute 'nothing_like_it'$"):
        schedule.nothing_like_it  # type: ignore[attr-defined]  # noqa: B018
    assert copy.deepcopy(schedule).get_lr() == pickle.loads(pickle.dumps(schedule)).get_lr() == 0.1


def test_an_optimizer_of_ones_own_may_have_such_options() -> None:
    class Own(SGD):
        def __init__(self, params: list[nn.Parameter], learning_rate: float) -> None:
            super().__init__(params, lr=learning_rate)

    assert Own(nn.Linear(2, 2).parameters(), learning_rate=0.5).get_lr() == 0.5
