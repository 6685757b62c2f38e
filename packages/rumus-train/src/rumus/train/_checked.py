"""What a loss is."""

from __future__ import annotations

from typing import Any

import numpy as np

from rumus.tensor import ArgumentError, ShapeError, Tensor


def checked_loss(loss: Any) -> Tensor:
    """The loss, if it is a scalar tensor.

    Raises:
        ArgumentError: It is no tensor.
        ShapeError: It is no scalar.
    """
    if not isinstance(loss, Tensor):
        advice = "a `def` needs a `return`"
        if isinstance(loss, (float, int, np.number, np.ndarray)):
            advice = "leave out item(), float() and numpy(), which cut it off from the parameters"
        elif isinstance(loss, (tuple, list, dict)):
            advice = "one of what it holds, or fit(step=...) to report the others too"
        raise ArgumentError(
            f"forward must return the loss as a Tensor, and returned {type_name(loss)}; {advice}"
        )
    if loss.shape != ():
        raise ShapeError(
            f"the loss must be a scalar, of shape (), and has shape {loss.shape}; "
            "take its mean() or sum()"
        )
    return loss


def check_callable(name: str, given: object) -> None:
    """Raise unless a function was given.

    Raises:
        ArgumentError: It is something else.
    """
    if not callable(given):
        raise ArgumentError(
            f"{name} is a function, and a {type(given).__name__} was given; as in "
            "trainer.train_step(lambda: nn.mse_loss(model(x), y))"
        )


def type_name(value: object) -> str:
    """The name of a value's class, behind its package if that is another framework's."""
    cls = type(value)
    package = cls.__module__.partition(".")[0]
    named = package in ("rumus", "builtins", "numpy", "__main__")
    return cls.__name__ if named else f"{package}.{cls.__name__}"
