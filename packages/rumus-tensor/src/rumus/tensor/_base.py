"""What every tensor is made of: an array, its device, its version and its place in the graph."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from ._device import Device
from ._errors import BorrowError

if TYPE_CHECKING:
    from rumus.autograd._node import Node
    from rumus.nn._parameter import Parameter

    from ._tensor import Tensor


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
        borrower: While an optimizer step holds the memory, the parameter that it holds.
        watched: Whether a :class:`~rumus.tensor.Watch` looks at it.
    """

    __slots__ = ("__weakref__", "_changes", "_replays", "borrower", "watched")

    def __init__(self) -> None:
        self._changes = 0
        self._replays: tuple[Replays, ...] = ()
        self.borrower: Parameter | None = None
        self.watched = False

    @property
    def count(self) -> int:
        """How often the memory was changed in place."""
        count = self._changes
        for replays in self._replays:
            count += replays.count
        return count

    def bump(self) -> None:
        """Count a change in place."""
        self._changes += 1
        replays = _recorded.replays
        if replays is not None and replays not in self._replays:
            self._changes += sum(r.count for r in self._replays if r.ended)
            self._replays = (*(r for r in self._replays if not r.ended), replays)


class _Recorded(threading.local):
    replays: Replays | None = None


_recorded = _Recorded()


@contextmanager
def changes_follow(replays: Replays) -> Iterator[None]:
    """What this thread changes in place meanwhile, each of the replays will change again."""
    before, _recorded.replays = _recorded.replays, replays
    try:
        yield
    finally:
        _recorded.replays = before


class TensorBase:
    """The fields of a tensor, without its operations."""

    __slots__ = ("__weakref__", "_array", "_device", "_node", "_version")
    _array: Any
    _device: Device
    _node: Node | None
    _version: Version

    @property
    def array(self) -> Any:
        """The device's own array: a ``numpy.ndarray`` or a :class:`rumus.gpu.GpuArray`.

        Raises:
            BorrowError: An optimizer step holds the parameter.
        """
        borrower = self._version.borrower
        if borrower is not None:
            raise BorrowError(
                f"{borrower.label} is held by an optimizer step; use it after the step"
            )
        return self._array

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of each axis."""
        shape: tuple[int, ...] = self._array.shape
        return shape

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self._array.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return int(self._array.size)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The element type."""
        dtype: np.dtype[Any] = self._array.dtype
        return dtype

    @property
    def device(self) -> Device:
        """Where the elements are."""
        return self._device

    @property
    def requires_grad(self) -> bool:
        """Whether a gradient can flow back through this tensor."""
        return self._edge() is not None

    def _edge(self) -> Node | Parameter | None:
        """Where the gradient of this tensor goes."""
        return self._node

    def detach(self) -> Tensor:
        """The same memory without the graph."""
        return self._wrap(self.array, self._device, None, self._version)

    @staticmethod
    def _wrap(
        array: Any, device: Device, node: Node | None = None, version: Version | None = None
    ) -> Tensor:
        """A tensor around an array; with a version, a view of the memory it counts."""
        raise NotImplementedError
