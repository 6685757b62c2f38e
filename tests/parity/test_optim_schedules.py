"""Learning-rate schedules against torch.optim.lr_scheduler, step by step."""

import pytest

from rumus.optim import lr_scheduler as ours

torch = pytest.importorskip("torch")
theirs = torch.optim.lr_scheduler

STEPS = 100

PAIRS = {
    "StepLR": (
        lambda: ours.StepLR(0.3, step_size=7, gamma=0.5),
        lambda o: theirs.StepLR(o, step_size=7, gamma=0.5),
    ),
    "MultiStepLR": (
        lambda: ours.MultiStepLR(0.3, [5, 20, 21], gamma=0.3),
        lambda o: theirs.MultiStepLR(o, [5, 20, 21], gamma=0.3),
    ),
    "ExponentialLR": (
        lambda: ours.ExponentialLR(0.3, 0.97),
        lambda o: theirs.ExponentialLR(o, 0.97),
    ),
    "LinearLR": (
        lambda: ours.LinearLR(0.3, 0.2, 0.9, 13),
        lambda o: theirs.LinearLR(o, 0.2, 0.9, 13),
    ),
    "PolynomialLR": (
        lambda: ours.PolynomialLR(0.3, 40, 2.5),
        lambda o: theirs.PolynomialLR(o, 40, 2.5),
    ),
    "CosineAnnealingLR until t_max": (
        lambda: ours.CosineAnnealingLR(0.3, STEPS, 1e-3),
        lambda o: theirs.CosineAnnealingLR(o, STEPS, 1e-3),
    ),
    "warm restarts": (
        lambda: ours.CosineAnnealingWarmRestarts(0.3, 9, 1, 1e-3),
        lambda o: theirs.CosineAnnealingWarmRestarts(o, 9, 1, 1e-3),
    ),
    "warm restarts, longer each time": (
        lambda: ours.CosineAnnealingWarmRestarts(0.3, 3, 3, 1e-3),
        lambda o: theirs.CosineAnnealingWarmRestarts(o, 3, 3, 1e-3),
    ),
    "OneCycleLR": (
        lambda: ours.OneCycleLR(0.3, STEPS),
        lambda o: theirs.OneCycleLR(o, 0.3, total_steps=STEPS, cycle_momentum=False),
    ),
    "OneCycleLR, linear, three phases": (
        lambda: ours.OneCycleLR(0.3, STEPS, 0.4, "linear", 10, 100, three_phase=True),
        lambda o: theirs.OneCycleLR(
            o, 0.3, total_steps=STEPS, pct_start=0.4, anneal_strategy="linear", div_factor=10,
            final_div_factor=100, three_phase=True, cycle_momentum=False,
        ),
    ),
    "LambdaLR": (
        lambda: ours.LambdaLR(0.3, lambda t: 1 / (1 + t)),
        lambda o: theirs.LambdaLR(o, lambda t: 1 / (1 + t)),
    ),
    "ConstantLR": (
        lambda: ours.ConstantLR(0.3, 0.2, 9),
        lambda o: theirs.ConstantLR(o, 0.2, 9),
    ),
    "MultiplicativeLR": (
        lambda: ours.MultiplicativeLR(0.3, lambda t: 1 - 1 / (1 + t)),
        lambda o: theirs.MultiplicativeLR(o, lambda t: 1 - 1 / (1 + t)),
    ),
    "CyclicLR": (
        lambda: ours.CyclicLR(0.1, 0.3, 7, 11),
        lambda o: theirs.CyclicLR(o, 0.1, 0.3, 7, 11, cycle_momentum=False),
    ),
    "CyclicLR, halved": (
        lambda: ours.CyclicLR(0.1, 0.3, 7, mode="triangular2"),
        lambda o: theirs.CyclicLR(o, 0.1, 0.3, 7, mode="triangular2", cycle_momentum=False),
    ),
    "CyclicLR, exponential": (
        lambda: ours.CyclicLR(0.1, 0.3, 7, 4, "exp_range", 0.98),
        lambda o: theirs.CyclicLR(o, 0.1, 0.3, 7, 4, "exp_range", 0.98, cycle_momentum=False),
    ),
    "CyclicLR, a function of steps": (
        lambda: ours.CyclicLR(
            0.1, 0.3, 7, scale_fn=lambda x: 1 / (1 + x), scale_mode="iterations"
        ),
        lambda o: theirs.CyclicLR(
            o, 0.1, 0.3, 7, scale_fn=lambda x: 1 / (1 + x), scale_mode="iterations",
            cycle_momentum=False,
        ),
    ),
    "ChainedScheduler": (
        lambda: ours.ChainedScheduler(
            [ours.LinearLR(0.3, 0.1, 1.0, 10), ours.ExponentialLR(0.3, 0.9)]
        ),
        lambda o: theirs.ChainedScheduler(
            [theirs.LinearLR(o, 0.1, 1.0, 10), theirs.ExponentialLR(o, 0.9)]
        ),
    ),
    "SequentialLR": (
        lambda: ours.SequentialLR(
            [ours.LinearLR(0.3, 0.1, 1.0, 10), ours.ExponentialLR(0.3, 0.9)], [12]
        ),
        lambda o: theirs.SequentialLR(
            o, [theirs.LinearLR(o, 0.1, 1.0, 10), theirs.ExponentialLR(o, 0.9)], [12]
        ),
    ),
}  # fmt: skip


def torch_optimizer(lr: float = 0.3) -> "torch.optim.Optimizer":
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)


@pytest.mark.filterwarnings("ignore")  # PyTorch's about calling the optimizer first, and its own
@pytest.mark.parametrize("name", PAIRS)
def test_each_schedule_walks_with_pytorch_s(name: str) -> None:
    make_ours, make_theirs = PAIRS[name]
    optimizer = torch_optimizer()
    mine, reference = make_ours(), make_theirs(optimizer)
    for step in range(STEPS):
        assert mine.get_lr() == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-9), step
        mine.step()
        if step < STEPS - 1:
            reference.step()


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("threshold_mode", ["rel", "abs"])
def test_plateaus_are_found_where_pytorch_finds_them(mode: str, threshold_mode: str) -> None:
    metrics = [3.0, 2.5, 2.4999, 2.6, 2.2, 2.3, 2.3, 2.3, 2.19, 2.5, 2.6, 2.0, 2.1, 2.1, 2.1] * 5
    options = dict(
        mode=mode, factor=0.5, patience=1, threshold=0.01, threshold_mode=threshold_mode,
        cooldown=2, min_lr=0.01,
    )  # fmt: skip
    optimizer = torch_optimizer()
    mine = ours.ReduceLROnPlateau(0.3, **options)  # type: ignore[arg-type]
    reference = theirs.ReduceLROnPlateau(optimizer, **options)
    for metric in metrics:
        mine.step(metric)
        reference.step(metric)
        assert mine.get_lr() == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-12)
