"""Arrays on a GPU: a shape and strides over a storage, which is a buffer while anybody holds it."""

from __future__ import annotations

from collections.abc import Collection, MutableSequence
from functools import lru_cache
from math import prod
from typing import Any, Protocol

import numpy as np

from rumus.gpu._memory import Buffer

Shape = tuple[int, ...]


class Guard(Protocol):
    """Brings parts of a storage up to date just before they are used: what is on its way there.

    Example:
        >>> class Nothing:
        ...     is_waiting = False
        ...     def parts(self, start, stop):
        ...         return ()
        ...     def bring(self, parts=None):
        ...         pass
        >>> guarded = from_host(np.ones(8, np.float32))
        >>> guard(guarded, Nothing())
    """

    @property
    def is_waiting(self) -> bool:
        """Whether anything is on its way."""
        ...

    def parts(self, start: int, stop: int) -> Collection[int]:
        """The numbers of the parts that may ever be brought to some of the bytes."""
        ...

    def bring(self, parts: Collection[int] | None = None) -> None:
        """Let parts be there for all that is recorded from now on; all if there are none given."""
        ...


class Storage:
    """A buffer that goes back to the pool when the last array on it is gone.

    ``nbytes`` is what was asked for; the buffer is at least that, padded to a multiple of 16 bytes,
    so that a kernel may write whole vectors past the end.
    """

    __slots__ = (
        "__weakref__",
        "buffer",
        "device",
        "guard",
        "home",
        "nbytes",
        "owner",
        "persistent",
    )
    home: MutableSequence[Buffer]
    device: Any
    buffer: Buffer
    nbytes: int
    owner: object | None
    persistent: bool
    guard: Guard | None

    def __init__(
        self,
        device: Any,
        buffer: Buffer,
        nbytes: int,
        owner: object | None = None,
        home: MutableSequence[Buffer] | None = None,
    ) -> None:
        self.home = buffer.home if home is None else home
        """Where the buffer goes then."""
        self.device = device
        """The :class:`~rumus.gpu._device.GpuDevice`, of which no array needs more than a name."""
        self.buffer = buffer
        self.nbytes = nbytes
        self.owner = owner
        """The recording that made it, whose replays write it for as long as it lives."""
        self.guard: Guard | None = None
        """Who is asked before it is used."""
        self.persistent = False
        """Whether a capture may use it although it was made outside (see :func:`persist`)."""

    def __del__(self) -> None:
        try:
            self.home.append(self.buffer)
        except AttributeError:  # an interrupt came before it was complete
            return


class GpuArray:
    """Elements of a storage, seen under a shape, strides and an offset.

    Attributes:
        storage: where the elements lie.
        shape: one length an axis.
        strides: elements from one index to the next, one an axis; 0 where broadcast.
        offset: the first element's position in the storage, in elements.
        dtype: float32, int32, and float16, uint8 or bool packed into 32-bit words.

    Example:
        >>> array = from_host(np.zeros((2, 3), np.float32))
        >>> array.shape, array.size, array.dtype
        ((2, 3), 6, dtype('float32'))
    """

    __slots__ = ("__weakref__", "dtype", "offset", "shape", "size", "storage", "strides")
    storage: Storage
    shape: Shape
    strides: tuple[int, ...]
    offset: int
    dtype: np.dtype[Any]
    size: int

    def __init__(
        self,
        storage: Storage,
        shape: Shape,
        strides: tuple[int, ...],
        offset: int,
        dtype: np.dtype[Any],
    ) -> None:
        self.storage = storage
        self.shape = shape
        self.strides = strides
        self.offset = offset
        self.dtype = dtype
        self.size = prod(shape)

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        """The bytes of its elements."""
        return self.size * self.dtype.itemsize

    @property
    def is_contiguous(self) -> bool:
        """Whether the elements lie in row-major order without gaps."""
        if self.strides == contiguous_strides(self.shape):
            return True
        expected = 1
        for length, stride in zip(reversed(self.shape), reversed(self.strides), strict=True):
            if length != 1 and stride != expected:
                return self.size == 0
            expected *= length
        return True

    @property
    def extent(self) -> tuple[int, int]:
        """The bytes of the storage from the first to the last element: begin and end."""
        if not self.size:
            return 0, 0
        steps = [(n - 1) * step for n, step in zip(self.shape, self.strides, strict=True)]
        first = self.offset + sum(step for step in steps if step < 0)
        last = self.offset + sum(step for step in steps if step > 0)
        return first * self.dtype.itemsize, (last + 1) * self.dtype.itemsize

    def bring(self) -> None:
        """Let what is on its way to these elements be there."""
        guard = self.storage.guard
        if guard is not None and guard.is_waiting:
            guard.bring(guard.parts(*self.extent))

    @property
    def device_index(self) -> int:
        """N of the device ``"gpu:N"``."""
        return int(self.storage.device.index)

    def __repr__(self) -> str:
        return f"GpuArray(shape={self.shape}, dtype={self.dtype}, device=gpu:{self.device_index})"


@lru_cache(maxsize=4096)
def contiguous_strides(shape: Shape) -> tuple[int, ...]:
    """Row-major strides of a shape, in elements."""
    strides, step = [], 1
    for length in reversed(shape):
        strides.append(step)
        step *= length
    return tuple(reversed(strides))
