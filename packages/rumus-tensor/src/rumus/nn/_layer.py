"""Modules that take one tensor and give one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rumus._core.errors import ArgumentError
from rumus.tensor._tensor import Tensor

from ._module import Module


class Layer(Module):
    """A module from one tensor to one tensor, typed as such."""

    def forward(self, x: Tensor) -> Tensor:
        """What the layer computes; a subclass writes it."""
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def __call__(self, x: Tensor) -> Tensor:
        """The result of :meth:`forward`."""
        return self.forward(x)


class Sequential(Layer):
    """Modules one after the other; can be indexed and iterated.

    Args:
        layers: Each takes the result of the one before.

    Raises:
        ArgumentError: One of them is no module.

    Example:
        >>> from rumus.nn import Linear, ReLU
        >>> model = Sequential(Linear(4, 8), ReLU(), Linear(8, 2))
        >>> len(model), [name for name, _ in model.named_parameters()]
        (3, ['0.weight', '0.bias', '2.weight', '2.bias'])
    """

    def __init__(self, *layers: Module) -> None:
        for i, layer in enumerate(layers):
            if not isinstance(layer, Module):
                raise ArgumentError(
                    f"Sequential takes modules, as in Sequential(a, b); number {i} is a "
                    f"{type(layer).__name__}"
                )
        self.layers = list(layers)

    def forward(self, x: Tensor) -> Tensor:
        """Apply one module after the other."""
        for layer in self.layers:
            x = layer(x)
        return x

    def _attributes(self) -> Iterator[tuple[str, Any]]:
        """As every module's, with the layers named by position alone."""
        return ((name.removeprefix("layers."), value) for name, value in super()._attributes())

    def __getitem__(self, i: int) -> Module:
        return self.layers[i]

    def __len__(self) -> int:
        return len(self.layers)

    def __iter__(self) -> Iterator[Module]:
        return iter(self.layers)
