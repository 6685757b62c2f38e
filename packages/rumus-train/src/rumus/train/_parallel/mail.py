"""Texts that all ranks tell each other in every step, in one call."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .._group.contract import Array, Group

_ROOM = 1024
"""Bytes of the first letters, their length included."""


class Mail:
    """Sends letters of a length that has been enough so far; longer ones come in a second call.

    Args:
        group: The ranks.
    """

    def __init__(self, group: Group) -> None:
        self._group, self._room = group, _ROOM

    def exchange(self, text: str) -> list[str]:
        """The texts of all ranks, by rank."""
        if self._group.size == 1:
            return [text]
        mine = np.frombuffer(text.encode(), np.uint8)
        letter = np.zeros(self._room, np.uint8)
        letter[:8] = np.frombuffer(mine.size.to_bytes(8, "little"), np.uint8)
        room = self._room - 8
        letter[8 : 8 + min(room, mine.size)] = mine[:room]
        letters = self._gathered(letter, [self._room] * self._group.size)
        sizes = [int.from_bytes(other[:8].tobytes(), "little") for other in letters]
        texts = [other[8 : 8 + size].tobytes() for other, size in zip(letters, sizes, strict=True)]
        if max(sizes) > room:
            rests = [max(size - room, 0) for size in sizes]
            more = self._gathered(mine[room:], rests)
            texts = [a + b.tobytes() for a, b in zip(texts, more, strict=True)]
            self._room = 8 + 2 * max(sizes)
        return [part.decode() for part in texts]

    def _gathered(self, part: Array, sizes: Sequence[int]) -> list[Array]:
        found: list[Array] = [np.empty(size, np.uint8) for size in sizes]
        self._group.allgatherv(part, found).wait()
        return found
