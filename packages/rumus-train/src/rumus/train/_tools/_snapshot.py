"""A model, its optimizer and the random stream, put back as they were."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from rumus.nn import Module
from rumus.tensor import default_generator, tensor


class TunedOptimizer(Protocol):
    """What the tools need of an optimizer; every one in :mod:`rumus.optim` has it."""

    def step(self, grads: Any) -> Any:
        """Change the parameters."""
        ...

    def set_lr(self, lr: float) -> Any:
        """Set the learning rate."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to continue."""
        ...

    def load_state_dict(self, state: Any) -> Any:
        """Continue."""
        ...


@contextmanager
def unchanged(model: Module, optimizer: TunedOptimizer, loader: Any = None) -> Iterator[None]:
    """Put weights, buffers, optimizer and random stream back at the end, whatever happened.

    So is a loader that has a state: the epochs that it was used for do not count.
    """
    weights = {name: value.numpy().copy() for name, value in model.state_dict().items()}
    state = optimizer.state_dict()
    random = default_generator.state_dict()
    position = loader.state_dict() if hasattr(loader, "load_state_dict") else None
    try:
        yield
    finally:
        model.load_state_dict({name: tensor(value) for name, value in weights.items()})
        optimizer.load_state_dict(state)
        default_generator.load_state_dict(random)
        if position is not None:
            loader.load_state_dict(position)
