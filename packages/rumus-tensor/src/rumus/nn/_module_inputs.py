"""What modules are called with."""

from __future__ import annotations

from rumus._core.base import TensorBase
from rumus._core.errors import DTypeError


def check_tensor(module: object, *given: object) -> None:
    """Refuse what is no tensor where a module takes nothing else.

    Raises:
        DTypeError: It is something else.
    """
    for value in given:
        if not isinstance(value, TensorBase):
            raise DTypeError(
                f"{type(module).__name__} takes tensors, not a {type(value).__name__}; make one of "
                "it with rumus.tensor.tensor(...)"
            )
