"""What a trainer needs of optimizers, one or several by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from rumus.autograd import GradientStore
from rumus.nn import Parameter
from rumus.tensor import ArgumentError

from ._checked import type_name


class OptimizerLike(Protocol):
    """What a trainer needs of an optimizer; every one in :mod:`rumus.optim` has it.

    Example:
        >>> from rumus.optim import SGD
        >>> from rumus import nn
        >>> optimizer: OptimizerLike = SGD(nn.Linear(2, 1).parameters(), lr=0.1)
        >>> len(optimizer.params)
        2
    """

    @property
    def params(self) -> Sequence[Parameter]:
        """The parameters that :meth:`step` changes."""
        ...

    def step(self, grads: GradientStore) -> None:
        """Change the parameters by their gradients, taking those out of the store."""
        ...


def named_optimizers(given: object) -> dict[str, Any]:
    """The optimizers by name; a single one is ``"optimizer"``.

    Raises:
        ArgumentError: There is none, or something else among them.
    """
    named: dict[str, Any] = dict(given) if isinstance(given, Mapping) else {"optimizer": given}
    for optimizer in named.values():
        if isinstance(optimizer, type):
            raise ArgumentError(
                f"a Trainer takes an optimizer, {optimizer.__name__}(model.parameters(), lr=1e-3), "
                "and not its class"
            )
        if not (hasattr(optimizer, "params") and callable(getattr(optimizer, "step", None))):
            raise ArgumentError(
                f"a Trainer takes an optimizer, such as AdamW(model.parameters(), lr=1e-3), "
                f"not a {type_name(optimizer)}"
            )
    if not named:
        raise ArgumentError("a Trainer takes at least one optimizer")
    return named
