"""Convolutions of planes, by kernels that slide over them."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from .kinds import A

Pair = tuple[int, int]


class Slide(NamedTuple):
    """How a kernel slides over the rows and columns of a plane.

    Tap ``t`` of the result's place ``p`` meets the plane at
    ``p * stride + t * dilation - padding``, and a zero beyond its ends.
    """

    stride: Pair
    padding: Pair
    """Zeros in front; those behind follow from the size of the result."""
    dilation: Pair
    groups: int
    """Parts of the channels that have nothing to do with each other."""


class Convolution(Protocol[A]):
    """A convolution and its two adjoints, each of which has the other two for its gradients.

    Planes are ``(images, channels, rows, columns)``, weights ``(out channels, in channels / groups,
    rows, columns)``. float16 is multiplied and summed in float32.
    """

    def convolution(self, x: A, weight: A, bias: A | None, slide: Slide, size: Pair) -> A:
        """The result, whose planes have ``size``, plus ``bias``, one number a channel."""
        ...

    def convolution_input(self, grad: A, weight: A, bias: A | None, slide: Slide, size: Pair) -> A:
        """The gradient of the input, whose planes have ``size``, plus ``bias``, one a channel.

        Also known as the transposed convolution of ``grad``.
        """
        ...

    def convolution_weight(
        self, x: A, grad: A, slide: Slide, kernel: Pair, out: A | None = None
    ) -> A:
        """The gradient of the weight, whose last axes are ``kernel``.

        With ``out`` the result is written there and ``out`` returned.
        """
        ...
