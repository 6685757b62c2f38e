"""Resampling along an axis, and windows as columns."""

from __future__ import annotations

from typing import Any

from rumus._backends.bands import Band
from rumus._backends.contract.convolution import Pair, Slide

from .._ops.resample import Fold, Unfold
from .._ops.resample import Resample as Banded
from .base import Recording


class Resample(Recording):
    """The family's part of the recorder."""

    def resample(self, a: Any, axis: int, band: Band) -> Any:
        return Banded(axis, band)(self.tensor(a))

    def unfold(self, x: Any, slide: Slide, kernel: Pair, size: Pair) -> Any:
        return Unfold(slide, kernel, size)(self.tensor(x))

    def fold(self, columns: Any, slide: Slide, kernel: Pair, size: Pair, plane: Pair) -> Any:
        return Fold(slide, kernel, size, plane)(self.tensor(columns))
