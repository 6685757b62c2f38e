"""Learning-rate schedules against their formulas, written here in high precision."""

import copy
import json
import math
import pickle
from decimal import Decimal, getcontext
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rumus.optim import HyperparameterError, OptimizerStateError
from rumus.optim import lr_scheduler as schedules

getcontext().prec = 40

EXAMPLES = [
    schedules.StepLR(0.1, 30, 0.5),
    schedules.MultiStepLR(0.1, [3, 10], 0.5),
    schedules.ExponentialLR(0.1, 0.999),
    schedules.LinearLR(0.1, 0.1, 1.0, 10),
    schedules.PolynomialLR(0.1, 20, 2.0),
    schedules.CosineAnnealingLR(0.1, 50, 1e-3),
    schedules.CosineAnnealingWarmRestarts(0.1, 5, 2, 1e-3),
    schedules.WarmupCosine(0.1, 5, 50, 1e-3),
    schedules.OneCycleLR(0.1, 60),
    schedules.LambdaLR(0.1, lambda t: 0.9**t),
    schedules.ConstantLR(0.1, 0.5, 4),
    schedules.MultiplicativeLR(0.1, lambda t: 0.9),
    schedules.CyclicLR(0.1, 0.5, 5, mode="triangular2"),
    schedules.SequentialLR([schedules.LinearLR(0.1), schedules.ExponentialLR(0.1, 0.9)], [5]),
    schedules.ChainedScheduler([schedules.LinearLR(0.1), schedules.ExponentialLR(0.1, 0.9)]),
]
NAMES = [type(s).__name__ for s in EXAMPLES]


def walk(schedule: schedules.LRScheduler, steps: int) -> list[float]:
    rates = []
    for _ in range(steps):
        rates.append(schedule.get_lr())
        schedule.step()
    return rates


def test_step_lr_is_exact_at_step_10000() -> None:
    schedule = schedules.StepLR(0.1, step_size=100, gamma=0.97)
    assert schedule.lr_at(10_000) == pytest.approx(
        float(Decimal("0.1") * Decimal("0.97") ** 100), 1e-14
    )


@pytest.mark.parametrize("kind", ["StepLR", "ReduceLROnPlateau"])
def test_a_schedule_whose_rate_nobody_reads_says_so_once(kind: str) -> None:
    if kind == "StepLR":
        schedule, metric = schedules.StepLR(0.1, step_size=100), ()
    else:
        schedule, metric = schedules.ReduceLROnPlateau(0.1), (1.0,)
    for _ in range(3):  # with the rate read now and then there is nothing to say
        for _ in range(9):
            schedule.step(*metric)
        schedule.get_lr()
    with pytest.warns(RuntimeWarning, match="set_lr") as said:
        for _ in range(50):
            schedule.step(*metric)
    assert len(said) == 1


@given(st.integers(1, 500), st.integers(0, 1000), st.floats(0, 1e-3))
def test_cosine_annealing_follows_its_formula_and_stays_at_the_end(
    t_max: int, epoch: int, eta_min: float
) -> None:
    expected = eta_min + 0.5 * (0.1 - eta_min) * (1 + math.cos(math.pi * epoch / t_max))
    if epoch >= t_max:
        expected = eta_min
    rate = schedules.CosineAnnealingLR(0.1, t_max, eta_min).lr_at(epoch)
    assert rate == pytest.approx(expected, rel=1e-12, abs=1e-15)


def test_warm_restarts_start_again_at_each_cycle_s_first_step() -> None:
    schedule = schedules.CosineAnnealingWarmRestarts(0.1, t_0=3, t_mult=2, eta_min=0.01)
    starts = {0, 3, 9, 21, 45, 93}
    rates = walk(schedule, 100)
    assert {t for t, rate in enumerate(rates) if rate == 0.1} == starts
    falls = {t for t, (a, b) in enumerate(pairwise(rates), 1) if b < a}
    assert falls == set(range(1, 100)) - starts


