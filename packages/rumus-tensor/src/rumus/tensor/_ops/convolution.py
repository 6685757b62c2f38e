"""Convolutions of one or two axes: the operation and its two adjoints.

Each is expressed by the other two, for its gradients and theirs. Arrays of one axis are planes of
one column.
"""

from __future__ import annotations

from typing import Any

from rumus._backends.contract import Backend
from rumus._backends.contract.convolution import Pair, Slide
from rumus._core.shapes import Shape
from rumus.autograd._function import Function


class Convolution(Function):
    """A kernel that slides over x: inputs x, weight, and maybe a bias.

    Args:
        slide: How it does.
        size: Rows and columns of the result.
    """

    def __init__(self, slide: Slide, size: Pair) -> None:
        self.slide, self.size = slide, size

    def forward(self, be: Backend[Any], *arrays: Any) -> Any:
        """Slide the kernel."""
        x, weight, bias = (*arrays, None)[:3]
        self.shapes: tuple[Shape, Shape] = x.shape, weight.shape
        if self.needs:
            self.saves = read_for(self.needs)
        y = be.convolution(planes(be, x), planes(be, weight), bias, self.slide, self.size)
        return like(be, y, x)

    def backward(self, be: Backend[Any], grad: Any) -> tuple[Any | None, ...]:
        """Both adjoints, and the sum over all but the channels."""
        for_x, for_weight, for_bias = (*self.wanted, False)[:3]
        saved = dict(zip(self.saves, self.saved, strict=True))
        g = planes(be, grad)
        into_x = into_weight = into_bias = None
        if for_x:
            weight = planes(be, saved[1])
            size = size_of(self.shapes[0])
            into_x = like(be, be.convolution_input(g, weight, None, self.slide, size), grad)
        if for_weight:
            into_weight = weight_gradient(
                be, planes(be, saved[0]), g, self.slide, self.shapes[1], self.slot(1)
            )
        if for_bias:
            into_bias = be.reduce("sum", g, (0, 2, 3), False, self.slot(2))
        return (into_x, into_weight, into_bias)[: len(self.wanted)]


class ConvolutionInput(Function):
    """The transposed convolution: inputs x, weight, and maybe a bias.

    Args:
        slide: How the kernel slides over the result.
        size: Rows and columns of the result.
    """

    def __init__(self, slide: Slide, size: Pair) -> None:
        self.slide, self.size = slide, size

    def forward(self, be: Backend[Any], *arrays: Any) -> Any:
        """Add up what every element of x gives."""
        x, weight, bias = (*arrays, None)[:3]
        self.shapes: tuple[Shape, Shape] = x.shape, weight.shape
        if self.needs:
            self.saves = read_for(self.needs)
        y = be.convolution_input(planes(be, x), planes(be, weight), bias, self.slide, self.size)
        return like(be, y, x)

    def backward(self, be: Backend[Any], grad: Any) -> tuple[Any | None, ...]:
        """A convolution of the gradient, and the adjoint for the weight with the two exchanged."""
        for_x, for_weight, for_bias = (*self.wanted, False)[:3]
        saved = dict(zip(self.saves, self.saved, strict=True))
        g = planes(be, grad)
        into_x = into_weight = into_bias = None
        if for_x:
            weight = planes(be, saved[1])
            size = size_of(self.shapes[0])
            into_x = like(be, be.convolution(g, weight, None, self.slide, size), grad)
        if for_weight:
            into_weight = weight_gradient(
                be, g, planes(be, saved[0]), self.slide, self.shapes[1], self.slot(1)
            )
        if for_bias:
            into_bias = be.reduce("sum", g, (0, 2, 3), False, self.slot(2))
        return (into_x, into_weight, into_bias)[: len(self.wanted)]


def read_for(needs: tuple[bool, ...]) -> tuple[int, ...]:
    """Which of two inputs the gradients read: each the other one."""
    return (0,) * needs[1] + (1,) * needs[0]


def planes(be: Backend[Any], a: Any) -> Any:
    """An array of one axis as one of two, of one column."""
    return be.reshape(a, (*a.shape, 1)) if a.ndim == 3 else a


def like(be: Backend[Any], a: Any, other: Any) -> Any:
    """Planes with as many axes as another array."""
    return be.reshape(a, a.shape[:3]) if other.ndim == 3 else a


def weight_gradient(
    be: Backend[Any], x: Any, grad: Any, slide: Slide, shape: Shape, slot: Any | None
) -> Any:
    """The gradient of a weight of that shape, in its place if there is one."""
    place = slot if slot is None else planes(be, slot)
    result = be.convolution_weight(x, grad, slide, size_of(shape), place)
    return be.reshape(result, shape) if slot is None else slot


def size_of(shape: Shape) -> Pair:
    """The rows and columns of planes; of lines, one column."""
    rows, columns = (*shape[2:], 1)[:2]
    return rows, columns
