"""Captured training on the GPU: the numbers of the plain loop, whatever changes between steps."""

import copy
import types
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import pytest

from rumus import gpu, nn
from rumus.autograd import GradientStore
from rumus.optim import SGD, AdamW, clip_grad_norm_
from rumus.tensor import Tensor, manual_seed, tensor, zeros
from rumus.train import Trainer

pytestmark = pytest.mark.gpu

Batch = tuple[Tensor, Tensor]


def batches(count: int, size: int = 16) -> list[Batch]:
    rng = np.random.default_rng(size)
    return [
        (
            tensor(rng.standard_normal((size, 8), dtype=np.float32), device="gpu"),
            tensor(rng.integers(0, 3, size, dtype=np.int32), device="gpu"),
        )
        for _ in range(count)
    ]


def make_model(dropout: float = 0.0) -> nn.Module:
    manual_seed(7)
    return nn.Sequential(
        nn.Linear(8, 32), nn.ReLU(), nn.Dropout(dropout), nn.Linear(32, 3)
    ).to_gpu()


def train(model: nn.Module, data: list[Batch], capture: bool) -> tuple[list[float], bytes]:
    """Losses, and the bytes of all weights afterwards."""
    trainer = Trainer(AdamW(model.parameters(), lr=1e-2), capture=capture)
    manual_seed(11)
    losses = []
    for step, (x, y) in enumerate(data):
        trainer.optimizer.set_lr(1e-2 / (1 + step))
        loss = trainer.train_step_with(
            lambda grads, params: clip_grad_norm_(grads, params, 0.5),
            lambda x, y: nn.cross_entropy_loss(model(x), y),
            x,
            y,
        )
        losses.append(loss.item())
    assert trainer.epoch_avg_loss() == pytest.approx(np.mean(losses), rel=1e-6)
    return losses, b"".join(p.numpy().tobytes() for p in model.parameters())


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_captured_training_is_plain_training_bit_for_bit(dropout: float) -> None:
    data = batches(6) + batches(2, size=5) + batches(3)
    plain = train(make_model(dropout), data, capture=False)
    captured = train(make_model(dropout), data, capture=True)
    assert captured == plain


def test_a_lambda_made_anew_in_every_round_is_recorded_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[int] = []
    model = make_model()
    trainer = Trainer(SGD(model.parameters(), lr=0.1, momentum=0.9), capture=True)
    for x, y in batches(5):
        trainer.train_step(lambda x, y: _count(calls, nn.cross_entropy_loss(model(x), y)), x, y)
    # The first recording is given up, because the optimizer moves the parameters into arenas.
    assert len(calls) <= 2


def test_a_number_that_a_closure_holds_is_not_frozen() -> None:
    model = make_model()
    trainer = Trainer(SGD(model.parameters(), lr=0.0), capture=True)
    ((x, y),) = batches(1)
    losses = []
    for factor in (1.0, 2.0, 1.0):
        loss = trainer.train_step(lambda x, y: nn.cross_entropy_loss(model(x), y) * factor, x, y)  # noqa: B023
        losses.append(loss.item())
    assert losses == pytest.approx([losses[0], 2 * losses[0], losses[0]], rel=1e-6)


FACTOR = 1.0