def test_warmup_cosine_rises_along_a_line_then_falls_to_eta_min() -> None:
    rates = walk(schedules.WarmupCosine(1.0, 4, 12, eta_min=0.1, start_lr=0.2), 14)
    assert rates[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert rates[8] == pytest.approx(0.55)
    assert rates[12:] == [0.1, 0.1]


def test_a_constant_rate_is_smaller_at_first() -> None:
    assert walk(schedules.ConstantLR(0.4, 0.25, 3), 5) == [0.1, 0.1, 0.1, 0.4, 0.4]


def test_a_cycle_s_height_is_halved_each_time_and_rescaled_with_its_lowest_rate() -> None:
    schedule = schedules.CyclicLR(1.0, 3.0, 1, 2, mode="triangular2")
    expected = [1.0, 3.0, 2.0, 1.0, 2.0, 1.5, 1.0, 1.5, 1.25]
    assert walk(schedule, 9) == expected
    schedule.set_initial_lr(0.5)
    assert [schedule.lr_at(t) for t in range(9)] == [rate / 2 for rate in expected]
    other = schedules.CyclicLR(1.0, 3.0, 1, 2, mode="triangular2")
    other.load_state_dict(schedule.state_dict())
    assert other.lr_at(1) == 1.5
    with pytest.raises(HyperparameterError, match="cannot be rescaled"):
        schedules.CyclicLR(0.0, 1.0).set_initial_lr(0.1)


def test_factors_are_multiplied_whichever_step_is_asked_for() -> None:
    schedule = schedules.MultiplicativeLR(2.0, lambda t: t / 2)
    assert [schedule.lr_at(t) for t in (4, 0, 1, 3, 2)] == [3.0, 2.0, 1.0, 1.5, 1.0]


def test_a_warmup_of_no_steps_starts_at_the_top() -> None:
    assert schedules.WarmupCosine(1.0, 0, 10).get_lr() == 1.0


def test_one_cycle_rises_to_the_maximum_and_ends_far_below_the_start() -> None:
    rates = walk(schedules.OneCycleLR(1.0, 100, pct_start=0.3), 105)
    assert rates[0] == pytest.approx(1 / 25)
    assert max(rates) == rates[29] == pytest.approx(1.0)
    assert rates[99] == rates[104] == pytest.approx(1 / 25 / 1e4)


@pytest.mark.parametrize("strategy", ["cos", "linear"])
@pytest.mark.parametrize("pct", [0.1, 0.3, 0.5, 0.7, 0.95])
@pytest.mark.parametrize("total", [1, 2, 3, 10, 100])
@pytest.mark.parametrize("three_phase", [False, True])
def test_one_cycle_stays_where_it_ends(
    total: int, pct: float, three_phase: bool, strategy: str
) -> None:
    schedule = schedules.OneCycleLR(1.0, total, pct, strategy, three_phase=three_phase)
    rates = walk(schedule, 2 * total + 3)
    assert set(rates[total - 1 :]) == {rates[total - 1]}
    assert all(0 < rate <= 1 for rate in rates)
    if not three_phase or pct <= 0.5:
        assert rates[-1] == pytest.approx(1 / 25 / 1e4)


GROWING = [
    schedules.ExponentialLR(0.1, 2.0),
    schedules.StepLR(0.1, 1, 2.0),
    schedules.MultiStepLR(0.1, range(1, 3000), 2.0),
    schedules.LambdaLR(0.1, lambda t: 2.0**t),
    schedules.LambdaLR(1e300, lambda t: 1.0 + t),
    schedules.LinearLR(1e300, 1.0, 1e10),
    schedules.OneCycleLR(1e300, 3000, div_factor=1.0, final_div_factor=1e-300),
    schedules.SequentialLR([schedules.StepLR(0.1, 1), schedules.ExponentialLR(0.1, 2.0)], [2]),
    schedules.ChainedScheduler([schedules.LinearLR(0.1), schedules.ExponentialLR(0.1, 2.0)]),
]


@pytest.mark.parametrize("schedule", GROWING, ids=lambda s: type(s).__name__)
def test_a_rate_without_room_in_a_float_is_refused_by_name(schedule: schedules.Schedule) -> None:
    with pytest.raises(HyperparameterError, match=r"too large"):
        for step in (2999, 1_000_000_000_000):
            schedule.lr_at(step)


def test_a_rate_that_has_room_is_given_though_its_power_has_none() -> None:
    assert schedules.ExponentialLR(1e-300, 2.0).lr_at(1100) == pytest.approx(
        float(Decimal("1e-300") * Decimal(2) ** 1100), 1e-14
    )
    assert schedules.ExponentialLR(0.0, 2.0).lr_at(5000) == 0.0


def test_what_a_schedule_counts_can_be_read_and_set() -> None:
    units = {type(s).__name__: s.unit for s in EXAMPLES}
    assert {name for name, unit in units.items() if unit == "step"} == {
        "CyclicLR",
        "OneCycleLR",
        "WarmupCosine",
    }
    assert schedules.ReduceLROnPlateau(0.1).unit == "epoch"
    parts = [schedules.LinearLR(0.1), schedules.WarmupCosine(0.1, 5, 50)]
    assert schedules.SequentialLR(parts, [5]).unit == "step"
    assert schedules.ChainedScheduler(parts).unit == "step"
    cosine = schedules.CosineAnnealingLR(0.1, 10)
    cosine.unit = "step"
    assert cosine.unit == "step"
    assert schedules.CosineAnnealingLR(0.1, 10).unit == "epoch"
    with pytest.raises(HyperparameterError, match="unit"):
        cosine.unit = "batch"  # type: ignore[assignment]


def test_a_schedule_that_needs_a_metric_is_of_its_own_protocol() -> None:
    plateau = schedules.ReduceLROnPlateau(0.1, mode="max")
    assert isinstance(plateau, schedules.MetricScheduler)
    assert plateau.mode == "max"
    assert not any(isinstance(s, schedules.MetricScheduler) for s in EXAMPLES)


@pytest.mark.parametrize("total", [1, 2, 3, 4])
def test_one_cycle_of_a_few_steps_stays_in_its_range(total: int) -> None:
    assert all(0 < lr <= 1 for lr in walk(schedules.OneCycleLR(1.0, total), 6))


def test_sequential_starts_each_schedule_from_its_own_beginning() -> None:
    parts = [schedules.LinearLR(0.1, 0.5, 1.0, 5), schedules.StepLR(0.1, 2, 0.5)]
    joined = schedules.SequentialLR(parts, [5])
    expected = [parts[0].lr_at(t) for t in range(5)] + [parts[1].lr_at(t) for t in range(5)]
    assert walk(joined, 10) == expected


@pytest.mark.parametrize("rescaled", [False, True])
def test_a_sequence_s_state_has_the_rates_of_all_its_schedules(rescaled: bool) -> None:
    def make() -> schedules.SequentialLR:
        return schedules.SequentialLR(
            [schedules.LinearLR(0.1), schedules.ExponentialLR(0.4, 0.9)], [5]
        )

    first, second = make(), make()
    if rescaled:
        first.set_initial_lr(0.8)
    first.step()
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    assert second.last_step == 1
    assert [second.lr_at(t) for t in range(12)] == [first.lr_at(t) for t in range(12)]
    with pytest.raises(OptimizerStateError):
        second.load_state_dict(first.state_dict() | {"schedulers": []})


def test_chained_multiplies_the_factors() -> None:
    parts = [schedules.LinearLR(0.1, 0.5, 1.0, 5), schedules.StepLR(0.2, 2, 0.5)]
    for t, rate in enumerate(walk(schedules.ChainedScheduler(parts), 10)):
        assert rate == pytest.approx(parts[0].lr_at(t) * parts[1].lr_at(t) / 0.2)


def test_plateau_drops_after_patience_runs_out_and_waits_for_the_cooldown() -> None:
    schedule = schedules.ReduceLROnPlateau(1.0, factor=0.5, patience=2, cooldown=1)
    rates = []
    for loss in [3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 2.0, 2.0]:
        schedule.step(loss)
        rates.append(schedule.get_lr())
    assert rates == [1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25]


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("threshold_mode", ["rel", "abs"])
@pytest.mark.parametrize("level", [-100.0, -1e-3, 0.0, 1e-3, 100.0])
def test_a_plateau_is_one_at_any_level_of_the_metric(
    mode: str, threshold_mode: str, level: float
) -> None:
    schedule = schedules.ReduceLROnPlateau(
        1.0, mode, factor=0.5, patience=1, threshold=0.01, threshold_mode=threshold_mode
    )
    better = -1.0 if mode == "min" else 1.0
    least = 0.01 * abs(level) if threshold_mode == "rel" else 0.01
    rates = []
    for metric in [
        level,
        level + 0.9 * better * least,
        level,
        level + 1.1 * better * least + better * 1e-9,
    ]:
        schedule.step(metric)
        rates.append(schedule.get_lr())
    assert rates == [1.0, 1.0, 0.5, 0.5]
    schedule.step(level)
    assert schedule.get_lr() == 0.5  # the last one was better, so this is the first bad step
    schedule.step(level)
    assert schedule.get_lr() == 0.25


@pytest.mark.parametrize(("mode", "worst"), [("min", math.inf), ("max", -math.inf)])
def test_the_worst_infinity_is_never_better(mode: str, worst: float) -> None:
    schedule = schedules.ReduceLROnPlateau(1.0, mode, factor=0.5, patience=1)
    for metric in (worst, worst):
        schedule.step(metric)
    assert schedule.get_lr() == 0.5
    assert json.loads(json.dumps(schedule.state_dict()))["best"] is None
    schedule.step(1.0)
    assert schedule.state_dict()["best"] == 1.0


def test_a_nan_metric_counts_as_a_bad_step() -> None:
    schedule = schedules.ReduceLROnPlateau(1.0, factor=0.5, patience=0)
    for loss in [1.0, math.nan]:
        schedule.step(loss)
    assert schedule.get_lr() == 0.5


def test_plateau_asks_for_its_metric() -> None:
    for wrong in (None, "low", [1.0]):
        with pytest.raises(HyperparameterError, match="metric"):
            schedules.ReduceLROnPlateau(1.0).step(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("schedule", EXAMPLES, ids=NAMES)
def test_every_schedule_keeps_the_protocol(schedule: schedules.Schedule) -> None:
    assert isinstance(schedule, schedules.LRScheduler)


@pytest.mark.parametrize("schedule", EXAMPLES, ids=NAMES)
def test_a_saved_schedule_continues_exactly(schedule: schedules.Schedule) -> None:
    for _ in range(7):
        schedule.step()
    saved = json.loads(json.dumps(schedule.state_dict()))
    expected = walk(schedule, 20)
    schedule.load_state_dict(saved)
    assert walk(schedule, 20) == expected


def test_a_saved_plateau_continues_exactly() -> None:
    losses = [1.0, 0.9, 0.95, 0.95, 0.95, 0.8, 0.81, 0.82]
    first = schedules.ReduceLROnPlateau(1.0, factor=0.5, patience=1)
    for loss in losses[:4]:
        first.step(loss)
    second = schedules.ReduceLROnPlateau(1.0, factor=0.5, patience=1)
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    for loss in losses[4:]:
        first.step(loss)
        second.step(loss)
        assert first.get_lr() == second.get_lr()


@pytest.mark.parametrize("schedule", EXAMPLES, ids=NAMES)
def test_a_new_initial_rate_rescales_a_schedule_that_ends_in_zero(
    schedule: schedules.Schedule,
) -> None:
    before = schedule.initial_lr
    schedule.set_initial_lr(0.2)
    assert schedule.initial_lr == 0.2
    schedule.set_initial_lr(before)


def test_the_state_of_another_schedule_is_refused_by_name() -> None:
    state = schedules.ExponentialLR(0.1, 0.9).state_dict()
    with pytest.raises(OptimizerStateError, match=r"StepLR.*ExponentialLR"):
        schedules.StepLR(0.1, 3).load_state_dict(state)


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: schedules.StepLR(0.1, 0), "step_size"),
        (lambda: schedules.StepLR(-0.1, 1), "initial_lr"),
        (lambda: schedules.StepLR(math.nan, 1), "initial_lr"),
        (lambda: schedules.StepLR(0.1, 1, math.inf), "gamma"),
        (lambda: schedules.StepLR(0.1, 1.5), "step_size"),  # type: ignore[arg-type]
        (lambda: schedules.CosineAnnealingLR(0.1, 0), "t_max"),
        (lambda: schedules.CosineAnnealingLR(0.1, 5, -1.0), "eta_min"),
        (lambda: schedules.MultiStepLR(0.1, [5, 5]), "rise"),
        (lambda: schedules.LinearLR(0.1, total_iters=0), "total_iters"),
        (lambda: schedules.LinearLR(0.1, start_factor=0.0), "start_factor"),
        (lambda: schedules.PolynomialLR(0.1, power=-1.0), "power"),
        (lambda: schedules.CosineAnnealingWarmRestarts(0.1, 5, 0), "t_mult"),
        (lambda: schedules.WarmupCosine(0.1, 5, 5), "total_steps"),
        (lambda: schedules.OneCycleLR(0.1, 0), "total_steps"),
        (lambda: schedules.OneCycleLR(0.1, 9, pct_start=1.0), "pct_start"),
        (lambda: schedules.OneCycleLR(0.1, 9, anneal_strategy="sine"), "anneal_strategy"),
        (lambda: schedules.ReduceLROnPlateau(0.1, factor=1.0), "factor"),
        (lambda: schedules.ReduceLROnPlateau(0.1, mode="least"), "mode"),
        (lambda: schedules.SequentialLR([], []), "at least one"),
        (lambda: schedules.SequentialLR([schedules.StepLR(0.1, 1)], [3]), "milestones"),
        (lambda: schedules.LambdaLR(0.1, lambda t: -1.0).get_lr(), "lr_lambda"),
    ],
)
def test_values_outside_their_range_are_refused_by_name(make, named) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(HyperparameterError, match=named):
        make()


