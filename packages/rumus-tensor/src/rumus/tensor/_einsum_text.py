"""What the text of an Einstein sum says: the labels of each operand's axes, and of the result's."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache

from rumus._core.errors import ArgumentError, ShapeError

Label = str | int
"""A letter, or the place of an axis of an ellipsis, counted from its end."""
Labels = tuple[Label, ...]


@lru_cache(maxsize=1024)
def labels_of(equation: str, ndims: tuple[int, ...]) -> tuple[tuple[Labels, ...], Labels]:
    """The labels of operands of so many axes, and those of the result.

    Raises:
        ArgumentError: The text does not parse, or has terms for another number of operands.
        ShapeError: A term has another number of labels than its operand has axes.
    """
    left, arrow, right = equation.partition("->")
    starts = _starts(left)
    if len(starts) != len(ndims):
        raise ArgumentError(
            f"einsum: {equation!r} has {len(starts)} terms, and there are {len(ndims)} operands"
        )
    terms = tuple(
        _term(equation, number, start, text, ndim)
        for number, ((start, text), ndim) in enumerate(zip(starts, ndims, strict=True))
    )
    most = max((label for term in terms for label in term if isinstance(label, int)), default=-1)
    ellipsis = tuple(range(most, -1, -1))
    if not arrow:
        found = Counter(label for term in terms for label in term if isinstance(label, str))
        return terms, (*ellipsis, *sorted(label for label, n in found.items() if n == 1))
    return terms, _result(equation, len(left) + 2, right, terms, ellipsis)


def lengths_of(
    equation: str, terms: tuple[Labels, ...], shapes: list[tuple[int, ...]]
) -> dict[Label, int]:
    """The length of each label; an axis of length one meets any other.

    Raises:
        ShapeError: A label has two lengths.
    """
    lengths: dict[Label, int] = {}
    for number, (term, shape) in enumerate(zip(terms, shapes, strict=True)):
        for label, length in zip(term, shape, strict=True):
            known = lengths.get(label, 1)
            if length != 1 and known not in (1, length):
                name = "an axis of ..." if isinstance(label, int) else repr(label)
                raise ShapeError(
                    f"einsum: {equation!r}: {name} has length {known}, but {length} in operand "
                    f"{number} of shape {shape}"
                )
            lengths[label] = length if length != 1 else known
    return lengths


def _starts(left: str) -> list[tuple[int, str]]:
    starts, at = [], 0
    for text in left.split(","):
        starts.append((at, text))
        at += len(text) + 1
    return starts


def _letters(equation: str, start: int, text: str) -> list[tuple[int, str]]:
    """Letters and "..." with their positions."""
    found, at = [], 0
    while at < len(text):
        character = text[at]
        if text.startswith("...", at):
            found.append((start + at, "..."))
            at += 3
            continue
        if character.isascii() and character.isalpha():
            found.append((start + at, character))
        elif character != " ":
            raise ArgumentError(
                f"einsum: {equation!r}: {character!r} at position {start + at} is neither a letter "
                "nor part of '...', ',' or '->'"
            )
        at += 1
    ellipses = [position for position, label in found if label == "..."]
    if len(ellipses) > 1:
        raise ArgumentError(f"einsum: {equation!r}: a second '...' at position {ellipses[1]}")
    return found


def _term(equation: str, number: int, start: int, text: str, ndim: int) -> Labels:
    found = [label for _, label in _letters(equation, start, text)]
    free = ndim - len(found) + ("..." in found)
    if free < 0 or ("..." not in found and free):
        raise ShapeError(
            f"einsum: {equation!r}: term {text.strip()!r} at position {start} does not fit operand "
            f"{number}, which has {ndim} axes"
        )
    labels: list[Label] = []
    for label in found:
        if label == "...":
            labels += range(free - 1, -1, -1)
        else:
            labels.append(label)
    return tuple(labels)


def _result(
    equation: str, start: int, text: str, terms: tuple[Labels, ...], ellipsis: Labels
) -> Labels:
    known = {label for term in terms for label in term}
    labels: list[Label] = []
    for position, label in _letters(equation, start, text):
        if label == "...":
            labels += ellipsis
        elif label not in known:
            raise ArgumentError(
                f"einsum: {equation!r}: {label!r} at position {position} is in no operand"
            )
        elif label in labels:
            raise ArgumentError(
                f"einsum: {equation!r}: {label!r} at position {position} is in the result already"
            )
        else:
            labels.append(label)
    if ellipsis and "..." not in text:
        raise ArgumentError(
            f"einsum: {equation!r}: the result has no '...', whose axes are not summed; name them"
        )
    return tuple(labels)
