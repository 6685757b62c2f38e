"""Which pairs of tokens become one, by how often they stand side by side."""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from itertools import pairwise

Pair = tuple[int, int]


class Merging:
    """Pieces as tokens, of which the most frequent pairs are merged one after the other.

    Sennrich, Haddow and Birch, arXiv:1508.07909. Of pairs that are as frequent, the one with the
    lowest tokens is the first.

    Args:
        pieces: How often each piece is there.
    """

    def __init__(self, pieces: Mapping[bytes, int]) -> None:
        self._words = [list(piece) for piece in pieces]
        self._times = list(pieces.values())
        self._counts: Counter[Pair] = Counter()
        self._places: defaultdict[Pair, set[int]] = defaultdict(set)
        for k, word in enumerate(self._words):
            self._count(k, word, 1)
        self._queue = [(-count, pair) for pair, count in self._counts.items()]
        heapq.heapify(self._queue)

    def most_frequent(self, least: int) -> Pair | None:
        """The pair that is there most often, if that is often enough."""
        while self._queue:
            count, pair = self._queue[0]
            if self._counts[pair] == -count:
                return pair if -count >= max(1, least) else None
            heapq.heappop(self._queue)  # counted anew since
        return None

    def merge(self, pair: Pair, token: int) -> None:
        """Put a token in the place of a pair, everywhere."""
        changed: set[Pair] = set()
        for k in sorted(self._places[pair]):
            before = self._words[k]
            after = merged(before, pair, token)
            self._count(k, before, -1)
            self._count(k, after, 1)
            self._words[k] = after
            changed.update(_pairs(before), _pairs(after))
        for each in changed:
            if self._counts[each]:
                heapq.heappush(self._queue, (-self._counts[each], each))

    def _count(self, k: int, word: list[int], sign: int) -> None:
        times = sign * self._times[k]
        for pair in _pairs(word):
            self._counts[pair] += times
            if sign > 0:
                self._places[pair].add(k)
            else:
                self._places[pair].discard(k)


def merged(word: list[int], pair: Pair, token: int) -> list[int]:
    """Tokens with one in the place of each pair, from the left."""
    first, second = pair
    result, k, last = [], 0, len(word) - 1
    while k <= last:
        if word[k] == first and k < last and word[k + 1] == second:
            result.append(token)
            k += 2
        else:
            result.append(word[k])
            k += 1
    return result


def _pairs(word: list[int]) -> Iterator[Pair]:
    return pairwise(word)
