"""What makes two functions the same step."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property, lru_cache, partial
from types import (
    BuiltinFunctionType,
    CellType,
    CodeType,
    FunctionType,
    MemberDescriptorType,
    MethodType,
)
from typing import Any, NamedTuple

import numpy as np

from rumus.nn import Module
from rumus.tensor import Tensor

_BY_VALUE = frozenset((bool, int, str, type(None)))
_WITHOUT_FIELDS = _BY_VALUE | {float, tuple, list, dict, FunctionType, BuiltinFunctionType}
_MADE_ANEW = frozenset((FunctionType, MethodType, partial))
_ARRAYS = (Tensor, np.ndarray, np.generic)


class _Fields(NamedTuple):
    value: int


_DESCRIPTORS = (
    FunctionType,
    staticmethod,
    classmethod,
    MemberDescriptorType,  # slots
    type(_Fields.value),
)
"""What reading an attribute goes through without running code."""
_DEEPEST = 6
"""Functions and attributes on the way to a number."""
_HEAP_TYPE = 1 << 9
"""Flag of classes that Python code made, whose attributes may change."""


class Identity:
    """A key of some functions that tells when a recording of them is out of date.

    Functions are the same if they share their code and what the code names outside of itself:
    variables that it closes over, globals, defaults, arguments bound to it, and attributes of
    these, of their classes, and of those attributes in turn. Numbers and strings are compared by
    value, tuples item by item, methods, properties and functions that are named as the function
    itself, everything else by identity.

    This runs in every step and is kept to about ten microseconds: ids stand for whatever can have
    one.

    Attributes:
        key: what is compared.
        named: what the ids in it are of, to be kept alive with it.
    """

    __slots__ = ("_seen", "key", "named")

    def __init__(self, functions: Iterable[Any]) -> None:
        self.key: list[object] = []
        self.named: list[object] = []
        self._seen: set[tuple[int, ...]] = set()
        for function in functions:
            self._add(function, 0)

    def _add(self, value: Any, depth: int) -> None:
        kind = type(value)
        if kind in _BY_VALUE:
            self.key.extend((kind, value))
        elif kind is float:
            self.key.append(value.hex())  # 0.0 and -0.0 are equal
        elif isinstance(value, np.generic):
            self.key.extend((kind, value.tobytes()))
        elif kind is tuple:
            self.key.extend((kind, len(value)))
            for item in value:
                self._add(item, depth)
        else:
            function, given = _code_of(value)
            deeper = function is not None and depth < _DEEPEST
            if not (deeper and kind in _MADE_ANEW):
                self._add_id(value)
            if function is not None and deeper:
                self._add_function(function, given, depth + 1)

    def _add_id(self, value: object) -> None:
        self.key.append(id(value))
        self.named.append(value)

    def _add_function(self, function: FunctionType, given: tuple[Any, ...], depth: int) -> None:
        """A function that is called with some values, and with what else the step gives it."""
        code, known = function.__code__, function.__globals__
        self._add_id(code)
        call = (id(function), *map(id, given))
        if call in self._seen:
            return
        self._seen.add(call)
        names = _names(code)
        held = [*given]
        held += [cell.cell_contents for cell in function.__closure__ or () if _is_full(cell)]
        held += [known[name] for name in names if name in known]
        held += (function.__defaults__, *(function.__kwdefaults__ or {}).values())
        for value in held:
            self._add(value, depth)
            self._add_fields(value, names, depth)

    def _add_fields(self, value: Any, names: tuple[str, ...], depth: int) -> None:
        """Attributes that code with these names may read of a value."""
        kind = type(value)
        visit = (id(value), id(names))
        if kind in _WITHOUT_FIELDS or depth == _DEEPEST or visit in self._seen:
            return
        if isinstance(value, _ARRAYS):
            return
        self._seen.add(visit)
        is_class = isinstance(value, type)
        own = {} if is_class else getattr(value, "__dict__", {})
        for name in names:
            if name in own:
                self._add_field(name, own[name], names, depth)
        owner: Any = value if is_class else kind
        for name in _class_names(owner, names):
            if name not in own:
                self._add_field(name, _attribute(value, name), names, depth)

    def _add_field(self, name: str, field: Any, names: tuple[str, ...], depth: int) -> None:
        self.key.append(name)
        self._add(field, depth)
        self._add_fields(field, names, depth + 1)


def keys_by_name(functions: Iterable[Any]) -> dict[str, tuple[object, ...]]:
    """For each name that functions read outside of themselves the part of their key behind it."""
    found: dict[str, tuple[object, ...]] = {}
    for value in functions:
        function, given = _code_of(value)
        if function is None:
            continue
        code, names = function.__code__, _names(function.__code__)
        cells = zip(code.co_freevars, function.__closure__ or (), strict=True)
        held = {name: cell.cell_contents for name, cell in cells if _is_full(cell)}
        held |= {n: function.__globals__[n] for n in names if n in function.__globals__}
        held |= {type(owner).__name__: owner for owner in given}
        for name, value in held.items():
            found[name] = _key_of(value)
            own = getattr(value, "__dict__", {})
            found |= {f"{name}.{n}": _key_of(own[n]) for n in names if n in own}
    return found


def is_fixed(value: Any) -> bool:
    """Whether a call of the value begins in rumus, so that its identity is that of the object."""
    return _code_of(value)[0] is None


def codes_of(functions: Iterable[Any]) -> tuple[Any, ...]:
    """The code of each function, whatever that reads, or the function itself if it has none."""
    found = ((_code_of(value)[0], value) for value in functions)
    return tuple(value if function is None else function.__code__ for function, value in found)


def _key_of(value: Any) -> tuple[object, ...]:
    identity = Identity(())
    identity._add(value, 0)
    return tuple(identity.key)


def _code_of(value: Any) -> tuple[FunctionType | None, tuple[Any, ...]]:
    """The function that a call of the value runs, and what it is called with; not rumus's own."""
    given: tuple[Any, ...] = ()
    while type(value) is partial:
        given = (*value.args, *given, *value.keywords.values())
        value = value.func
    if type(value) is MethodType:
        value, given = value.__func__, (value.__self__, *given)
    elif isinstance(value, Module):
        value, given = type(value).forward, (value, *given)
    elif type(value) is not FunctionType:
        # Looked up as Python does when it calls an object.
        value, given = getattr(type(value), "__call__", None), (value, *given)  # noqa: B004
    ours = type(value) is not FunctionType or (value.__module__ or "").startswith("rumus.")
    return (None, ()) if ours else (value, given)


def _attribute(value: Any, name: str) -> Any:
    """An attribute that a class gives to a value; for a property, the function behind it."""
    owner = value if isinstance(value, type) else type(value)
    found = next(c.__dict__[name] for c in owner.__mro__ if name in c.__dict__)
    if isinstance(found, property | cached_property):
        function = found.fget if isinstance(found, property) else found.func
        return function if function is None or owner is value else MethodType(function, value)
    if hasattr(type(found), "__get__") and not isinstance(found, _DESCRIPTORS):
        return found
    return getattr(value, name, None)


@lru_cache(maxsize=1024)
def _class_names(kind: type, names: tuple[str, ...]) -> tuple[str, ...]:
    """Those of some names that a class of the user's, or one above it, defines."""
    above = [c for c in kind.__mro__ if c.__flags__ & _HEAP_TYPE]
    theirs = [c for c in above if not c.__module__.startswith("rumus.")]
    return tuple(name for name in names if any(name in c.__dict__ for c in theirs))


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
