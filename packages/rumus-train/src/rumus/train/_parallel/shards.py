"""Which shards of a batch a process computes."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from rumus.tensor import ArgumentError, Tensor, tree

from .._group.contract import Group
from .batches import NONE, Mark, check_same, mark_of, samples_in

_END = object()
_SAMPLES = 2
"""What a rank says that has an item with samples; 1 without any, 0 at its end."""


class Shards:
    """The shards of a run, and those of this rank.

    Args:
        group: The ranks.
        count: The shards.

    Attributes:
        owned: The shards of each rank.
        own: Those of this rank.

    Raises:
        ArgumentError: There are fewer shards than ranks.
    """

    group: Group
    count: int
    owned: list[range]
    own: range

    def __init__(self, group: Group, count: int) -> None:
        if count < group.size:
            raise ArgumentError(
                f"{group.size} processes cannot share {count} shard{'s' * (count > 1)} of a batch: "
                "each needs one at least. Start fewer processes, or give Trainer(shards=...) the "
                "largest number that the run is to grow to"
            )
        self.group, self.count = group, count
        ends = [count * rank // group.size for rank in range(group.size + 1)]
        self.owned = [range(ends[r], ends[r + 1]) for r in range(group.size)]
        self.own = self.owned[group.rank]
        self._unchecked: Callable[[], object] | None = None

    def check(self) -> None:
        """See that the latest batch is the same on all ranks, if that was not looked at.

        Raises:
            GroupError: It is not.
        """
        check, self._unchecked = self._unchecked, None
        if check is not None:
            check()

    def check_later(self, check: Callable[[], object]) -> None:
        """Have something done by :meth:`check`, when this rank has begun to compute."""
        self._unchecked = check

    def loader(self, loader: Any) -> Any:
        """A loader that gives this rank's parts of each batch."""
        if not hasattr(loader, "sharded"):
            return TogetherLoader(loader, self, is_cut=False)
        cut = loader.sharded(self.count, self.group.rank, self.group.size)
        return cut if _has_length(cut) else TogetherLoader(cut, self, is_cut=True)

    def cut(self, batch: Any) -> list[Any]:
        """This rank's parts of a batch: neighbours, whose lengths differ by one at most.

        Tensors without an axis and everything else are in each part as they are.
        """
        leaves, structure = tree.flatten(batch)
        length = samples_in(batch)
        parts: list[Any] = []
        for shard in self.own:
            start, stop = (length * k // self.count for k in (shard, shard + 1))
            pieces = [x[start:stop] if isinstance(x, Tensor) and x.ndim else x for x in leaves]
            parts.append(tree.unflatten(structure, pieces) if start < stop else None)
        return parts


class TogetherLoader:
    """A loader that may end on one rank before it does on another, or has whole batches.

    Of parts, a rank whose loader has ended goes on with empty ones until all have; an item in which
    no rank has a sample is passed over. Whole batches are the same on all ranks.

    Args:
        loader: Of lists of this rank's parts, or of whole batches.
        shards: The shards.
        is_cut: Whether it gives parts.
    """

    def __init__(self, loader: Any, shards: Shards, is_cut: bool) -> None:
        self._loader, self._shards, self._is_cut = loader, shards, is_cut
        if hasattr(loader, "state_dict") and hasattr(loader, "load_state_dict"):
            self.state_dict = loader.state_dict
            self.load_state_dict = loader.load_state_dict

    def __len__(self) -> int:
        length: int = len(self._loader)  # raises, as the loader's own
        return length

    def __iter__(self) -> Iterator[list[Any]]:
        """The parts of each batch.

        Raises:
            GroupError: A whole batch is not the same on all ranks.
        """
        shards = self._shards
        items = iter(self._loader)
        for number in itertools.count(1):
            item: Any = next(items, _END)
            if item is _END:
                parts = [None] * len(shards.own)
            else:
                parts = item if self._is_cut else shards.cut(item)
            has_samples = any(part is not None for part in parts)
            has = (item is not _END) + has_samples
            agree = self._begin_to_agree(number, item, has)
            if has == _SAMPLES:  # whatever the others have, this item is taken
                shards.check_later(agree)
                yield parts
                shards.check()
                continue
            found = agree()
            if found == 0:
                return
            if found == _SAMPLES:
                yield parts

    def _begin_to_agree(self, number: int, item: Any, has: int) -> Callable[[], int]:
        """What gives the most that a rank has; whole batches are compared in it."""
        group = self._shards.group
        mark = NONE if self._is_cut or group.size == 1 or item is _END else mark_of(item)
        values = np.array([has, *mark, *-np.array(mark)], np.int64)
        pending = group.max(values)

        def agree() -> int:
            pending.wait()
            if not self._is_cut and group.size > 1:
                most, least = Mark(*values[1:3].tolist()), Mark(*(-values[3:]).tolist())
                check_same(group, f"batch {number}", (most, least), None if item is _END else item)
            return int(values[0])

        return agree


def shards_of(group: Group, count: int | None, saved: int | None = None) -> Shards | None:
    """The shards of a run; None for a process alone that does not cut its batches.

    Args:
        group: The ranks.
        count: As the trainer was told; None for as many as there are ranks.
        saved: Those of a run that goes on.
    """
    count = count or saved or group.size
    return None if group.size == count == 1 else Shards(group, count)


def checked_shards(count: int | None, group: Group) -> int | None:
    """The number of shards that a trainer was given.

    Raises:
        ArgumentError: It is none, or fewer than ranks.
    """
    if count is not None and (type(count) is not int or count < 1):
        raise ArgumentError(f"shards is a whole number from 1, or None, not {count!r}")
    if count is not None:
        Shards(group, count)
    return count


def _has_length(loader: Any) -> bool:
    try:
        len(loader)
    except TypeError:  # of a stream
        return False
    return True
