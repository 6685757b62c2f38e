"""Texts that all ranks tell each other in every step, in one call."""

from __future__ import annotations

import numpy as np

from .._group.contract import Array, Group

_ROOM = 1024
"""Bytes of the first letters, their length included."""
_HEAD = 8
"""Bytes of that length."""


class Mail:
    """Sends letters of a length that has been enough so far; longer ones come in a second call.

    Args:
        group: The ranks.
    """

    def __init__(self, group: Group) -> None:
        self._group, self._room = group, _ROOM
        self._ranks = range(group.size)

    def send(self, text: str) -> None:
        """Send a text; :meth:`receive` gives those of all ranks."""
        self._mine = np.frombuffer(text.encode(), np.uint8)
        if self._group.size == 1:
            return
        letter, mine = np.zeros(self._room, np.uint8), self._mine
        letter[:_HEAD] = np.frombuffer(mine.size.to_bytes(_HEAD, "little"), np.uint8)
        room = self._room - _HEAD
        letter[_HEAD : _HEAD + min(room, mine.size)] = mine[:room]
        self._letters: list[Array] = [np.empty(self._room, np.uint8) for _ in self._ranks]
        self._pending = self._group.allgatherv(letter, self._letters)

    def receive(self) -> list[str]:
        """The texts of all ranks, by rank."""
        mine, room = self._mine, self._room - _HEAD
        if self._group.size == 1:
            return [mine.tobytes().decode()]
        self._pending.wait()
        letters = self._letters
        sizes = [int.from_bytes(letter[:_HEAD].tobytes(), "little") for letter in letters]
        texts = [
            letter[_HEAD : _HEAD + size].tobytes()
            for letter, size in zip(letters, sizes, strict=True)
        ]
        if max(sizes) > room:
            rests: list[Array] = [np.empty(max(size - room, 0), np.uint8) for size in sizes]
            self._group.allgatherv(mine[room:], rests).wait()
            texts = [a + b.tobytes() for a, b in zip(texts, rests, strict=True)]
            self._room = _HEAD + 2 * max(sizes)
        return [text.decode() for text in texts]
