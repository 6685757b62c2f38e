"""What is on its way between a GPU and other ranks: sendings, landings and arrivals."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from rumus import gpu

from .._group.contract import Array, Delivery
from .porter import Errand


class Read:
    """Elements that a porter brings to the host: a :class:`Sending`.

    Args:
        array: Where they come.
        errand: The porter's.
    """

    def __init__(self, array: Array, errand: Errand) -> None:
        self.array, self.ready, self.wait = array, errand.is_done, errand.wait


class Nothing:
    """No elements, for which no porter is needed: a :class:`Sending`.

    Args:
        array: Of no elements.
    """

    def __init__(self, array: Array) -> None:
        self.array = array

    def ready(self) -> bool:
        """They are there."""
        return True

    def wait(self) -> None:
        """They are."""


class Staged:
    """The host's memory, and that from which the device takes it: a :class:`Landing`.

    Args:
        room: The host's memory, unused where other ranks lend theirs.
        writers: One for each part; None for one that is not made of whole words.
        sizes: Elements of each part.
    """

    def __init__(
        self, room: Array, writers: Sequence[gpu.WriteAhead | None], sizes: Sequence[int]
    ) -> None:
        self.room, self.writers = room, writers
        self._places = list(pairwise(np.cumsum([0, *sizes]).tolist()))
        self.parts = [room[a:b] for a, b in self._places]

    def fill(self, values: Array) -> None:
        """Bring what has come, here or elsewhere, to the device's staging memory."""
        for writer, part, (start, stop) in zip(self.writers, self.parts, self._places, strict=True):
            if writer is not None:
                writer.fill(values[start:stop])
            else:
                np.copyto(part, values[start:stop])


class Carried:
    """A call, and the errand behind it: an :class:`Arrival`.

    Args:
        delivery: The call.
        errand: Brings on what has come by it.
    """

    def __init__(self, delivery: Delivery, errand: Errand) -> None:
        self._delivery, self._errand = delivery, errand
        self.finish, self.is_over = delivery.wait, errand.is_done

    def wait(self) -> None:
        """Return when what has come is in the device's reach."""
        if not self.is_over():
            self._delivery.parts()  # of the group, who may have others go on meanwhile
            self._errand.wait()


class Passed:
    """A call by which nothing comes to this rank: an :class:`Arrival`.

    Args:
        delivery: The call.
    """

    def __init__(self, delivery: Delivery) -> None:
        self.finish = delivery.wait

    def wait(self) -> None:
        """There is nothing."""

    def is_over(self) -> bool:
        """It is."""
        return True
