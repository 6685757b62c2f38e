"""What whoever comes from another framework does to a trainer, and what is said to it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rumus.train
from rumus import nn
from rumus.data import ArrayDataset, DataLoader
from rumus.optim import SGD
from rumus.optim.lr_scheduler import ReduceLROnPlateau, StepLR
from rumus.tensor import ArgumentError, Tensor, UnknownImportError, UnknownNameError, ones
from rumus.train import (
    Accuracy,
    CsvLogger,
    EarlyStopping,
    Event,
    OnEvent,
    Run,
    RunFolder,
    RunFolderError,
    TimeLimit,
    Trainer,
)
from rumus.train._foreign import _MODULE_HINTS, HINTS, RUN_HINTS


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


class Lightning:
    def on_train_batch_end(self, run: Any) -> None:
        pass


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
    "one array as a loader": (
        lambda t, m: t.fit(m, np.zeros((4, 2)), nn.MSELoss(), epochs=1),
        "an array gives its rows; DataLoader",
    ),
    "prediction of an array": (
        lambda t, m: list(t.predict(m, np.zeros((4, 2)))),
        "an array gives its rows; DataLoader",
    ),
    "arrays alone": (
        lambda t, m: t.fit(np.zeros((4, 2)), np.zeros(4), nn.MSELoss(), epochs=1),  # type: ignore[arg-type]
        r"not a ndarray: fit\(model, loader, loss, epochs=...\)",
    ),
    "a number as the loss": (
        lambda t, m: t.fit(m, loader(), lambda y, z: nn.mse_loss(y, z).item(), epochs=1),  # type: ignore[arg-type, return-value]
        r"returned float; leave out item\(\)",
    ),
    "two losses": (
        lambda t, m: t.train_step(lambda: (m(ones(1, 2)).sum(), 1)),  # type: ignore[arg-type, return-value]
        r"returned tuple; one of what it holds, or fit\(step=",
    ),
    "another framework's event": (
        lambda t, m: t.fit(m, loader(), nn.MSELoss(), epochs=1, callbacks=[Lightning()]),
        r"Lightning.on_train_batch_end is no event's; there are .*on_step_end",
    ),
    "one metric": (
        lambda t, m: t.fit(
            m,
            loader(),
            nn.mse_loss,
            epochs=1,
            validate=loader(),
            metrics=Accuracy(),  # type: ignore[arg-type]
        ),
        r"metrics is a list, as in \[Accuracy\(\)\], not",
    ),
    "a number as the average": (
        lambda t, m: t.fit(m, loader(), nn.mse_loss, epochs=1, average=0.9),  # type: ignore[arg-type]
        r"average is a WeightAverage\(model.named_parameters\(\), decay\), not 0.9",
    ),
    "an event by its name": (
        lambda t, m: OnEvent("step_end", print),  # type: ignore[arg-type]
        "such as Event.STEP_END, not 'step_end'",
    ),
    "no function at an event": (
        lambda t, m: OnEvent(Event.STEP_END, 3),  # type: ignore[arg-type]
        "a function of the run, not 3",
    ),
    "a time as a text": (
        lambda t, m: TimeLimit("1h"),  # type: ignore[arg-type]
        r"of numbers, as in hours=1.5, not '1h'",
    ),
    "a text to a logger": (
        lambda t, m: CsvLogger("never/made.csv").log(1, {"a": "b"}),  # type: ignore[dict-item]
        "a logger takes numbers, and 'a' is 'b'",
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


def test_names_on_a_run_are_translated() -> None:
    model = nn.Linear(2, 2)
    run = Trainer(SGD(model.parameters(), lr=0.1)).fit(model, loader(), nn.mse_loss, epochs=1)
    for name, hint in RUN_HINTS.items():
        with pytest.raises(UnknownNameError) as caught:
            getattr(run, name)
        assert str(caught.value) == f"'Run' object has no attribute {name!r}; here: {hint}"
    with pytest.raises(UnknownNameError, match=r"no attribute 'nothing_like_it'$"):
        run.nothing_like_it  # type: ignore[attr-defined]  # noqa: B018


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("Adam", lambda theirs, t, m: Trainer(theirs)),
        ("Linear", lambda theirs, t, m: t.fit(theirs, loader(), nn.mse_loss, epochs=1)),
        (
            "StepLR",
            lambda theirs, t, m: t.fit(m, loader(), nn.mse_loss, epochs=1, schedule=theirs),
        ),
        ("Tensor", lambda theirs, t, m: t.train_step(lambda: theirs)),
    ],
)
def test_parts_of_another_framework_are_called_by_its_name(name: str, call: Any) -> None:
    theirs, model = type(name, (), {"__module__": "torch.some"})(), nn.Linear(2, 2)
    with pytest.raises(ArgumentError, match=rf"(not a|returned) torch.{name}\b"):
        call(theirs, Trainer(SGD(model.parameters(), lr=0.1)), model)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"settings": 3}', "{}"])
def test_settings_that_are_damaged_are_named(tmp_path: Path, text: str) -> None:
    model = nn.Linear(2, 2)
    trainer = Trainer(SGD(model.parameters(), lr=0.1))
    folder = RunFolder(tmp_path, resume=True)
    trainer.fit(model, loader(), nn.mse_loss, epochs=1, run=folder)
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(RunFolderError, match=r"run.json, .* is damaged: without the file the run"):
        trainer.fit(model, loader(), nn.mse_loss, epochs=2, run=folder)
    (tmp_path / "run.json").unlink()
    assert trainer.fit(model, loader(), nn.mse_loss, epochs=2, run=folder).progress.epoch == 2


def test_a_run_in_the_place_of_a_file_says_so(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    model = nn.Linear(2, 2)
    with pytest.raises(RunFolderError, match="is a file, and a run is kept in a folder"):
        Trainer(SGD(model.parameters(), lr=0.1)).fit(
            model, loader(), nn.mse_loss, epochs=1, run=RunFolder(tmp_path / "run")
        )
