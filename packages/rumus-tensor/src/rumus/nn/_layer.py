"""Modules that take one tensor and give one."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rumus._core.base import TensorBase
from rumus.tensor._tensor import Tensor

from . import _hooks
from ._module import Module
from ._module_inputs import check_tensor


class Layer(Module):
    """A module from one tensor to one tensor, typed as such.

    Attributes:
        takes_anything: Whether what is no tensor goes to :meth:`forward` too.

    Raises:
        DTypeError: From a call: it was given something else.

    Example:
        >>> from rumus.tensor import ones
        >>> class Double(Layer):
        ...     def forward(self, x):
        ...         return x * 2.0
        >>> Double()(ones(2)).tolist()
        [2.0, 2.0]
    """

    takes_anything: ClassVar[bool] = False

    def forward(self, x: Tensor) -> Tensor:
        """What the layer computes; a subclass writes it."""
        raise NotImplementedError(
            f"{type(self).__name__} has no forward: define forward(self, x), which computes what "
            "calling the layer gives"
        )

    if not TYPE_CHECKING:  # checkers see the parameters of forward

        def __call__(self, x: Tensor) -> Tensor:
            """The result of :meth:`forward`, with the hooks that were registered around it."""
            if not (isinstance(x, TensorBase) or self.takes_anything):
                check_tensor(self, x)
            if self._hooks:
                return _hooks.call(self, (x,), {})
            return self.forward(x)
