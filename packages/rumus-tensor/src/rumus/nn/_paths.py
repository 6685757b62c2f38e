"""Names of what is inside of a module."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def flat(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """A value, or the elements of lists, tuples and dicts, by path."""
    if isinstance(value, (list, tuple)):
        for i, item in enumerate(value):
            yield from flat(f"{name}.{i}", item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from flat(f"{name}.{key}", item)
    else:
        yield name, value


def join(path: str, name: str) -> str:
    """The path of a name inside of what a path leads to."""
    return f"{path}.{name}" if path else name
