"""Captured training steps, one for each pair of functions that a loop passes to the trainer."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from weakref import WeakMethod

from rumus import gpu
from rumus.tensor import Tensor

from ._identity import Identity

MOST_STEPS = 16
"""Captured steps that are kept, the latest used."""

Step = Callable[..., Tensor]


class CapturedSteps:
    """Finds the recording of a step by what its functions are made of.

    A loop makes its lambdas anew in every round, so two functions are the same step if they have
    the same :class:`Identity`.

    Args:
        step: a method, called with the functions and then the inputs. It is not kept alive: whose
            method it is holds this object, and a cycle would hold the recordings' memory.
    """

    def __init__(self, step: Step) -> None:
        self._step = WeakMethod(step)
        # With a captured step goes what its key names by id, which is thereby kept alive.
        self._captured: OrderedDict[tuple[object, ...], tuple[gpu.Captured[..., Tensor], Any]] = (
            OrderedDict()
        )

    def __call__(self, *functions: Callable[..., Any], inputs: tuple[Any, ...]) -> Tensor:
        """Run the step on inputs, replaying it if these functions were captured before."""
        identity = Identity(functions)
        key = tuple(identity.key)
        found = self._captured.get(key)
        if found is None:
            captured = gpu.capture(partial(_run, self._step, functions))
            found = self._captured[key] = (captured, (functions, identity.named))
            if len(self._captured) > MOST_STEPS:
                self._captured.popitem(last=False)
        self._captured.move_to_end(key)
        return found[0](*inputs)


def _run(step: WeakMethod[Step], functions: Sequence[Callable[..., Any]], *inputs: Any) -> Tensor:
    method = step()
    assert method is not None, "a step runs in a call of the object whose method it is"
    return method(*functions, *inputs)
