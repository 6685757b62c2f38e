"""The gradients of a rank's shards, summed into subtrees as they come."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from .tree import Add, Node, Subtrees

T = TypeVar("T")
_ENDLESS = 1 << 62


class ShardSums(Generic[T]):
    """Sums over the batches of a step within each shard, and then over shards.

    A step of several batches (accumulation) sums each shard's first, in a tree of their own, so
    that what ranks exchange is one sum a subtree, however many batches there are.

    Args:
        own: The shards of this rank.
        shards: Of all ranks.
        add: The sum of two neighbours.
        zero: What a shard without samples has.
    """

    def __init__(self, own: range, shards: int, add: Add[T], zero: Callable[[], T]) -> None:
        self._own, self._shards, self._add, self._zero = own, shards, add, zero
        self.clear()

    def clear(self) -> None:
        """Forget what came so far; all shards begin anew."""
        self._tree: Subtrees[T] = Subtrees(self._shards, self._add)
        self._open: dict[int, tuple[int, Subtrees[T]]] = {}
        self._next = self._own.start

    def add(self, shard: int, value: T, is_last: bool) -> None:
        """Take a batch of a shard; shards come in order within a batch.

        Args:
            shard: Whose.
            value: The batch's.
            is_last: Whether the shard has no further one.
        """
        count, batches = self._open.setdefault(shard, (0, Subtrees(_ENDLESS, self._add)))
        batches.push(count, value)
        self._open[shard] = count + 1, batches
        if is_last:
            self._close(shard)

    def take(self) -> dict[Node, T]:
        """The sums of the subtrees; all shards begin anew."""
        if len(self._own):
            self._close(self._own[-1])
        self._next = self._own.start
        return self._tree.take()

    def _close(self, last: int) -> None:
        """Sum the batches of the shards up to one."""
        for shard in range(self._next, last + 1):
            found = self._open.pop(shard, None)
            self._tree.push(shard, self._zero() if found is None else self._whole(found[1]))
            self._next = shard + 1

    def _whole(self, batches: Subtrees[T]) -> T:
        *before, total = batches.take().values()
        while before:
            total = self._add(before.pop(), total)
        return total
