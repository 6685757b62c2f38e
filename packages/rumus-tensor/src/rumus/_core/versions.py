"""The state of a piece of memory, which tensors and their views share."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol

from .errors import BorrowError
from .frames import Claim, Scoped


class Labelled(Protocol):
    """What an optimizer step holds: a parameter."""

    @property
    def label(self) -> str:
        """What error messages call it."""
        ...


class Borrower(NamedTuple):
    """An optimizer step that holds a parameter.

    Attributes:
        leaf: The parameter.
        claim: Of the step.
    """

    leaf: Labelled
    claim: Claim


class Replays:
    """How often a recorded step was replayed.

    Attributes:
        count: So far.
        ended: Whether it cannot be replayed any more.
    """

    __slots__ = ("count", "ended")

    def __init__(self) -> None:
        self.count = 0
        self.ended = False


class Version:
    """The state of a piece of memory, shared by a tensor and its views.

    A replay of a step changes all that the step changed when it was recorded, at once for any
    number of tensors: the memory follows the count of its replays.

    Attributes:
        borrower: Who holds the memory, or held it last.
        watched: Whether a :class:`~rumus.tensor.Watch` looks at it.
        touched: How often it was changed by hand since it is watched.
        moved: Once the memory's contents live elsewhere, what gives the array there for an array
            of this memory, and the version there.
    """

    __slots__ = ("__weakref__", "_changes", "_replays", "borrower", "moved", "touched", "watched")

    def __init__(self) -> None:
        self._changes = 0
        self._replays: tuple[Replays, ...] = ()
        self.borrower: Borrower | None = None
        self.watched = False
        self.touched = 0
        self.moved: tuple[Callable[[Any], Any], Version] | None = None

    @property
    def count(self) -> int:
        """How often the memory was changed in place."""
        count = self._changes
        for replays in self._replays:
            count += replays.count
        return count

    def check_free(self) -> None:
        """Raise if an optimizer step holds the memory.

        Raises:
            BorrowError: One does.
        """
        borrower = self.borrower
        if borrower is None:
            return
        if not borrower.claim.is_over():
            raise BorrowError(
                f"{borrower.leaf.label} is held by an optimizer step; use it after the step"
            )
        self.borrower = None

    def bump(self) -> None:
        """Count a change in place."""
        self._changes += 1
        replays = _recorded.get()
        if replays is not None and replays not in self._replays:
            self._changes += sum(r.count for r in self._replays if r.ended)
            self._replays = (*(r for r in self._replays if not r.ended), replays)


_recorded: Scoped[Replays] = Scoped()


def changes_follow(replays: Replays) -> AbstractContextManager[None]:
    """What this thread changes in place meanwhile, each of the replays will change again.

    It is over with the function that asks for it.
    """
    return _recorded.during(replays, sys._getframe(1))