class Scaled:
    """A loss with a number of its own, called in three ways."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.factor = 1.0

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        return nn.cross_entropy_loss(self.model(x), y) * self.factor

    def __call__(self, x: Tensor, y: Tensor) -> Tensor:
        return self.loss(x, y) * self.factor / self.factor


def test_numbers_that_a_step_finds_around_itself_are_not_frozen() -> None:
    model = make_model()
    trainer = Trainer(SGD(model.parameters(), lr=0.0), capture=True)
    ((x, y),) = batches(1)
    scaled = Scaled(model)

    def one_list(factor: float) -> list[float]:
        return [factor]

    def scaled_by(factor: float, x: Tensor, y: Tensor) -> Tensor:
        return nn.cross_entropy_loss(model(x), y) * factor

    losses: dict[str, list[float]] = {}
    for factor in (1.0, 2.0, 3.0):
        globals()["FACTOR"] = scaled.factor = factor
        held = one_list(factor)
        forwards: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
            "global": lambda x, y: nn.cross_entropy_loss(model(x), y) * FACTOR,
            "attribute": lambda x, y: nn.cross_entropy_loss(model(x), y) * scaled.factor,
            "new list": lambda x, y: nn.cross_entropy_loss(model(x), y) * held[0],  # noqa: B023
            "method": scaled.loss,
            "callable": scaled,
            "partial": partial(scaled_by, factor),
            "inner function": lambda x, y: scaled_by(factor, x, y),  # noqa: B023
            "default": lambda x, y, *, by=factor: nn.cross_entropy_loss(model(x), y) * by,  # type: ignore[misc]
        }
        for name, forward in forwards.items():
            losses.setdefault(name, []).append(trainer.train_step(forward, x, y).item())
    for name, found in losses.items():
        assert found == pytest.approx([found[0], 2 * found[0], 3 * found[0]], rel=1e-6), name


SETTINGS = types.ModuleType("settings")


@dataclass(slots=True)
class Slotted:
    factor: float


class Named(NamedTuple):
    factor: float


class Task:
    """A loss whose number lies further away."""

    shared = 1.0

    def __init__(self, model: nn.Module, factor: float) -> None:
        self.model = model
        self.own = factor
        self.slotted = Slotted(factor)
        self.config = types.SimpleNamespace(inner=types.SimpleNamespace(factor=factor))

    def weight(self) -> float:
        return self.own

    @property
    def computed(self) -> float:
        return self.own

    def plain(self, x: Tensor, y: Tensor) -> Tensor:
        return nn.cross_entropy_loss(self.model(x), y)

    def by_method(self, x: Tensor, y: Tensor) -> Tensor:
        return self.plain(x, y) * self.weight()

    def by_property(self, x: Tensor, y: Tensor) -> Tensor:
        return self.plain(x, y) * self.computed

    def by_class(self, x: Tensor, y: Tensor) -> Tensor:
        return self.plain(x, y) * self.shared

    def by_slot(self, x: Tensor, y: Tensor) -> Tensor:
        return self.plain(x, y) * self.slotted.factor

    def by_config(self, x: Tensor, y: Tensor) -> Tensor:
        inner = self.config.inner
        return self.plain(x, y) * inner.factor


class Warm(nn.Module):
    """A module that reads a number from outside of itself."""

    scale = 1.0

    def __init__(self, model: nn.Module) -> None:
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x) / FACTOR / self.scale


def test_numbers_further_away_are_not_frozen() -> None:
    model = make_model()
    warm = Warm(model)
    trainer = Trainer(SGD(model.parameters(), lr=0.0), capture=True)
    ((x, y),) = batches(1)
    task, named = Task(model, 1.0), Named(1.0)

    def mean_output(x: Tensor, y: Tensor) -> Tensor:
        return (warm(x) * warm(x)).mean()

    losses: dict[str, list[float]] = {}
    for factor in (1.0, 2.0, 3.0):
        globals()["FACTOR"] = SETTINGS.factor = Task.shared = task.own = factor  # type: ignore[attr-defined]
        task.slotted.factor = task.config.inner.factor = factor
        Warm.scale = 1 / factor / factor
        named = named._replace(factor=factor)
        forwards: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
            "method": task.by_method,
            "property": task.by_property,
            "class attribute": task.by_class,
            "slot": task.by_slot,
            "attribute of an attribute": task.by_config,
            "a method by name": lambda x, y: task.by_config(x, y),
            "partial of a function": partial(Task.by_config, task),
            "module": lambda x, y: task.plain(x, y) * SETTINGS.factor,
            "class": lambda x, y: task.plain(x, y) * Task.shared,
            "named tuple": lambda x, y: task.plain(x, y) * named.factor,  # noqa: B023
            "forward of a module": lambda x, y: mean_output(x, y) ** 0.5,
        }
        for name, forward in forwards.items():
            losses.setdefault(name, []).append(trainer.train_step(forward, x, y).item())
    for name, found in losses.items():
        assert found == pytest.approx([found[0], 2 * found[0], 3 * found[0]], rel=1e-6), name


def test_an_unchanged_step_is_recorded_once_whatever_it_is_made_of() -> None:
    model = make_model()
    task = Task(model, 1.0)
    trainer = Trainer(SGD(model.parameters(), lr=0.1), capture=True)
    calls: list[int] = []
    for x, y in batches(4):
        for forward in (task.by_method, partial(Task.by_config, task), Scaled(model).loss):
            trainer.train_step(lambda x, y: _count(calls, forward(x, y)), x, y)  # noqa: B023
    made_anew = 4  # the objects of Scaled
    assert len(calls) <= 2 + 2 + made_anew


def test_a_dropout_with_another_probability_is_not_frozen() -> None:
    results = []
    for capture in (False, True):
        model = make_model(0.9)
        trainer = Trainer(SGD(model.parameters(), lr=0.1), capture=capture)
        ((x, y),) = batches(1)
        losses = []
        for p in (0.9, 0.0, 0.5):
            (dropout,) = (m for m in model.modules() if isinstance(m, nn.Dropout))
            dropout.p = p
            step = lambda x, y: nn.cross_entropy_loss(model(x), y)  # noqa: B023, E731
            losses.append(trainer.train_step(step, x, y).item())
        results.append(losses)
    assert results[0] == results[1]


def test_a_buffer_that_a_step_replaces_is_refused_by_name() -> None:
    class Averaging(nn.Module):
        mean: Tensor

        def __init__(self) -> None:
            self.linear = nn.Linear(8, 3)
            self.register_buffer("mean", zeros(8))

        def forward(self, x: Tensor) -> Tensor:
            self.mean = self.mean * 0.9 + x.mean(0).detach() * 0.1
            return self.linear(x - self.mean)

    model = Averaging().to_gpu()
    trainer = Trainer(SGD(model.parameters(), lr=0.1), capture=True)
    ((x, y),) = batches(1)
    with pytest.raises(gpu.CaptureError, match=r"replaces the buffer 'mean'.*copy_\(\)"):
        trainer.train_step(lambda x, y: nn.cross_entropy_loss(model(x), y), x, y)
    assert model.mean.tolist() == [0.0] * 8


def test_a_buffer_that_is_replaced_between_steps_is_not_frozen() -> None:
    class Shifted(nn.Module):
        shift: Tensor

        def __init__(self) -> None:
            self.linear = nn.Linear(8, 3)
            self.register_buffer("shift", zeros(8))

        def forward(self, x: Tensor) -> Tensor:
            return self.linear(x + self.shift)

    results = []
    for capture in (False, True):
        manual_seed(2)
        model = Shifted().to_gpu()
        trainer = Trainer(SGD(model.parameters(), lr=0.1), capture=capture)
        losses = []
        for k, (x, y) in enumerate(batches(3)):
            model.shift = zeros(8, device="gpu") + float(k)
            step = lambda x, y: nn.cross_entropy_loss(model(x), y)  # noqa: B023, E731
            losses.append(trainer.train_step(step, x, y).item())
        results.append(losses)
    assert results[0] == results[1]


def test_a_copied_model_may_be_captured_with_its_buffers() -> None:
    class Shifted(nn.Module):
        shift: Tensor

        def __init__(self) -> None:
            self.linear = nn.Linear(8, 3)
            self.register_buffer("shift", zeros(8))

        def forward(self, x: Tensor) -> Tensor:
            return self.linear(x + self.shift)

    model = copy.deepcopy(Shifted().to_gpu())
    trainer = Trainer(SGD(model.parameters(), lr=0.1), capture=True)
    for x, y in batches(2):
        loss = trainer.train_step(lambda x, y: nn.cross_entropy_loss(model(x), y), x, y)
    assert np.isfinite(loss.item())


def test_training_goes_on_when_the_model_comes_back_to_the_gpu() -> None:
    losses = []
    for capture in (False, True):
        model = make_model()
        trainer = Trainer(AdamW(model.parameters(), lr=1e-2), capture=capture)
        seen = []
        for place, (x, y) in zip(("gpu", "cpu", "gpu", "gpu"), batches(4), strict=True):
            model.to(place)
            step = lambda x, y: nn.cross_entropy_loss(model(x), y)  # noqa: B023, E731
            seen.append(trainer.train_step(step, x.to(place), y.to(place)).item())
        assert trainer.optimizer.steps == 4
        losses.append(seen)
    assert losses[0] == losses[1]


def test_a_batch_that_a_closure_picks_up_is_refused_by_name() -> None:
    model = make_model()
    trainer = Trainer(SGD(model.parameters(), lr=0.1), capture=True)
    ((x, y),) = batches(1)
    with pytest.raises(gpu.CaptureError, match=r"test_capture.py, line \d+: (x|y) of shape"):
        trainer.train_step(lambda: nn.cross_entropy_loss(model(x), y))


def test_validation_between_epochs_does_not_disturb_training() -> None:
    model, reference = make_model(0.2), make_model(0.2)
    data = batches(6)
    losses = {}
    for name, module, capture in (("plain", reference, False), ("captured", model, True)):
        manual_seed(3)
        trainer = Trainer(AdamW(module.parameters(), lr=1e-2), capture=capture)
        seen = []
        for epoch in range(2):
            module.train()
            for x, y in data[epoch * 3 : epoch * 3 + 3]:
                step = lambda x, y: nn.cross_entropy_loss(module(x), y)  # noqa: B023, E731
                seen.append(trainer.train_step(step, x, y).item())
            module.eval()
            seen.append(module(data[0][0]).numpy().sum())
        losses[name] = seen
    assert losses["captured"] == losses["plain"]


def test_on_the_cpu_a_captured_trainer_trains_plainly() -> None:
    manual_seed(0)
    model = nn.Linear(2, 1)
    trainer = Trainer(SGD(model.parameters(), lr=0.1), capture=True)
    x, y = tensor([[1.0, 2.0]]), tensor([[0.0]])
    losses = [trainer.train_step(lambda: nn.mse_loss(model(x), y)).item() for _ in range(5)]
    assert losses[-1] < losses[0]


def _count(calls: list[int], loss: Tensor) -> Tensor:
    calls.append(1)
    return loss


def test_a_number_that_changes_in_every_step_is_named_once() -> None:
    model, counter = make_model(), types.SimpleNamespace(steps=0)
    calls: list[int] = []
    trainer = Trainer(SGD(model.parameters(), lr=0.0), capture=True)
    ((x, y),) = batches(1)

    def forward(x: Tensor, y: Tensor) -> Tensor:
        return _count(calls, nn.cross_entropy_loss(model(x), y) * float(counter.steps))

    losses = []
    with pytest.warns(RuntimeWarning, match=r"reads counter\.steps, which changes") as said:
        for _ in range(12):
            counter.steps += 1
            losses.append(trainer.train_step(forward, x, y).item())
    assert losses == pytest.approx([losses[0] * k for k in range(1, 13)], rel=1e-6)
    assert [w.filename for w in said] == [__file__]
    assert len(calls) <= 12 + 1  # the first one is recorded twice, because parameters move


def test_steps_that_come_again_are_captured_again() -> None:
    model = make_model()
    trainer = Trainer(SGD(model.parameters(), lr=0.0), capture=True)
    calls: list[int] = []
    ((x, y),) = batches(1)

    def step(factor: float) -> None:
        trainer.train_step(
            lambda x, y: _count(calls, nn.cross_entropy_loss(model(x), y) * factor), x, y
        )

    with pytest.warns(RuntimeWarning, match="reads factor, which changes"):
        for number in range(8):
            step(float(number))
    calls.clear()
    for _ in range(4):
        step(0.5)
    assert len(calls) == 2  # one as it is, one recorded


def test_norms_that_a_hook_keeps_are_those_of_their_steps() -> None:
    kept: dict[bool, list[Tensor]] = {}
    for capture in (False, True):
        model = make_model()
        trainer = Trainer(AdamW(model.parameters(), lr=1e-2), capture=capture)
        norms = kept[capture] = []

        def hook(grads: GradientStore, params: list[nn.Parameter]) -> None:
            norms.append(clip_grad_norm_(grads, params, 0.5))  # noqa: B023

        with pytest.warns(RuntimeWarning, match="leaves") if capture else nullcontext():
            for x, y in batches(5):
                step = lambda x, y: nn.cross_entropy_loss(model(x), y)  # noqa: B023, E731
                trainer.train_step_with(hook, step, x, y)
    assert [n.item() for n in kept[True]] == [n.item() for n in kept[False]]
