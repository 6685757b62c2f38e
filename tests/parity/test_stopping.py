"""When training is stopped, and which model is the best, against Keras's and Lightning's callbacks.

Their callbacks are called as their trainers call them, with the values of a metric and nothing
else behind. Values are multiples of 1/8, so that ties and thresholds are met exactly.
"""

import math
import os
import random
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
from lightning.pytorch.callbacks import EarlyStopping as LightningStopping
from lightning.pytorch.callbacks import ModelCheckpoint as LightningCheckpoint
from lightning.pytorch.trainer.states import TrainerFn

from rumus import nn
from rumus.data import ArrayDataset, DataLoader
from rumus.optim import SGD
from rumus.tensor import no_grad
from rumus.train import EarlyStopping, KeepBest, Progress, Run, Saved, Trainer

X = np.ones((2, 1), np.float32)


def sequences(count: int, nans: bool) -> list[list[float]]:
    """Values that get better, worse and stay, each in its own way."""
    rng = random.Random(int(nans))
    found = []
    for _ in range(count):
        values = [rng.randint(16, 32) / 8]
        for _ in range(rng.randint(3, 12)):
            values.append(values[-1] + rng.choice((-3, -2, -1, 0, 0, 1, 2)) / 8)
        if nans:
            values = [v if k == 0 or rng.random() > 0.2 else math.nan for k, v in enumerate(values)]
        found.append(values)
    return found


class Values:
    """Gives a run the values of a validation, and notes which epoch's weights are there."""

    def __init__(self, values: Sequence[float]) -> None:
        self.values = values

    def on_validation_end(self, run: Run) -> None:
        run.metrics["val_loss"] = self.values[run.progress.epoch]
        with no_grad():
            run.model.bias.fill_(float(run.progress.epoch))


def ours(values: Sequence[float], **options: Any) -> tuple[int, int]:
    """The epochs of a run, and the one whose weights it ends with."""
    model = nn.Linear(1, 1)
    batches = DataLoader(ArrayDataset(X, X), 2)
    run = Trainer(SGD(model.parameters(), 0.0)).fit(
        model,
        batches,
        nn.mse_loss,
        epochs=len(values),
        validate=batches,
        callbacks=[Values(values), EarlyStopping(restore_best=True, **options)],
    )
    return run.progress.epoch, int(model.bias.item())


class Weights:
    """What Keras's callbacks need of a model."""

    def __init__(self) -> None:
        self.epoch, self.stop_training = 0, False
        self.saved: list[int] = []

    def get_weights(self) -> int:
        return self.epoch

    def set_weights(self, epoch: int) -> None:
        self.epoch = epoch

    def save(self, path: str, overwrite: bool) -> None:
        self.saved.append(self.epoch)


def of_keras(
    values: Sequence[float], patience: int, threshold: float, mode: str
) -> tuple[int, int]:
    """The same of Keras."""
    callback = keras.callbacks.EarlyStopping(
        patience=patience, min_delta=threshold, mode=mode, restore_best_weights=True
    )
    model = Weights()
    callback.set_model(model)
    callback.on_train_begin()
    for epoch, value in enumerate(values):
        model.epoch = epoch
        callback.on_epoch_end(epoch, {"val_loss": value})
        if model.stop_training:
            break
    callback.on_train_end()
    return epoch + 1, model.epoch


