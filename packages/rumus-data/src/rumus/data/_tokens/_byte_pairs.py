"""Tokens of frequent runs of bytes."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, partial
from itertools import pairwise
from typing import Any, Self

from rumus.tensor import ArgumentError

from .._errors import TokenizerError
from ._file import read, write
from ._merging import Merging, Pair, merged
from ._pieces import pieces_of
from ._specials import Specials, Tokens, as_numbers, numbered

_KIND = "byte pairs"
_BYTES = 256
_KEPT = 1 << 16  # pieces whose tokens are remembered
_LONGEST = 64  # bytes of such a piece


class BytePairTokenizer:
    """Text as tokens of frequent runs of bytes, which any text and any bytes have.

    Text is cut into words, numbers and signs, by GPT-2's rule. The bytes of each, in UTF-8, are
    merged pair by pair, those first that were most frequent in training (Sennrich et al.,
    arXiv:1508.07909; Radford et al., 2019).

    Args:
        merges: The pairs of tokens that become one, in their order.
        specials: Texts of tokens that stand for something else, numbered behind the others; or the
            number of each.
        numbers: The number of each token; by default the 256 bytes come first, and then what each
            merge makes.

    Raises:
        ArgumentError: A merge has a token that no earlier one makes, or a token has no number, or
            not one of its own.

    Example:
        >>> tokens = BytePairTokenizer.train(["low lower lowest"], 259, specials=["<end>"])
        >>> [tokens.decode([token]) for token in tokens.encode("slow")]
        ['s', 'low']
        >>> tokens.decode(tokens.encode("naïve 🙂"))
        'naïve 🙂'
    """

    def __init__(
        self,
        merges: Iterable[tuple[bytes, bytes]] = (),
        specials: Iterable[str] | Mapping[str, int] = (),
        numbers: Mapping[bytes, int] | None = None,
    ) -> None:
        self._merges = [(bytes(first), bytes(second)) for first, second in merges]
        self._numbers = _in_order(self._merges) if numbers is None else dict(numbers)
        self._pairs: dict[Pair, tuple[int, int]] = {}
        try:
            self._bytes = [self._numbers[bytes([byte])] for byte in range(_BYTES)]
            for rank, (first, second) in enumerate(self._merges):
                pair = self._numbers[first], self._numbers[second]
                self._pairs.setdefault(pair, (rank, self._numbers[first + second]))
        except KeyError as error:
            raise ArgumentError(f"the token {error} has no number") from None
        self._runs = {number: run for run, number in self._numbers.items()}
        if not isinstance(specials, Mapping):
            specials = numbered(specials, 1 + max(self._runs))
        self._specials = Specials(specials)
        every = {*self._runs, *self._specials.texts}
        if len(every) < len(self._numbers) + len(specials) or min(every) < 0:
            raise ArgumentError("each token has a number of its own, from 0")
        self._length = 1 + max(every)
        self._known: dict[str, list[int]] = {}

    @classmethod
    def train(
        cls,
        texts: Iterable[str | bytes],
        size: int,
        specials: Sequence[str] = (),
        least: int = 2,
    ) -> Self:
        """Find the merges of some texts; the same texts give the same ones.

        Args:
            texts: One after the other; no token reaches across, or across a special token's text.
            size: How many tokens there are, at most: the 256 bytes and ``specials`` among them.
            specials: Texts of tokens that stand for something else.
            least: How often a pair has to be there.

        Raises:
            ArgumentError: The size has no room for the bytes and specials.
        """
        room = size - _BYTES - len(specials)
        if room < 0:
            raise ArgumentError(
                f"size is at least {_BYTES + len(specials)}: {_BYTES} bytes and {len(specials)} "
                f"special tokens, not {size}"
            )
        ends = Specials(numbered(specials, 0))
        pieces: Counter[bytes] = Counter()
        for given in [texts] if isinstance(texts, str | bytes) else texts:
            text, errors = _as_text(given)
            found = Counter(piece for part, _ in ends.cut(text) for piece in pieces_of(part))
            for piece, count in found.items():
                pieces[piece.encode("utf-8", errors)] += count
        return cls(_merges_of(Merging(pieces), room, least), specials)

    def __len__(self) -> int:
        """The number of tokens, those included that a file left out."""
        return self._length

    @property
    def specials(self) -> dict[str, int]:
        """The special tokens by their texts."""
        return dict(self._specials.numbers)

    def encode(self, text: str | bytes, with_specials: bool = False) -> list[int]:
        """The tokens of a text, or of any bytes.

        Args:
            text: The text.
            with_specials: Whether the texts of special tokens become them; else they are text like
                all other, so that no text of a stranger can hold any.
        """
        whole, errors = _as_text(text)
        encode = partial(self._encoded, errors=errors)
        return self._specials.encoded(whole, encode) if with_specials else encode(whole)

    def decode(self, tokens: Tokens, with_specials: bool = True) -> str:
        """The text of tokens; where their bytes are none, as in half a character, it has "�".

        Args:
            tokens: A list, an array or a tensor of one axis.
            with_specials: Whether the texts of special tokens are in it, or left out.

        Raises:
            TokenizerError: There is no such token.
        """
        data = self.decode_bytes(tokens, with_specials)
        try:
            return data.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            return data.decode("utf-8", "replace")

    def decode_bytes(self, tokens: Tokens, with_specials: bool = True) -> bytes:
        """The bytes of tokens; else as :meth:`decode`."""
        return b"".join(self._run(token, with_specials) for token in as_numbers(tokens))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the tokenizer as JSON, its tokens in GPT-2's letters for bytes."""
        content = {
            "specials": self.specials,
            "numbers": {_spelt(run): number for run, number in self._numbers.items()},
            "merges": [f"{_spelt(first)} {_spelt(second)}" for first, second in self._merges],
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
            return cls._of_file(content["merges"], content["numbers"], content["specials"])
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise TokenizerError(f"{os.fspath(path)} holds no tokenizer: {error!r}") from None

    @classmethod
    def from_gpt2(cls, merges: str | os.PathLike[str], vocabulary: str | os.PathLike[str]) -> Self:
        """Read the two files of GPT-2's tokenizer, and of those that were made like it.

        Args:
            merges: ``merges.txt``, or ``vocab.bpe``.
            vocabulary: ``vocab.json``, or ``encoder.json``. What no merge makes is special.

        Raises:
            TokenizerError: The files hold something else, or do not belong together.
        """
        try:
            with open(merges, encoding="utf-8") as file:
                lines = [line.rstrip("\r\n") for line in file]
            lines = [line for line in lines if line and not line.startswith("#version")]
            with open(vocabulary, encoding="utf-8") as file:
                numbers = json.load(file)
            made = {*_letters(), *("".join(line.split(" ")) for line in lines)}
            specials = {text: number for text, number in numbers.items() if text not in made}
            rest = {text: number for text, number in numbers.items() if text in made}
            return cls._of_file(lines, rest, specials)
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise TokenizerError(
                f"{os.fspath(merges)} and {os.fspath(vocabulary)} are no tokenizer: {error!r}"
            ) from None

    @classmethod
    def _of_file(cls, merges: list[str], numbers: dict[str, int], specials: dict[str, int]) -> Self:
        pairs = [line.split(" ") for line in merges]
        return cls(
            [(_read(first), _read(second)) for first, second in pairs],
            {str(text): int(number) for text, number in specials.items()},
            {_read(text): int(number) for text, number in numbers.items()},
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} tokens)"

    def _run(self, token: int, with_specials: bool) -> bytes:
        if token in self._runs:
            return self._runs[token]
        if token not in self._specials.texts:
            raise TokenizerError(f"there is no token {token}, but 0 to {len(self) - 1}")
        return self._specials.texts[token].encode("utf-8", "surrogatepass") * with_specials

    def _encoded(self, text: str, errors: str) -> list[int]:
        tokens: list[int] = []
        for piece in pieces_of(text):
            known = self._known.get(piece)
            if known is None:
                known = self._merged(piece.encode("utf-8", errors))
                small = len(piece) <= _LONGEST and len(self._known) < _KEPT
                if small and not _has_halves(piece):
                    self._known[piece] = known
            tokens += known
        return tokens

    def _merged(self, data: bytes) -> list[int]:
        """The bytes of a piece with all merges done, the earliest first."""
        word = [self._bytes[byte] for byte in data]
        none = len(self._merges), -1
        while len(word) > 1:
            pair = min(set(pairwise(word)), key=lambda pair: self._pairs.get(pair, none))
            if pair not in self._pairs:
                break
            word = merged(word, pair, self._pairs[pair][1])
        return word


