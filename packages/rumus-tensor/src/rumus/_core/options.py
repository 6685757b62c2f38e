"""Options of other frameworks: whoever gives one is told what to do instead."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from inspect import Parameter, signature
from typing import Any, ParamSpec, TypeVar

from .errors import ArgumentError

P = ParamSpec("P")
R = TypeVar("R")


def refuse_foreign(
    name: str, function: Callable[..., Any], given: Iterable[str], hints: Mapping[str, str]
) -> None:
    """Refuse an option that other frameworks have, unless a function takes it.

    Args:
        name: Of the function.
        function: What takes the options.
        given: Their names.
        hints: What to do instead, by name.

    Raises:
        ArgumentError: There is one; the message says what to do.
    """
    found = [option for option in given if option in hints]
    if not found:
        return
    taken = {} if function is object.__init__ else signature(function).parameters
    if any(p.kind is Parameter.VAR_KEYWORD for p in taken.values()):
        return
    for option in found:
        if option not in taken:
            raise ArgumentError(f"{name} has no option {option!r}; here: {hints[option]}")


def without_options(hints: Mapping[str, str]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A decorator of functions that have no such options; checkers see no change."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def called(*args: P.args, **options: P.kwargs) -> R:
            if options:
                refuse_foreign(function.__name__, function, options, hints)
            return function(*args, **options)

        return called

    return decorate


_ALONE = "a device or a dtype alone, one after the other: {0}.to(device).to(dtype)"


def one_target(whose: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A decorator of a method ``to``, which in PyTorch takes a device and a dtype at once.

    Args:
        whose: What it is a method of, as users call it.
    """

    def decorate(to: Callable[P, R]) -> Callable[P, R]:
        @wraps(to)
        def called(*args: P.args, **options: P.kwargs) -> R:
            if len(args) != 2 or options:
                _check_target(args[1:], options, whose)
            return to(*args, **options)

        return called

    return decorate


def _check_target(given: tuple[object, ...], options: Mapping[str, object], whose: str) -> None:
    named = [name for name in ("device", "dtype", "non_blocking", "copy") if name in options]
    if named or len(given) > 1:
        told = f"no option {named[0]!r}" if named else f"one target, not {len(given)}"
        raise ArgumentError(f"to takes {told}; here: {_ALONE.format(whose)}")
