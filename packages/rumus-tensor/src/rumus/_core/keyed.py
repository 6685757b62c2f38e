"""Values that a captured step has a recording for, each."""

from __future__ import annotations

from typing import Any

from . import usage
from .structure import bump


class Keyed:
    """A value that captured steps choose their recording by.

    A step that reads it is replayed only while it is what it was then; at another value it is
    recorded once more, and each recording serves again when its value comes again. For what steers
    a step from the host, such as the place of a batch in a window of several: few values, that come
    again and again.

    Args:
        value: numbers, texts, None, tuples of these, or objects that are compared by identity.

    Example:
        >>> place = Keyed("first")
        >>> place.value = "later"
        >>> place.value
        'later'
    """

    def __init__(self, value: Any) -> None:
        self._value = value
        self._noted = False

    def get(self) -> Any:
        """The value; a step that is being recorded notes that it reads it."""
        reads = usage.current()
        if reads is not None:
            self._noted = True
            reads.note(self, "value", _value, self._value)
        return self._value

    def set(self, value: Any) -> None:
        """Give it another value, outside of a step that is being recorded."""
        changed = not usage.same(self._value, value)
        self._value = value
        if changed and self._noted:
            bump()


def _value(keyed: Keyed, _: str) -> Any:
    return keyed._value
