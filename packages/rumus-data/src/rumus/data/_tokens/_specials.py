"""Tokens that stand for no text: ends, padding, places to fill."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy.typing as npt

from rumus.tensor import ArgumentError, Tensor

Tokens: TypeAlias = Sequence[int] | npt.NDArray[Any] | Tensor
"""Tokens as a list, or as an array or a tensor of one axis."""


class Specials:
    """Special tokens by their text.

    Args:
        numbers: The token of each text.

    Raises:
        ArgumentError: A text is empty, or a token has two texts.
    """

    def __init__(self, numbers: Mapping[str, int]) -> None:
        self.numbers = dict(numbers)
        if not all(isinstance(text, str) and text for text in self.numbers):
            raise ArgumentError(f"special tokens have texts, unlike {list(self.numbers)}")
        self.texts = {number: text for text, number in self.numbers.items()}
        if len(self.texts) < len(self.numbers):
            raise ArgumentError(f"special tokens have a number each, unlike {self.numbers}")
        longest_first = sorted(self.numbers, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first)))

    def cut(self, text: str) -> Iterator[tuple[str, int | None]]:
        """The text between special tokens, each with the special token behind it."""
        start = 0
        for match in self._pattern.finditer(text) if self.numbers else ():
            yield text[start : match.start()], self.numbers[match[0]]
            start = match.end()
        yield text[start:], None

    def encoded(self, text: str, encode: Callable[[str], list[int]]) -> list[int]:
        """The tokens of a text in which special tokens stand, and of what is between them."""
        tokens: list[int] = []
        for part, special in self.cut(text):
            tokens += encode(part)
            tokens += [] if special is None else [special]
        return tokens


def numbered(specials: Iterable[str], first: int, taken: Collection[str] = ()) -> dict[str, int]:
    """Special tokens numbered in their order.

    Raises:
        ArgumentError: It is one text and not several, or one comes twice, or is taken.
    """
    if isinstance(specials, str):
        raise ArgumentError(f"specials are several texts, as in [{specials!r}], not one")
    texts = list(specials)
    twice = sorted({text for text in texts if texts.count(text) > 1 or text in taken})
    if twice:
        raise ArgumentError(f"special tokens are there once; {', '.join(map(repr, twice))}")
    return {text: first + k for k, text in enumerate(texts)}


def as_numbers(tokens: Tokens) -> list[int]:
    """Tokens as a list.

    Raises:
        ArgumentError: They are no whole numbers in a row.
    """
    try:
        listed: Any = tokens if isinstance(tokens, Sequence) else tokens.tolist()
        return [operator.index(token) for token in listed]
    except (TypeError, AttributeError):
        raise ArgumentError(f"tokens are whole numbers in a row, not {tokens!r}") from None
