"""Resampling along an axis, and windows as columns."""

from __future__ import annotations

from typing import Protocol

from rumus._backends.bands import Band

from .convolution import Pair, Slide
from .kinds import A


class Resample(Protocol[A]):
    """Linear maps of planes that gather."""

    def resample(self, a: A, axis: int, band: Band) -> A:
        """Each place along an axis as a weighted sum of neighbours; its adjoint is another band.

        float16 is summed in float32.
        """
        ...

    def unfold(self, x: A, slide: Slide, kernel: Pair, size: Pair) -> A:
        """``(images, channels, rows, columns)`` as ``(images, channels × taps, places)``.

        A column has what the kernel's taps meet at one of ``size`` places; groups do not matter.
        """
        ...

    def fold(self, columns: A, slide: Slide, kernel: Pair, size: Pair, plane: Pair) -> A:
        """The adjoint of :meth:`unfold`, over planes of rows and columns ``plane``."""
        ...