SHOWN = [
    "ConstantLR(initial_lr=0.4, factor=0.25, total_steps=3)",
    "CosineAnnealingLR(initial_lr=0.4, t_max=3, eta_min=0.0)",
    "CosineAnnealingWarmRestarts(initial_lr=0.4, t_0=2, t_mult=2, eta_min=0.1)",
    "CyclicLR(base_lr=0.1, max_lr=0.4, step_size_up=2, step_size_down=None, mode='triangular', "
    "gamma=1.0, scale_fn=None, scale_mode='cycle')",
    "ExponentialLR(initial_lr=0.4, gamma=0.5)",
    "LinearLR(initial_lr=0.4, start_factor=0.5, end_factor=1.0, total_iters=2)",
    "MultiStepLR(initial_lr=0.4, milestones=[2, 4], gamma=0.1)",
    "OneCycleLR(max_lr=0.4, total_steps=9, pct_start=0.3, anneal_strategy='cos', div_factor=25.0, "
    "final_div_factor=10000.0, three_phase=False)",
    "PolynomialLR(initial_lr=0.4, total_iters=5, power=2.0)",
    "StepLR(initial_lr=0.4, step_size=2, gamma=0.1)",
    "WarmupCosine(initial_lr=0.4, warmup_steps=2, total_steps=9, eta_min=0.0, start_lr=0.0)",
]
SHOWN += [
    f"SequentialLR(schedulers=[{SHOWN[5]}, {SHOWN[4]}], milestones=[3])",
    f"ChainedScheduler(schedulers=[{SHOWN[5]}, {SHOWN[4]}])",
]


@pytest.mark.parametrize("shown", SHOWN, ids=lambda shown: shown.partition("(")[0])
def test_a_schedule_shows_what_makes_it_again(shown: str) -> None:
    schedule = eval(shown, vars(schedules))
    assert repr(schedule) == shown
    copied = pickle.loads(pickle.dumps(copy.deepcopy(schedule)))
    assert repr(copied) == shown
    assert [copied.lr_at(t) for t in range(12)] == [schedule.lr_at(t) for t in range(12)]


def test_a_schedule_shows_its_rate_as_it_was_set() -> None:
    schedule = schedules.StepLR(0.4, 2)
    schedule.set_initial_lr(0.2)
    assert repr(schedule) == "StepLR(initial_lr=0.2, step_size=2, gamma=0.1)"
    shown = repr(schedules.ReduceLROnPlateau(0.4, threshold_mode="abs"))
    assert shown.startswith("ReduceLROnPlateau(initial_lr=0.4, mode='min', factor=0.1, patience=10")
    assert "threshold_mode='abs'" in shown
    assert "lr_lambda=len" in repr(schedules.LambdaLR(0.4, len))
