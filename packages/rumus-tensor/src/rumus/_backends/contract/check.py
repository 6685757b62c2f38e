"""Looking at data for mistakes."""

from __future__ import annotations

from typing import Protocol

from .kinds import A_contra


class Check(Protocol[A_contra]):
    """Looking at data for mistakes."""

    def check(self, mask: A_contra, message: str) -> None:
        """Raise an ArgumentError where an element of a mask of bools is false.

        On the GPU at the next synchronisation. ``message`` has ``{0}`` for its row-major position.
        """
        ...
