"""Names of other frameworks: whoever asks for one is told what to take instead."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from typing import NoReturn, TypeVar

from .errors import UnknownNameError

ClassT = TypeVar("ClassT", bound=type)


class Absent:
    """An attribute that is not there; what is assigned, or defined by a subclass, goes before it.

    Unlike ``__getattr__`` of a class, it costs nothing where other attributes are read.
    """

    def __init__(self, name: str, hint: str) -> None:
        self._name, self._hint = name, hint

    def __get__(self, instance: object | None, owner: type) -> NoReturn:
        raise UnknownNameError(
            f"{owner.__name__!r} object has no attribute {self._name!r}; here: {self._hint}",
            name=self._name,
            obj=owner if instance is None else instance,
        )


def without(hints: Mapping[str, str]) -> Callable[[ClassT], ClassT]:
    """A decorator of classes that have no such attributes.

    Args:
        hints: What to do instead, by name.
    """

    def decorate(cls: ClassT) -> ClassT:
        for name, hint in hints.items():
            setattr(cls, name, Absent(name, hint))

        def listed(self: object) -> Iterable[str]:
            return [n for n in object.__dir__(self) if not isinstance(_found(self, n), Absent)]

        setattr(cls, "__dir__", listed)  # noqa: B010  mypy takes it for a method of another type
        return cls

    return decorate


def _found(instance: object, name: str) -> object:
    if name in getattr(instance, "__dict__", ()):
        return None
    return next((vars(c)[name] for c in type(instance).__mro__ if name in vars(c)), None)


def of_module(module: str, hints: Mapping[str, str]) -> Callable[[str], NoReturn]:
    """A module's ``__getattr__``, which also knows names whose letters are of another case."""

    def missing(name: str) -> NoReturn:
        public = sys.modules[module].__all__
        alike = next((known for known in public if known.lower() == name.lower()), None)
        hint = hints.get(name) or (alike and f"there is {alike}")
        raise UnknownNameError(
            f"module {module!r} has no attribute {name!r}" + (f"; here: {hint}" if hint else ""),
            name=name,
            obj=sys.modules[module],
        )

    return missing
