"""Names of other frameworks: whoever asks for one is told what to take instead."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from typing import NoReturn, TypeVar

from .errors import UnknownImportError, UnknownNameError

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
    """A module's ``__getattr__``, which also knows the module's own names with a slip in them."""

    def missing(name: str) -> NoReturn:
        from difflib import get_close_matches  # which no import waits for

        known = {public.lower(): public for public in sys.modules[module].__all__}
        alike = get_close_matches(name.lower(), known, 1, 0.7)
        hint = hints.get(name) or (f"there is {known[alike[0]]}" if alike else "")
        refuse(module, name, hint)

    return missing


def of_namespace(name: str) -> NoReturn:
    """``__getattr__`` of ``rumus`` itself, which is no package that could define one."""
    parts = [part for part in _PARTS if name in getattr(sys.modules.get(part), "__all__", ())]
    if f"rumus.{name}" in _PARTS:
        hint = f"import rumus.{name}"
    else:
        hint = f"it is {parts[0]}.{name}" if parts else _ABOVE.get(name, "")
    refuse("rumus", name, hint)


_PARTS = (
    "rumus.tensor", "rumus.nn", "rumus.nn.functional", "rumus.autograd", "rumus.optim",
    "rumus.optim.lr_scheduler", "rumus.data", "rumus.train", "rumus.gpu",
)  # fmt: skip
_ABOVE = {
    "cuda": "rumus.gpu is about GPUs of any maker",
    "utils": "data sets and loaders are in rumus.data",
    "functional": "it is rumus.nn.functional",
    "__version__": "each package has its own, such as rumus.tensor.__version__",
}
setattr(sys.modules["rumus"], "__getattr__", of_namespace)  # noqa: B010  a module has none


def refuse(module: str, name: str, hint: str) -> NoReturn:
    """Raise for a name that a module has not, from its ``__getattr__``.

    ``from module import name`` drops the text of an AttributeError. It asks by ``hasattr`` first,
    from a function of importlib, and lets an ImportError through.
    """
    from importlib.util import find_spec

    told = f"; here: {hint}" if hint else ""
    asks = sys._getframe(2).f_code.co_name
    if hint and asks == "_handle_fromlist" and find_spec(f"{module}.{name}") is None:
        raise UnknownImportError(f"cannot import name {name!r} from {module!r}{told}", name=name)
    raise UnknownNameError(
        f"module {module!r} has no attribute {name!r}{told}", name=name, obj=sys.modules[module]
    )
