"""Sums of gradients where these are computed: float32, in the layout of the arenas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from rumus.tensor import Arena

from .layout import Span

Array = npt.NDArray[Any]
Vector = list[Any]
"""An array for each span of an arena that is trained."""


class Vectors(Protocol):
    """What a step does with arenas and sums on one device."""

    def weighted(self, spans: Sequence[Span], weight: float) -> Vector:
        """The arenas' gradients times a number."""
        ...

    def zeros(self, spans: Sequence[Span]) -> Vector:
        """Nothing."""
        ...

    def added(self, left: Vector, right: Vector) -> Vector:
        """The sum, possibly in the memory of one of the two."""
        ...

    def read(self, vector: Vector, k: int, start: int, stop: int) -> Array:
        """Elements of a vector's array on the host."""
        ...

    def put_mean(self, span: Span, total: Any, share: float) -> None:
        """Let the arena's gradients be a sum, of the host or of a vector, times a number."""
        ...

    def weights(self, span: Span) -> Array:
        """Parameters on the host."""
        ...

    def room(self, span: Span) -> Array:
        """Where parameters of other ranks may be written before :meth:`put_weights`."""
        ...

    def put_weights(self, span: Span, values: Array) -> None:
        """Let parameters have other values."""
        ...

    def free(self, vector: Vector) -> None:
        """Nobody needs a vector any more."""
        ...


class HostVectors:
    """Sums on the CPU, in memory that is kept from step to step.

    Args:
        arenas: Of the parameters.
    """

    def __init__(self, arenas: Sequence[Arena]) -> None:
        self._arenas = arenas
        self._idle: dict[int, list[Array]] = {}

    def weighted(self, spans: Sequence[Span], weight: float) -> Vector:
        """The arenas' gradients times a number."""
        vector = [self._buffer(span.size) for span in spans]
        with np.errstate(all="ignore"):
            for span, values in zip(spans, vector, strict=True):
                grads = self._arenas[span.arena].grads[span.start : span.stop]
                np.multiply(grads, np.float32(weight), out=values, dtype=np.float32)
        return vector

    def zeros(self, spans: Sequence[Span]) -> Vector:
        """Nothing."""
        vector = [self._buffer(span.size) for span in spans]
        for values in vector:
            values.fill(0)
        return vector

    def added(self, left: Vector, right: Vector) -> Vector:
        """The sum, in the memory of the first one."""
        with np.errstate(all="ignore"):
            for a, b in zip(left, right, strict=True):
                np.add(a, b, out=a)
        self.free(right)
        return left

    def read(self, vector: Vector, k: int, start: int, stop: int) -> Array:
        """Elements of a vector's array."""
        values: Array = vector[k][start:stop]
        return values

    def put_mean(self, span: Span, total: Any, share: float) -> None:
        """Let the arena's gradients be a sum times a number."""
        grads = self._arenas[span.arena].grads[span.start : span.stop]
        with np.errstate(all="ignore"):
            np.multiply(total, np.float32(share), out=grads, casting="same_kind", dtype=np.float32)

    def weights(self, span: Span) -> Array:
        """Parameters, where they lie."""
        values: Array = self._arenas[span.arena].data[span.start : span.stop]
        return values

    def room(self, span: Span) -> Array:
        """The parameters themselves."""
        return self.weights(span)

    def put_weights(self, span: Span, values: Array) -> None:
        """They are there already."""

    def free(self, vector: Vector) -> None:
        """Keep the memory for another vector."""
        for values in vector:
            self._idle.setdefault(values.size, []).append(values)

    def _buffer(self, size: int) -> Array:
        idle = self._idle.get(size)
        return idle.pop() if idle else np.empty(size, np.float32)
