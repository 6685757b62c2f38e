"""Noticing that tensors were changed by somebody else."""

from __future__ import annotations

from collections.abc import Sequence

from . import usage
from .base import TensorBase
from .versions import Version


class Watch:
    """Whether tensors were changed in place, or moved, since they were last looked at.

    For what is kept beside a tensor and has to follow it. What captured steps do in their replays
    counts as a change too. A change of a watched tensor by hand makes captured steps record anew,
    so that they notice; inside a captured step it is refused.

    Args:
        tensors: to look at; they count as changed until the first :meth:`look`.

    Example:
        >>> x = ones(2)
        >>> watch = Watch([x])
        >>> watch.look(), watch.look()
        (None, None)
    """

    def __init__(self, tensors: Sequence[TensorBase]) -> None:
        self._tensors = tuple(tensors)
        self._seen: list[tuple[Version, int]] = []

    def changed(self) -> bool:
        """Whether one is not as it was at the last look."""
        reads = usage.current()
        if reads is not None:
            for tensor in self._tensors:
                reads.note(tensor._version, "value", _touched, tensor._version.touched)
        return self._seen != self._now()

    def look(self) -> None:
        """Take the tensors as they are now for unchanged."""
        for tensor in self._tensors:
            tensor._version.watched = True
        self._seen = self._now()

    def forget(self) -> None:
        """Let the tensors count as changed."""
        self._seen = []

    def _now(self) -> list[tuple[Version, int]]:
        return [(t._version, t._version.count) for t in self._tensors]


def _touched(version: Version, _: str) -> int:
    return version.touched
