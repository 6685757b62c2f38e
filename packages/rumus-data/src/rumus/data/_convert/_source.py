"""What every kind of input is read as."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

from rumus.tensor import ArgumentError


class Sample(NamedTuple):
    """What becomes a record.

    Attributes:
        name: Where it comes from, for errors.
        parts: An input and a target; or one sample of any structure.
    """

    name: str
    parts: tuple[Any, ...]


class Skipped(NamedTuple):
    """What could have become a record, and is left out.

    Attributes:
        name: Where it is.
        reason: What is wrong with it.
    """

    name: str
    reason: str

    def __str__(self) -> str:
        return self.reason if self.name in self.reason else f"{self.name}: {self.reason}"


Samples: TypeAlias = Iterator[Sample | Skipped]


class Source(NamedTuple):
    """What to read.

    Attributes:
        length: The number of samples, with those that are left out.
        samples: One after the other.
        metadata: What is known about them.
    """

    length: int
    samples: Samples
    metadata: dict[str, Any]


def numbered(found: set[str], given: Sequence[str] | None, where: object) -> list[str]:
    """The names of classes in the order of their numbers.

    Raises:
        ArgumentError: The names are given, and one that was found is not among them.
    """
    if given is None:
        return sorted(found, key=_natural)
    unknown = sorted(found.difference(given))
    if unknown:
        raise ArgumentError(
            f"{where} has the class {unknown[0]!r}, which is none of those given: "
            f"{', '.join(given)}"
        )
    return list(given)


def _natural(name: str) -> tuple[int, int, str]:
    """Whole numbers by their value, ahead of all other names."""
    number = name.removeprefix("-")
    whole = number.isascii() and number.isdigit() and len(number) < 20
    return (0, int(name), name) if whole else (1, 0, name)
