"""Pooling of planes by windows."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from .convolution import Pair
from .kinds import A


class Windows(NamedTuple):
    """The windows over the rows and columns of a plane, as many as ``size`` says.

    Window ``o`` begins at ``o * stride - padding``, and meets every ``dilation``-th place,
    ``kernel`` of them; or, if ``adaptive``, it reaches from ``floor(o * length / size)`` to
    ``ceil((o + 1) * length / size)``. Places outside of the plane count nothing.
    """

    size: Pair
    kernel: Pair = (1, 1)
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)
    adaptive: bool = False
    include_padding: bool = False
    """Whether a mean also counts the zeros that padding puts around the plane."""
    divisor: int = 0
    """What a mean divides by instead of a count; 0 for the count."""


class Pooling(Protocol[A]):
    """Pooling of ``(images, channels, rows, columns)``; float16 is summed in float32."""

    def max_pool(self, x: A, windows: Windows) -> tuple[A, A]:
        """The largest of each window, and int32 ``row * columns + column`` of where it was.

        The first of equal ones; NaN wins, the last of several.
        """
        ...

    def max_pool_backward(self, grad: A, places: A, windows: Windows, size: Pair) -> A:
        """What each place of a plane of ``size`` gets from the windows whose largest it was."""
        ...

    def at_places(self, x: A, places: A, windows: Windows) -> A:
        """The elements of each plane at ``places`` of :meth:`max_pool` by the windows."""
        ...

    def avg_pool(self, x: A, windows: Windows) -> A:
        """The mean of each window."""
        ...

    def avg_pool_backward(self, grad: A, windows: Windows, size: Pair) -> A:
        """The adjoint of :meth:`avg_pool` over planes of ``size``."""
        ...
