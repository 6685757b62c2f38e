"""What training asks of the processes that train together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Ready = Callable[[], bool]
"""Says whether what is to be sent is there; raises what went wrong if it will never be."""


class Pending(Protocol):
    """A call of a group that has begun.

    Example:
        >>> from rumus.train import Alone
        >>> pending: Pending = Alone().barrier()
        >>> pending.wait()
    """

    def wait(self) -> None:
        """Return when the arrays of the call are filled, and those that it reads are free again.

        Where it lends, what was lent has been given back then, here and elsewhere.

        Raises:
            GroupError: The call cannot be finished: a rank is missing, has left or has failed.
        """
        ...


class Delivery(Pending, Protocol):
    """A call that has begun, by which something comes from other ranks.

    Example:
        >>> from rumus.train import Alone
        >>> delivery: Delivery = Alone().alltoallv([np.ones(1)], [np.zeros(1)], lend=True)
        >>> dict(delivery.parts())
        {}
        >>> delivery.give_back()
    """

    def parts(self) -> Mapping[int, Array]:
        """What has come from the other ranks, by rank, when all of it has.

        Of a call that lends it may lie in their memory, until :meth:`give_back`.

        Raises:
            GroupError: It does not come.
        """
        ...

    def give_back(self) -> None:
        """Say, from any thread, that nothing of :meth:`parts` is used any more."""
        ...


@runtime_checkable
class Group(Protocol):
    """Processes that train together, numbered by rank: five calls over arrays on the host.

    Every rank makes the same calls in the same order. A call returns at once; its arrays are the
    group's until :meth:`Pending.wait` returns, in any thread. Arrays are contiguous and may be
    empty.

    A call with ``ready`` sends its arrays when that says that they are filled; it is asked again
    and again, by any thread, and must not wait. Such calls keep their order among themselves, and
    so do all others. All ranks give one, or none does.

    A call that lends (``lend=True``) need not copy what ranks of one host send each other:
    :meth:`Delivery.parts` gives it where it lies, read-only. The call is finished, here and there,
    when it is given back.

    Example:
        >>> from rumus.train import Alone
        >>> group: Group = Alone()
        >>> group.rank, group.size
        (0, 1)
    """

    @property
    def rank(self) -> int:
        """The number of this process, from 0."""
        ...

    @property
    def size(self) -> int:
        """How many processes there are."""
        ...

    @property
    def local_rank(self) -> int:
        """The number of this process among those of this host, which chooses its GPU."""
        ...

    def alltoallv(
        self,
        parts: Sequence[Array],
        into: Sequence[Array],
        ready: Ready | None = None,
        lend: bool = False,
    ) -> Delivery:
        """Send ``parts[r]`` to rank r, and fill ``into[r]`` with what rank r sends here."""
        ...

    def allgatherv(
        self,
        part: Array,
        into: Sequence[Array],
        ready: Ready | None = None,
        lend: bool = False,
    ) -> Delivery:
        """Fill ``into[r]`` on every rank with the part of rank r; ``into[rank]`` may be it."""
        ...

    def broadcast(self, array: Array, root: int = 0) -> Pending:
        """Fill the array on every rank with that of one rank."""
        ...

    def max(self, values: npt.NDArray[np.int64] | npt.NDArray[np.float64]) -> Pending:
        """Replace each value by the largest one in its place on any rank."""
        ...

    def barrier(self) -> Pending:
        """Wait until every rank has come here."""
        ...

    def empty(self, nbytes: int) -> Array:
        """Bytes of memory whose parts are sent faster than others; all ranks need not ask alike."""
        ...

    def wake(self) -> None:
        """Say, from any thread, that something may be ready, so that it is asked for at once."""
        ...

    def at(self, where: str) -> None:
        """Say where the run is, for the message that names who is missing there: "step 120"."""
        ...
