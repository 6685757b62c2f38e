"""Python's time in each operation and in its gradient."""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import perf_counter
from typing import Any, NamedTuple

from rumus.autograd import Function


class Span(NamedTuple):
    """A call.

    Attributes:
        name: Of the operation.
        began: On the host's clock, in seconds.
        seconds: How long it took.
        own: Of these, without the operations that it called.
        thread: That called it.
    """

    name: str
    began: float
    seconds: float
    own: float
    thread: int


class OperationTimes:
    """Times operations of all threads between :meth:`begin` and :meth:`end`.

    Meanwhile a function that takes the time stands before ``Function.__call__``, and before the
    ``backward`` of every class that is called; otherwise an operation costs nothing more.
    """

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self._local = threading.local()
        self._replaced: dict[type, dict[str, Any]] = {}

    def begin(self) -> None:
        """Take times from now on."""
        times, call = self, Function.__call__

        def __call__(function: Function, *inputs: Any) -> Any:  # noqa: N807  it stands for one
            times._watch_backward(type(function))
            return times._timed(function.name, call, function, *inputs)

        self._replace(Function, "__call__", __call__)

    def end(self) -> None:
        """Leave everything as it was."""
        for owner, methods in self._replaced.items():
            for name, method in methods.items():
                setattr(owner, name, method)
        self._replaced.clear()

    def _watch_backward(self, kind: type[Function]) -> None:
        owner = next(c for c in kind.__mro__ if "backward" in vars(c))
        if owner in self._replaced and "backward" in self._replaced[owner]:
            return
        times, run = self, vars(owner)["backward"]

        def backward(function: Function, *arguments: Any) -> Any:
            return times._timed(f"{function.name} backward", run, function, *arguments)

        self._replace(owner, "backward", backward)

    def _replace(self, owner: type, name: str, method: Callable[..., Any]) -> None:
        self._replaced.setdefault(owner, {})[name] = vars(owner)[name]
        setattr(owner, name, method)

    def _timed(self, name: str, call: Callable[..., Any], *arguments: Any) -> Any:
        inner: list[float] = self._local.__dict__.setdefault("inner", [])
        inner.append(0.0)
        began = perf_counter()
        try:
            return call(*arguments)
        finally:
            seconds = perf_counter() - began
            own = seconds - inner.pop()
            if inner:
                inner[-1] += seconds
            self.spans.append(Span(name, began, seconds, own, threading.get_ident()))
