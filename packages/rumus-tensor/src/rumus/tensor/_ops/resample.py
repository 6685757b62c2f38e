"""Resampling along axes, and windows as columns; each is the adjoint's adjoint."""

from __future__ import annotations

from typing import Any

from rumus._backends.bands import Band
from rumus._backends.contract import Backend
from rumus._backends.contract.convolution import Pair, Slide
from rumus.autograd._function import Function


class Resample(Function):
    """A banded matrix along an axis."""

    def __init__(self, axis: int, band: Band) -> None:
        self.axis, self.band = axis, band

    def forward(self, be: Backend[Any], *arrays: Any) -> Any:
        """Multiply."""
        return be.resample(arrays[0], self.axis, self.band)

    def backward(self, be: Backend[Any], grad: Any) -> tuple[Any | None, ...]:
        """Multiply by the transposed matrix."""
        return (be.resample(grad, self.axis, self.band.adjoint),)


class Unfold(Function):
    """Windows of planes as columns."""

    def __init__(self, slide: Slide, kernel: Pair, size: Pair) -> None:
        self.slide, self.kernel, self.size = slide, kernel, size

    def forward(self, be: Backend[Any], *arrays: Any) -> Any:
        """Copy them."""
        self.plane: Pair = arrays[0].shape[2:]
        return be.unfold(arrays[0], self.slide, self.kernel, self.size)

    def backward(self, be: Backend[Any], grad: Any) -> tuple[Any | None, ...]:
        """Add them up where they came from."""
        return (be.fold(grad, self.slide, self.kernel, self.size, self.plane),)


class Fold(Function):
    """Columns added up to planes."""

    def __init__(self, slide: Slide, kernel: Pair, size: Pair, plane: Pair) -> None:
        self.slide, self.kernel, self.size, self.plane = slide, kernel, size, plane

    def forward(self, be: Backend[Any], *arrays: Any) -> Any:
        """Add them up."""
        return be.fold(arrays[0], self.slide, self.kernel, self.size, self.plane)

    def backward(self, be: Backend[Any], grad: Any) -> tuple[Any | None, ...]:
        """Windows of the gradient."""
        return (be.unfold(grad, self.slide, self.kernel, self.size),)
