"""What to give to a function that was given too little, as other frameworks' functions are."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import Parameter, signature
from typing import ParamSpec, TypeVar

from rumus.tensor import ArgumentError

P = ParamSpec("P")
R = TypeVar("R")


def expects(usage: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A decorator that says in an error of ours how to call a function; checkers see no change."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        parameters = signature(function).parameters.values()
        least = sum(p.default is Parameter.empty for p in parameters)
        name = function.__name__

        @wraps(function)
        def called(*args: P.args, **options: P.kwargs) -> R:
            if len(args) + len(options) < least:
                raise ArgumentError(f"{name}() lacks arguments; here: {usage}")
            return function(*args, **options)

        return called

    return decorate
