"""What modules are called with."""

from __future__ import annotations

from rumus._core.base import TensorBase
from rumus._core.described import type_name
from rumus._core.errors import DTypeError


def check_tensor(owner: object, *given: object) -> None:
    """Refuse what is no tensor where a module, or a function of that name, takes nothing else.

    Raises:
        DTypeError: It is something else.
    """
    name = owner if isinstance(owner, str) else type(owner).__name__
    for value in given:
        if not isinstance(value, TensorBase):
            parts = isinstance(value, tuple | dict) or hasattr(value, "__tree__")
            raise DTypeError(
                f"{name} takes tensors, not a {type_name(value)}; "
                + (
                    "give it a part of that, such as batch.input, or outputs[0] of an LSTM"
                    if parts
                    else "make one of it with rumus.tensor.tensor(...)"
                )
            )
