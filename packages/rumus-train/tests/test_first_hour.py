"""What whoever comes from another framework does to a trainer, and what is said to it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rumus.train
from rumus import nn
from rumus.data import ArrayDataset, DataLoader
from rumus.optim import SGD
from rumus.optim.lr_scheduler import ReduceLROnPlateau, StepLR
from rumus.tensor import ArgumentError, Tensor, UnknownImportError, UnknownNameError, ones
from rumus.train import Accuracy, EarlyStopping, Run, Trainer
from rumus.train._foreign import _MODULE_HINTS, HINTS


@pytest.mark.parametrize("name", HINTS)
def test_a_name_of_another_framework_is_translated(name: str) -> None:
    trainer = Trainer(SGD(nn.Linear(2, 2).parameters(), lr=0.1))
    assert not hasattr(trainer, name)
    with pytest.raises(UnknownNameError) as caught:
        getattr(trainer, name)
    assert str(caught.value).endswith(f"no attribute {name!r}; here: {HINTS[name]}")


@pytest.mark.parametrize("name", _MODULE_HINTS)
def test_an_import_of_such_a_name_says_what_it_is_here(name: str) -> None:
    assert not hasattr(rumus.train, name)
    with pytest.raises(UnknownNameError, match=f"'rumus.train' has no attribute {name!r}; here: "):
        getattr(rumus.train, name)
    with pytest.raises(UnknownImportError, match=f"{name!r} from 'rumus.train'; here: "):
        exec(f"from rumus.train import {name}")


def loader() -> DataLoader:
    return DataLoader(ArrayDataset(np.zeros((4, 2), np.float32), np.zeros((4, 2))), 2)


def learned(run: Run, loss: Tensor) -> Tensor:
    run.minimize(loss)
    return loss


CALLS: dict[str, tuple[Callable[[Trainer[Any], nn.Module], object], str]] = {
    "a name of a metric": (
        lambda t, m: t.fit(m, loader(), nn.MSELoss(), epochs=1, validate=loader(), metrics=["a"]),  # type: ignore[list-item]
        r"not 'a': metrics=\[Accuracy\(\)\]",
    ),
    "a class of a metric": (
        lambda t, m: t.evaluate(m, loader(), metrics=[Accuracy]),  # type: ignore[list-item]
        "metrics are objects such as",
    ),
    "one callback": (
        lambda t, m: t.fit(m, loader(), nn.MSELoss(), epochs=1, callbacks=EarlyStopping()),  # type: ignore[arg-type]
        r"callbacks is a list, as in \[EarlyStopping",
    ),
    "a tensor as a loader": (
        lambda t, m: t.fit(m, ones((4, 2)), nn.MSELoss(), epochs=1),
        r"a Tensor gives its rows; DataLoader",
    ),
    "arrays as a loader": (
        lambda t, m: t.fit(m, (np.zeros((4, 2)), np.zeros(4)), nn.MSELoss(), epochs=1),
        "this ndarray has none; DataLoader",
    ),
    "a path for a run": (
        lambda t, m: t.fit(m, loader(), nn.MSELoss(), epochs=1, run="runs/a"),  # type: ignore[arg-type]
        r"such as RunFolder\('runs/first', resume=True\), not 'runs/a'",
    ),
    "a class of a schedule": (
        lambda t, m: t.fit(m, loader(), nn.MSELoss(), epochs=1, schedule=StepLR),
        r"an object, StepLR\(base_lr, \.\.\.\), and not its class",
    ),
    "a schedule for an accuracy": (
        lambda t, m: t.fit(
            m, loader(), nn.MSELoss(), epochs=1, schedule=ReduceLROnPlateau(0.1, mode="max")
        ),
        'take mode="min", or step it in a callback',
    ),
    "a schedule for a loss of another name": (
        lambda t, m: t.fit(
            m,
            loader(),
            step=lambda run, batch: {"mine": learned(run, m(batch.input).mean())},
            epochs=1,
            schedule=ReduceLROnPlateau(0.1),
        ),
        "takes val_loss, or loss, and the run has mine: .* as 'loss'",
    ),
    "a name for a clip": (
        lambda t, m: t.fit(m, loader(), nn.MSELoss(), epochs=1, clip="norm"),  # type: ignore[arg-type]
        "clip is a norm above 0, or a function, not 'norm'",
    ),
    "a class of an optimizer": (
        lambda t, m: Trainer(SGD),
        r"SGD\(model\.parameters\(\), lr=1e-3\), and not its class",
    ),
    "a class of a callback": (
        lambda t, m: t.fit(m, loader(), nn.MSELoss(), epochs=1, callbacks=[EarlyStopping]),
        r"an object, EarlyStopping\(\.\.\.\), and not its class",
    ),
    "no callback": (
        lambda t, m: t.fit(m, loader(), nn.MSELoss(), epochs=1, callbacks=[print]),
        r"has none; OnEvent\(Event\.STEP_END, function\)",
    ),
    "a class of a loss": (
        lambda t, m: t.fit(m, loader(), nn.MSELoss, epochs=1),
        r"MSELoss\(\)\(prediction, target\)",
    ),
}


@pytest.mark.parametrize("what", CALLS)
def test_the_message_says_what_to_do(what: str) -> None:
    call, message = CALLS[what]
    model = nn.Linear(2, 2)
    with pytest.raises(ArgumentError, match=message):
        call(Trainer(SGD(model.parameters(), lr=0.1)), model)
