"""Convolutions."""

from __future__ import annotations

from typing import Any

from rumus._backends.contract import Backend
from rumus._backends.contract.convolution import Pair, Slide
from rumus.autograd._function import Function

from .._ops.convolution import Convolution as Forward
from .._ops.convolution import ConvolutionInput, size_of
from .base import Recording


class ConvolutionWeight(Function):
    """The weight's gradient: inputs x and the gradient of the result, both planes.

    Args:
        slide: How the kernel slides over x.
        kernel: Its rows and columns.
    """

    saves = (0, 1)

    def __init__(self, slide: Slide, kernel: Pair) -> None:
        self.slide, self.kernel = slide, kernel

    def forward(self, be: Backend[Any], *arrays: Any) -> Any:
        """Sum over images and places."""
        return be.convolution_weight(arrays[0], arrays[1], self.slide, self.kernel)

    def backward(self, be: Backend[Any], grad: Any) -> tuple[Any | None, ...]:
        """The gradient in the weight's place, once turned around and once not."""
        x, g = self.saved
        for_x, for_g = self.wanted
        return (
            be.convolution_input(g, grad, None, self.slide, size_of(x.shape)) if for_x else None,
            be.convolution(x, grad, None, self.slide, size_of(g.shape)) if for_g else None,
        )


class Convolution(Recording):
    """The family's part of the recorder."""

    def convolution(self, x: Any, weight: Any, bias: Any, slide: Slide, size: Pair) -> Any:
        return Forward(slide, size)(*self._given(x, weight, bias))

    def convolution_input(self, grad: Any, weight: Any, bias: Any, slide: Slide, size: Pair) -> Any:
        return ConvolutionInput(slide, size)(*self._given(grad, weight, bias))

    def convolution_weight(
        self, x: Any, grad: Any, slide: Slide, kernel: Pair, out: None = None
    ) -> Any:
        return ConvolutionWeight(slide, kernel)(self.tensor(x), self.tensor(grad))

    def _given(self, *arrays: Any) -> list[Any]:
        return [self.tensor(a) for a in arrays if a is not None]
