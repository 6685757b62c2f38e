"""What other frameworks' names on a trainer are here."""

from __future__ import annotations

from typing import NoReturn

from rumus.tensor import UnknownNameError

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


def unknown(owner: object, name: str) -> NoReturn:
    """Raise for an attribute that a trainer has not."""
    hint = f"; here: {HINTS[name]}" if name in HINTS else ""
    text = f"{type(owner).__name__!r} object has no attribute {name!r}{hint}"
    raise UnknownNameError(text, name=name, obj=owner)
