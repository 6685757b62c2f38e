"""Captured training steps, one for each pair of functions that a loop passes to the trainer."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from weakref import WeakMethod

from rumus import gpu

from ._identity import Identity, codes_of, is_fixed, keys_by_name
from ._warn import warn

MOST_STEPS = 16
"""Captured steps that are kept, the latest used."""
MOST_STRANGERS = 5
"""How often the same code comes with other values until it is no longer captured."""

Step = Callable[..., Any]


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
        self._captured: OrderedDict[tuple[object, ...], tuple[gpu.Captured[..., Any], Any]] = (
            OrderedDict()
        )
        self._strangers: Counter[tuple[Any, ...]] = Counter()
        """For some code how often it came with other values, since it was last known."""
        self._seen: OrderedDict[int, None] = OrderedDict()
        """Of strangers that were not captured, the hashes of their keys."""
        self._before: dict[str, tuple[object, ...]] = {}
        self._said = False
        self._fixed: tuple[tuple[Any, ...], gpu.Captured[..., Any]] | None = None
        """Functions that are rumus's own, which read nothing of the user's, and their recording."""

    def __call__(self, *functions: Callable[..., Any], inputs: tuple[Any, ...]) -> Any:
        """Run the step on inputs, replaying it if these functions were captured before.

        Where the same functions find other values in one step after the other, they are run as
        they are until some come again.
        """
        if self._fixed is not None and self._fixed[0] == functions:
            return self._fixed[1](*inputs)
        identity = Identity(functions)
        key = tuple(identity.key)
        found = self._captured.get(key)
        if found is not None:
            if self._strangers:
                self._strangers.pop(codes_of(functions), None)
        elif self._is_worth_it(hash(key), functions):
            captured = gpu.capture(partial(_run, self._step, functions))
            found = self._captured[key] = (captured, (functions, identity.named))
            if len(self._captured) > MOST_STEPS:
                self._captured.popitem(last=False)
        else:
            return _run(self._step, functions, *inputs)
        self._captured.move_to_end(key)
        if all(map(is_fixed, functions)):
            self._fixed = functions, found[0]
        return found[0](*inputs)

    def _is_worth_it(self, key: int, functions: Sequence[Callable[..., Any]]) -> bool:
        codes = codes_of(functions)
        if len(self._strangers) > MOST_STEPS:
            self._strangers.clear()
        self._strangers[codes] += 1
        if self._strangers[codes] < MOST_STRANGERS or key in self._seen:
            self._seen.pop(key, None)
            return True
        if not self._said:
            self._say(functions)
        self._seen[key] = None
        if len(self._seen) > MOST_STEPS:
            self._seen.popitem(last=False)
        return False

    def _say(self, functions: Sequence[Callable[..., Any]]) -> None:
        """Name what changed, once two steps could be compared."""
        before, self._before = self._before, keys_by_name(functions)
        if not before:
            return
        self._said = True
        names = [n for n, key in self._before.items() if n in before and before[n] != key]
        warn(
            f"the captured step reads {max(names, key=len, default='something')}, which changes "
            "from step to step: it runs as it would without capture while it does. Pass what "
            "changes as an input of the step, as a tensor"
        )


def _run(step: WeakMethod[Step], functions: Sequence[Callable[..., Any]], *inputs: Any) -> Any:
    method = step()
    assert method is not None, "a step runs in a call of the object whose method it is"
    return method(*functions, *inputs)
