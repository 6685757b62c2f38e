"""What other frameworks' names on a trainer are here."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import NoReturn

from rumus.tensor import UnknownImportError, UnknownNameError

_CHECKPOINT = "fit(..., run=RunFolder(path)) saves, and resume=True goes on"
HINTS = {
    "compile": "a trainer is made with its optimizer; the loss and the metrics go to fit",
    "train": "trainer.fit(model, loader, loss, epochs=...)",
    "step": "trainer.train_step(forward, *inputs)",
    "test": "trainer.evaluate(model, loader)",
    "validate": "trainer.evaluate(model, loader), or fit(..., validate=loader)",
    "model": "fit, evaluate and predict are given the model",
    "save": f"rumus.nn.save_file(model, path) writes weights, and {_CHECKPOINT}",
    "load": f"rumus.nn.load_file(path) reads weights, and {_CHECKPOINT}",
    "save_checkpoint": _CHECKPOINT,
    "load_checkpoint": _CHECKPOINT,
    "zero_grad": "gradients are not kept: there are none to set to zero",
    "backward": "train_step computes the gradients and gives them to the optimizer",
}
_CURVES = "run.metrics has the last values, and Log(JsonLinesLogger(path)) is a callback for all"
RUN_HINTS = {
    "history": _CURVES,
    "losses": _CURVES,
    "current_epoch": "run.progress.epoch",
    "global_step": "run.progress.step",
    "callback_metrics": "run.metrics",
    "logged_metrics": "run.metrics",
}
_DATA = "it is in rumus.data"
_MODULE_HINTS = {
    "DataLoader": _DATA,
    "Dataset": _DATA,
    "random_split": _DATA,
    "ModelCheckpoint": _CHECKPOINT,
    "Checkpoint": _CHECKPOINT,
    "SummaryWriter": "TensorBoardLogger(folder)",
    "WandbLogger": "a Logger of your own writes anywhere: CsvLogger and JsonLinesLogger are two",
    "ReduceLROnPlateau": "it is in rumus.optim.lr_scheduler, and fit(..., schedule=) takes it",
    "LightningModule": "fit(..., step=) takes a function of the run and a batch",
    "DistributedDataParallel": "Trainer(optimizer, group=...) trains over several machines",
    "AUROC": "it is ROCAUC",
}


def unknown(owner: object, name: str, hints: Mapping[str, str] = HINTS) -> NoReturn:
    """Raise for an attribute that a trainer, or a run, has not."""
    hint = f"; here: {hints[name]}" if name in hints else ""
    text = f"{type(owner).__name__!r} object has no attribute {name!r}{hint}"
    raise UnknownNameError(text, name=name, obj=owner)


def missing(name: str) -> NoReturn:
    """Raise for a name that the module has not.

    ``from rumus.train import name`` drops the text of an AttributeError. It asks by ``hasattr``
    first, from a function of importlib, and lets an ImportError through.
    """
    from difflib import get_close_matches  # which no import waits for

    known = {public.lower(): public for public in sys.modules["rumus.train"].__all__}
    alike = get_close_matches(name.lower(), known, 1, 0.7)
    hint = _MODULE_HINTS.get(name) or (f"there is {known[alike[0]]}" if alike else "")
    told = f"; here: {hint}" if hint else ""
    asks = sys._getframe(1).f_code.co_name
    if hint and asks == "_handle_fromlist" and not name.startswith("_"):
        raise UnknownImportError(f"cannot import name {name!r} from 'rumus.train'{told}", name=name)
    raise UnknownNameError(f"module 'rumus.train' has no attribute {name!r}{told}", name=name)
