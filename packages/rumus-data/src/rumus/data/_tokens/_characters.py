"""A token for each character."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Self

from rumus.tensor import ArgumentError

from .._errors import TokenizerError
from ._file import read, write
from ._specials import Specials, Tokens, as_numbers, numbered

_KIND = "characters"


class CharacterTokenizer:
    """Text as the numbers of its characters.

    Args:
        characters: The characters, of which the first is token 0.
        specials: Texts of tokens that stand for something else, numbered behind the characters.
        unknown: That of them which stands for characters that have no token; by default they are an
            error.

    Raises:
        ArgumentError: A character or a special token is there twice, or ``unknown`` is none.

    Example:
        >>> tokens = CharacterTokenizer.train(["banana"], specials=["<end>"])
        >>> tokens.encode("nab"), len(tokens), tokens.specials
        ([2, 0, 1], 4, {'<end>': 3})
        >>> tokens.decode([1, 0, 2, 3])
        'ban<end>'
    """

    def __init__(
        self, characters: Iterable[str], specials: Iterable[str] = (), unknown: str | None = None
    ) -> None:
        self._characters = list(characters)
        self._numbers = {letter: k for k, letter in enumerate(self._characters)}
        if len(self._numbers) < len(self._characters):
            raise ArgumentError("characters are there once each")
        if not all(isinstance(c, str) and len(c) == 1 for c in self._characters):
            raise ArgumentError("characters are texts of one character each")
        self._specials = Specials(numbered(specials, len(self._characters), self._numbers))
        if unknown is not None and unknown not in self.specials:
            raise ArgumentError(f"unknown is one of specials, which has no {unknown!r}")
        self._unknown = unknown

    @classmethod
    def train(
        cls, texts: Iterable[str], specials: Iterable[str] = (), unknown: str | None = None
    ) -> Self:
        """The tokenizer of all characters of some texts, in the order of their code points."""
        if isinstance(texts, str):
            texts = [texts]
        return cls(sorted({letter for text in texts for letter in set(text)}), specials, unknown)

    def __len__(self) -> int:
        """The number of tokens."""
        return len(self._characters) + len(self.specials)

    @property
    def specials(self) -> dict[str, int]:
        """The special tokens by their texts."""
        return dict(self._specials.numbers)

    def encode(self, text: str, with_specials: bool = False) -> list[int]:
        """The tokens of a text.

        Args:
            text: The text.
            with_specials: Whether the texts of special tokens become them; else they are characters
                like all others, so that no text of a stranger can hold any.

        Raises:
            TokenizerError: A character has no token.
        """
        if with_specials:
            return self._specials.encoded(text, self._encoded)
        return self._encoded(text)

    def decode(self, tokens: Tokens, with_specials: bool = True) -> str:
        """The text of tokens.

        Args:
            tokens: A list, an array or a tensor of one axis.
            with_specials: Whether the texts of special tokens are in it, or left out.

        Raises:
            TokenizerError: There is no such token.
        """
        texts = []
        for token in as_numbers(tokens):
            if 0 <= token < len(self._characters):
                texts.append(self._characters[token])
            elif token not in self._specials.texts:
                raise TokenizerError(f"there is no token {token}, but 0 to {len(self) - 1}")
            elif with_specials:
                texts.append(self._specials.texts[token])
        return "".join(texts)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the tokenizer as JSON."""
        content = {
            "characters": "".join(self._characters),
            "specials": list(self.specials),
            "unknown": self._unknown,
        }
        write(path, _KIND, content)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what :meth:`save` wrote.

        Raises:
            TokenizerError: The file holds something else.
        """
        content = read(path, _KIND)
        try:
            return cls(content["characters"], content["specials"], content["unknown"])
        except (KeyError, TypeError, ArgumentError) as error:
            raise TokenizerError(f"{os.fspath(path)} holds no tokenizer: {error}") from None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} tokens)"

    def _encoded(self, text: str) -> list[int]:
        try:
            return [self._numbers[letter] for letter in text]
        except KeyError as error:
            if self._unknown is None:
                raise TokenizerError(
                    f"the character {error} at {text.index(error.args[0])} has no token; train "
                    'with a text that has it, or with specials=["<unknown>"], unknown="<unknown>"'
                ) from None
        other = self.specials[self._unknown]
        return [self._numbers.get(letter, other) for letter in text]
