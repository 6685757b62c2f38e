"""Modules that take one tensor and give one."""

from __future__ import annotations

from rumus.tensor._tensor import Tensor

from . import _hooks
from ._module import Module


class Layer(Module):
    """A module from one tensor to one tensor, typed as such.

    Example:
        >>> from rumus.tensor import ones
        >>> class Double(Layer):
        ...     def forward(self, x):
        ...         return x * 2.0
        >>> Double()(ones(2)).tolist()
        [2.0, 2.0]
    """

    def forward(self, x: Tensor) -> Tensor:
        """What the layer computes; a subclass writes it."""
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def __call__(self, x: Tensor) -> Tensor:
        """The result of :meth:`forward`, with the hooks that were registered around it."""
        if self._hooks:
            y: Tensor = _hooks.call(self, (x,), {})
            return y
        return self.forward(x)
