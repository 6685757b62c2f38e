"""The tree in which shards are summed: its shape depends on their number alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")
Add = Callable[[T, T], T]
"""The sum of two neighbours, the earlier one first; it may be made in either's memory."""


class Node(NamedTuple):
    """A subtree.

    Attributes:
        start: Its first shard, a multiple of ``2**level``.
        level: It has ``2**level`` shards, or those of them that exist.
    """

    start: int
    level: int


class Subtrees(Generic[T]):
    """Sums neighbouring shards into the largest subtrees, as soon as these are whole.

    Args:
        shards: Of the whole tree.
        add: The sum of two neighbours.
    """

    def __init__(self, shards: int, add: Add[T]) -> None:
        self._shards, self._add = shards, add
        self._stack: list[tuple[Node, T]] = []

    def push(self, shard: int, value: T) -> None:
        """Take the shard behind the one before."""
        self._stack.append((Node(shard, 0), value))
        is_last = shard == self._shards - 1
        while len(self._stack) > 1:
            (left, first), (right, second) = self._stack[-2:]
            # What lies behind the last shard is empty: the last subtree is one of every level.
            level = left.level if is_last and right.level < left.level else right.level
            if left.level != level or left.start >> level & 1 or right.start != _after(left):
                return
            self._stack[-2:] = [(Node(left.start, level + 1), self._add(first, second))]

    def take(self) -> dict[Node, T]:
        """The subtrees, which are no longer kept."""
        found, self._stack = dict(self._stack), []
        return found


def subtrees(own: range, shards: int) -> list[Node]:
    """The subtrees that a run of shards is summed into."""
    tree: Subtrees[None] = Subtrees(shards, lambda *_: None)
    for shard in own:
        tree.push(shard, None)
    return list(tree.take())


def folded(found: Mapping[Node, T], shards: int, add: Add[T]) -> T:
    """The sum of the whole tree, of the subtrees that make it up."""
    return _sum_of(Node(0, (shards - 1).bit_length()), found, shards, add)


def _sum_of(node: Node, found: Mapping[Node, T], shards: int, add: Add[T]) -> T:
    if node in found:
        return found[node]
    left = Node(node.start, node.level - 1)
    right = Node(_after(left), left.level)
    first = _sum_of(left, found, shards, add)
    return first if right.start >= shards else add(first, _sum_of(right, found, shards, add))


def _after(node: Node) -> int:
    return node.start + (1 << node.level)
