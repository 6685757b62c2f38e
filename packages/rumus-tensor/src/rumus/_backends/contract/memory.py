"""Memory that outlives a step."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Protocol

import numpy as np

from .kinds import A, Shape


class Memory(Protocol[A]):
    """Memory that outlives a step: what parameters are packed into."""

    def flat(self, count: int, dtype: np.dtype[Any]) -> A:
        """Zeros on one axis, aligned to 256 bytes, that captured steps may use."""
        ...

    def place(self, flat: A, shape: Shape, offset: int) -> A:
        """A view of elements of ``flat`` from ``offset`` on, under a shape."""
        ...

    def most_bytes(self) -> int:
        """The largest array that every primitive takes."""
        ...

    def elsewhere(self, view: A, before: A, after: A) -> A:
        """What a view of the memory of ``before`` shows, in ``after``, which has its elements.

        A view of other memory is given back. Both arrays are contiguous.
        """
        ...

    def at_once(self) -> AbstractContextManager[None]:
        """Run what is inside now, also while a step is recorded."""
        ...
