"""How the derivatives of elementwise rows are written down."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any

from rumus._backends.contract import Backend

INPUTS = ("a", "b", "c", "d", "e")

_OF_NUMBERS: dict[str, Callable[..., Any]] = {
    "sub": operator.sub,
    "mul": operator.mul,
    "ne": operator.ne,
}


class Rule:
    """A row of the elementwise table and its arguments.

    Args:
        op: A row of the table; ``"same"`` for the gradient of the result as it is, ``"zero"``, or
            ``"nothing"`` for zeros that nobody computes with.
        args: ``"g"`` is the gradient of the result, ``"y"`` the result, ``"a"`` to ``"e"`` the
            inputs, a float itself, and a rule what it comes to.
    """

    def __init__(self, op: str, *args: str | float | Rule) -> None:
        self.op, self.args = op, args
        self._is_simple = "g" in args and not any(isinstance(arg, Rule) for arg in args)

    def reads(self) -> Iterator[str]:
        """The names among its arguments, and among those of its parts."""
        for arg in self.args:
            if isinstance(arg, Rule):
                yield from arg.reads()
            elif isinstance(arg, str):
                yield arg

    def __call__(self, be: Backend[Any], known: dict[Any, Any]) -> Any:
        """What the rule comes to, given what the names stand for."""
        if self._is_simple:
            return be.elementwise(
                self.op, *[known[a] if isinstance(a, str) else a for a in self.args]
            )
        values = [a(be, known) if isinstance(a, Rule) else known.get(a, a) for a in self.args]
        if any([not isinstance(value, (int, float)) for value in values]):
            return be.elementwise(self.op, *values)
        return _OF_NUMBERS[self.op](*values)


SAME, NEGATED, ZERO, NOTHING = Rule("same"), Rule("neg", "g"), Rule("zero"), Rule("nothing")


def product(*factors: str | float | Rule) -> Rule:
    """The factors multiplied, from left to right."""
    first, second, *others = factors
    result = Rule("mul", first, second)
    for factor in others:
        result = Rule("mul", result, factor)
    return result