def _merges_of(merging: Merging, room: int, least: int) -> list[tuple[bytes, bytes]]:
    """The merges that make so many new tokens."""
    runs = [bytes([byte]) for byte in range(_BYTES)]
    numbers = {run: number for number, run in enumerate(runs)}
    merges: list[tuple[bytes, bytes]] = []
    while len(runs) < _BYTES + room:
        pair = merging.most_frequent(least)
        if pair is None:
            break
        first, second = (runs[token] for token in pair)
        merges.append((first, second))
        if first + second not in numbers:
            numbers[first + second] = len(runs)
            runs.append(first + second)
        merging.merge(pair, numbers[first + second])
    return merges


def _in_order(merges: Iterable[tuple[bytes, bytes]]) -> dict[bytes, int]:
    """Numbers of the bytes, and of what each merge makes."""
    numbers = {bytes([byte]): byte for byte in range(_BYTES)}
    for first, second in merges:
        numbers.setdefault(first + second, len(numbers))
    return numbers


def _as_text(given: Any) -> tuple[str, str]:
    """Text, and how its halves of surrogate pairs become bytes.

    Of bytes, each that is no UTF-8 is such a half, which is no letter.
    """
    if isinstance(given, bytes | bytearray):
        return bytes(given).decode("utf-8", "surrogateescape"), "surrogateescape"
    if not isinstance(given, str):
        raise ArgumentError(f"text or bytes were expected, not {type(given).__name__}")
    return given, "surrogatepass"


def _has_halves(piece: str) -> bool:
    return any("\ud800" <= letter <= "\udfff" for letter in piece)


@cache
def _letters() -> dict[str, int]:
    """GPT-2's letter of each byte: itself where it can be seen, and else one from 256 on."""
    visible = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(0xAE, 256)]
    hidden = [byte for byte in range(_BYTES) if byte not in visible]
    letters = {chr(byte): byte for byte in visible}
    letters.update({chr(_BYTES + k): byte for k, byte in enumerate(hidden)})
    return letters


@cache
def _of_bytes() -> list[str]:
    by_byte = {byte: letter for letter, byte in _letters().items()}
    return [by_byte[byte] for byte in range(_BYTES)]


def _spelt(run: bytes) -> str:
    return "".join(_of_bytes()[byte] for byte in run)


def _read(text: str) -> bytes:
    return bytes(_letters()[letter] for letter in text)
