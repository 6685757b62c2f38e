"""Captured training steps, one for each pair of functions that a loop passes to the trainer."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from types import CellType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any
from weakref import WeakMethod

import numpy as np

from rumus import gpu
from rumus.tensor import Tensor

MOST_STEPS = 16
"""Captured steps that are kept, the latest used."""

_BY_VALUE = frozenset((bool, int, float, str, type(None)))
_WITHOUT_FIELDS = frozenset((FunctionType, MethodType, ModuleType, tuple, type))
_DEEPEST = 3  # functions that name functions

Step = Callable[..., Tensor]


class CapturedSteps:
    """Finds the recording of a step by what its functions are made of.

    A loop makes its lambdas anew in every round, so two functions are the same step if they share
    their code and what that code names outside of itself: variables that it closes over, globals,
    defaults, and attributes of these. Numbers and strings are compared by value, tuples item by
    item, functions as the step itself, everything else by identity.

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
        key: list[object] = []
        named: list[object] = []
        for function in functions:
            _describe(function, key, named)
        identity = tuple(key)
        found = self._captured.get(identity)
        if found is None:
            captured = gpu.capture(partial(_run, self._step, functions))
            found = self._captured[identity] = (captured, (functions, named))
            if len(self._captured) > MOST_STEPS:
                self._captured.popitem(last=False)
        self._captured.move_to_end(identity)
        return found[0](*inputs)


def _run(step: WeakMethod[Step], functions: Sequence[Callable[..., Any]], *inputs: Any) -> Tensor:
    method = step()
    assert method is not None, "a step runs in a call of the object whose method it is"
    return method(*functions, *inputs)


def _describe(value: Any, key: list[object], named: list[object], depth: int = 0) -> None:
    """Append to ``key`` what makes two values the same to a step.

    This runs in every step and is kept to a few microseconds: ids stand for whatever can have one,
    code included, and ``named`` keeps alive what they name.
    """
    kind = type(value)
    if kind in _BY_VALUE or isinstance(value, np.generic):
        key.extend((kind, value))
    elif kind is tuple:
        key.extend((kind, len(value)))
        for item in value:
            _describe(item, key, named, depth)
    elif kind is partial:
        _describe((value.func, value.args, *value.keywords.items()), key, named, depth)
    else:
        function, owner = _code_of(value)
        if function is None or depth == _DEEPEST:
            key.append(id(value))
            named.append(value)
        else:
            _describe_function(function, owner, key, named, depth + 1)


def _code_of(value: Any) -> tuple[FunctionType | None, object]:
    """The function that a call of the value runs, and its ``self``; not of rumus's own."""
    owner = None
    if type(value) is MethodType:
        value, owner = value.__func__, value.__self__
    elif type(value) is not FunctionType:
        # Looked up as Python does when it calls an object.
        value, owner = getattr(type(value), "__call__", None), value  # noqa: B004
    ours = type(value) is not FunctionType or (value.__module__ or "").startswith("rumus.")
    return (None, None) if ours else (value, owner)


def _describe_function(
    function: FunctionType, owner: object, key: list[object], named: list[object], depth: int
) -> None:
    """What a function's code names outside of itself, and the attributes that it may read there."""
    code, known = function.__code__, function.__globals__
    names = _names(code)
    key.append(id(code))
    named.append(code)
    held = [cell.cell_contents for cell in function.__closure__ or () if _is_full(cell)]
    held += [known[name] for name in names if name in known]
    held += (function.__defaults__, *(function.__kwdefaults__ or {}).values(), owner)
    for value in held:
        if value is owner:
            key.append(id(value))
            named.append(value)
        else:
            _describe(value, key, named, depth)
        kind = type(value)
        if kind in _BY_VALUE or kind in _WITHOUT_FIELDS or isinstance(value, Tensor):
            continue
        fields = getattr(value, "__dict__", None) or {}
        for name in names:
            if name in fields:
                key.append(name)
                _describe(fields[name], key, named, depth)


_known_names: dict[int, tuple[CodeType, tuple[str, ...]]] = {}


def _names(code: CodeType) -> tuple[str, ...]:
    """The globals and attributes that code reads, and those of the functions defined in it."""
    known = _known_names.get(id(code))
    if known is None:
        inner = (name for c in code.co_consts if isinstance(c, CodeType) for name in _names(c))
        known = _known_names[id(code)] = (code, tuple(dict.fromkeys((*code.co_names, *inner))))
    return known[1]


def _is_full(cell: CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018  raises where the variable has no value yet
    except ValueError:
        return False
    return True
