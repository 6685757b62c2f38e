"""Captured training steps, one for each pair of functions that a loop passes to the trainer."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

from rumus import gpu
from rumus.tensor import Tensor

MOST_STEPS = 16
"""Captured steps that are kept, the latest used."""

Step = Callable[..., Tensor]


class CapturedSteps:
    """Finds the recording of a step by what its functions are made of.

    A loop makes its lambdas anew in every round, so two functions are the same step if they share
    their code and the objects that they close over; numbers and strings are compared by value.

    Args:
        step: called with the functions and then the inputs.
    """

    def __init__(self, step: Step) -> None:
        self._step = step
        # With a captured step goes the pair of functions: it keeps alive what the key names by id.
        self._captured: OrderedDict[Hashable, tuple[gpu.Captured[..., Tensor], Any]] = OrderedDict()

    def __call__(self, *functions: Callable[..., Any], inputs: tuple[Any, ...]) -> Tensor:
        """Run the step on inputs, replaying it if these functions were captured before."""
        key = tuple(_identity(function) for function in functions)
        found = self._captured.get(key)
        if found is None:
            found = (gpu.capture(lambda *inputs: self._step(*functions, *inputs)), functions)
            self._captured[key] = found
            if len(self._captured) > MOST_STEPS:
                self._captured.popitem(last=False)
        self._captured.move_to_end(key)
        return found[0](*inputs)


def _identity(function: Callable[..., Any]) -> Hashable:
    """What makes two functions the same step."""
    inner = getattr(function, "__func__", function)
    code = getattr(inner, "__code__", None)
    if code is None:
        return id(function)
    closed_over = [cell.cell_contents for cell in inner.__closure__ or ()]
    values = (getattr(function, "__self__", None), *closed_over, *(inner.__defaults__ or ()))
    return (code, *map(_value_identity, values))


def _value_identity(value: object) -> Hashable:
    if isinstance(value, bool | int | float | str | None):
        return (type(value), value)
    return id(value)
