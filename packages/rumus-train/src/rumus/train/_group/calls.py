"""Calls of a group on their way."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from .._errors import GroupError
from .contract import Array, Ready

Message = tuple[int, Array]
"""The other rank, and what goes to it or comes from it."""


class Coming(NamedTuple):
    """A message that comes.

    Attributes:
        request: MPI's.
        peer: Who sends it.
        chunk: What it fills.
        is_whole: Whether that is all that comes from there by its call.
    """

    request: Any
    peer: int
    chunk: Array
    is_whole: bool


class Call:
    """A call on its way, which is a :class:`Delivery`.

    Args:
        name: Of the method.
        number: How many calls were made before it on its lane.
        where: Where the run was when it was made.
        sends: What goes to other ranks.
        receives: What comes from them.
        finish: What is done when all has come.
        ready: Whether what is sent is there; asked until it is.
        lends: Whether what other ranks of this host send need not be copied.
        wake: Has the worker look at it.
    """

    name: str
    number: int
    where: str
    sends: Sequence[Message]
    receives: Sequence[Message]
    finish: Callable[[], object] | None
    ready: Ready | None
    lends: bool
    lent: dict[int, Array]
    is_given_back: bool
    is_awaited: bool

    def __init__(
        self,
        name: str,
        number: int,
        where: str,
        sends: Sequence[Message],
        receives: Sequence[Message],
        finish: Callable[[], object] | None,
        ready: Ready | None,
        lends: bool,
        wake: Callable[[], object],
    ) -> None:
        self.name, self.number, self.where = name, number, where
        self.sends, self.receives, self.finish, self.ready = sends, receives, finish, ready
        self.lends, self._wake = lends, wake
        self.lent = {}
        """Bytes in the memory of other ranks, who wait for the word that they have been read."""
        self.is_given_back = self.is_awaited = False
        self.coming: list[Coming] = []
        self.requests: list[Any] = []
        """Those that do not receive."""
        self.peers: list[int] = []
        """The other ranks of these."""
        self._error: GroupError | None = None
        self._come, self._done = threading.Event(), threading.Event()

    def wait(self) -> None:
        """Return when it is finished.

        Raises:
            GroupError: It cannot be.
        """
        self.is_awaited = True
        self._done.wait()
        if self._error is not None:
            raise self._error

    def parts(self) -> Mapping[int, Array]:
        """What has come from the other ranks.

        Raises:
            GroupError: It does not come.
        """
        self._come.wait()
        if self._error is not None:
            raise self._error
        found: dict[int, Array] = {}
        for peer, array in self.receives:
            lent = self.lent.get(peer)  # another thread may have given it back
            found[peer] = array if lent is None else lent.view(array.dtype).reshape(array.shape)
        return found

    def give_back(self) -> None:
        """Let the other ranks have their memory again."""
        self.is_given_back = True
        self._wake()

    @property
    def has_come(self) -> bool:
        """Whether :meth:`parts` waits no more."""
        return self._come.is_set()

    def come(self) -> None:
        """Let those go on who wait for what it brings."""
        self._come.set()

    def settle(self, error: GroupError | None) -> None:
        """Let those go on who wait for it."""
        try:
            if error is None and self.finish is not None:
                self.finish()
        except Exception as why:
            error = GroupError(f"{self.name} at {self.where} cannot be finished: {why}")
        self._error = error
        self._come.set()
        self._done.set()

    def is_ready(self) -> bool:
        """Whether what is sent is there.

        Raises:
            GroupError: It never will be.
        """
        try:
            return self.ready is None or self.ready()
        except Exception as why:
            raise GroupError(
                f"what goes to other ranks at {self.where} ({self.name}) cannot be sent: "
                f"{type(why).__name__}: {why}"
            ) from why

    def missing(self) -> list[int]:
        """The ranks whose part has not come, or who have not taken theirs."""
        coming = [(c.request, c.peer) for c in self.coming]
        found = [*coming, *zip(self.requests, self.peers, strict=True)]
        return sorted({peer for request, peer in found if not request.Get_status()})