def of_lightning(
    values: Sequence[float], patience: int, threshold: float, mode: str, check_finite: bool = False
) -> int:
    """The epochs of a run of Lightning."""
    callback = LightningStopping(
        "val_loss", threshold, patience, mode=mode, check_finite=check_finite,
        check_on_train_epoch_end=True,
    )  # fmt: skip
    trainer: Any = SimpleNamespace(
        state=SimpleNamespace(fn=TrainerFn.FITTING),
        sanity_checking=False,
        fast_dev_run=False,
        strategy=SimpleNamespace(reduce_boolean_decision=lambda decision, all=True: decision),
        should_stop=False,
    )
    for epoch, value in enumerate(values):
        trainer.current_epoch = epoch
        trainer.callback_metrics = {"val_loss": torch.tensor(value)}
        callback.on_train_epoch_end(trainer, None)
        if trainer.should_stop:
            break
    return epoch + 1


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("threshold", [0.0, 0.125, 0.25])
@pytest.mark.parametrize("patience", [0, 1, 2, 3])
@pytest.mark.parametrize("nans", [False, True])
def test_runs_are_stopped_when_keras_and_lightning_stop_them(
    mode: str, threshold: float, patience: int, nans: bool
) -> None:
    for values in sequences(12, nans):
        options: Any = {"patience": patience, "threshold": threshold, "mode": mode}
        epochs, best = ours(values, **options)
        assert (epochs, best) == of_keras(values, **options), values
        assert epochs == of_lightning(values, **options), values


def test_where_they_differ_is_what_the_docstring_says() -> None:
    options: Any = {"patience": 2, "threshold": 0.0, "mode": "min"}
    # A NaN stops Lightning at once; with check_finite=False it counts as here.
    values = [3.0, math.nan, 2.0, 1.0]
    assert ours(values, **options)[0] == 4
    assert of_lightning(values, **options, check_finite=True) == 2
    # A NaN in the first epoch is Keras's best, which nothing beats.
    values = [math.nan, 2.0, 1.0, 0.5]
    assert ours(values, **options) == (4, 3)
    assert of_keras(values, **options) == (3, 0)


def kept(values: Sequence[float], n: int, mode: Any) -> list[list[int]]:
    """The epochs of the checkpoints that a policy keeps, after each one."""
    policy, there, found = KeepBest("val_loss", n, mode), list[Saved](), []
    for epoch, value in enumerate(values):
        there = policy([*there, Saved(str(epoch), Progress(step=epoch), {"val_loss": value})])
        found.append([int(s.name) for s in there])
    return found


def kept_by_lightning(values: Sequence[float], n: int, mode: str, folder: str) -> list[list[int]]:
    """The epochs of the models that Lightning keeps."""
    callback = LightningCheckpoint(folder, "{epoch}", "val_loss", save_top_k=n, mode=mode)
    trainer: Any = SimpleNamespace(
        strategy=SimpleNamespace(
            reduce_boolean_decision=lambda decision, all=True: decision,
            broadcast=lambda value: value,
            remove_checkpoint=lambda path: None,
        ),
        save_checkpoint=lambda path, weights_only: None,
        is_global_zero=True,
        loggers=[],
        ckpt_path=None,
    )
    found = []
    for epoch, value in enumerate(values):
        trainer.global_step = epoch
        told = {"val_loss": torch.tensor(value), "epoch": torch.tensor(epoch)}
        callback._save_topk_checkpoint(trainer, {**told, "step": torch.tensor(epoch)})
        names = (os.path.basename(path) for path in callback.best_k_models)
        found.append(sorted(int(name[len("epoch=") : -len(".ckpt")]) for name in names))
    return found


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("n", [1, 3])
def test_the_best_models_are_those_that_lightning_keeps(mode: str, n: int, tmp_path: Any) -> None:
    for values in sequences(20, nans=False):
        if n > 1:  # of equal ones Lightning may drop the older, and here the younger goes
            values = [v + k / 1024 for k, v in enumerate(values)]
        theirs = kept_by_lightning(values, n, mode, str(tmp_path))
        for epoch, (mine, best) in enumerate(zip(kept(values, n, mode), theirs, strict=True)):
            assert set(mine) == {*best, epoch}, values  # the newest stays beside the best


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("nans", [False, True])
def test_the_best_model_is_that_which_keras_saves(mode: str, nans: bool) -> None:
    for values in sequences(20, nans):
        model = Weights()
        callback = keras.callbacks.ModelCheckpoint("best.keras", mode=mode, save_best_only=True)
        callback.set_model(model)
        for epoch, mine in enumerate(kept(values, 1, mode)):
            model.epoch = epoch
            callback.on_epoch_end(epoch, {"val_loss": values[epoch]})
            assert set(mine) == {model.saved[-1], epoch}, values
