"""Products in captured steps: what is computed from them goes into their kernel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rumus.gpu import GpuArray, Pipeline

from .elementwise_source import Step
from .fusion import ElementwiseChain, View
from .matmul_source import PARAMS, Tail, Variant, product_pipeline


@dataclass(frozen=True)
class ProductChain:
    """A product and elementwise operations on its result; see :class:`rumus.gpu._fusion.Chain`.

    Attributes:
        variant: How the product is made.
        words: Its params.
        groups: Its workgroups.
        tail: The operations. Their first operand is the product.
    """

    variant: Variant
    words: tuple[int, ...]
    groups: tuple[int, int]
    tail: ElementwiseChain

    exact = False

    @classmethod
    def of(
        cls, variant: Variant, words: Sequence[int], groups: tuple[int, int], result: GpuArray
    ) -> ProductChain:
        """A product alone."""
        product = View.of(result)
        same = Step("cast", (0,), product.dtype, product.dtype)
        tail = ElementwiseChain((product,), (same,), result.shape)
        return cls(variant, tuple(words), groups, tail)

    def then(self, consumer: object, position: int) -> ProductChain | None:
        """The product with further operations; rows that are no whole vectors take none."""
        tail = self.tail.then(consumer, position) if self.variant.c_vectors else None
        return None if tail is None else replace(self, tail=tail)

    def prepare(self) -> tuple[Pipeline, bytes, tuple[int, int, int]]:
        """The pipeline, params and workgroups."""
        inputs, rank, words = self.tail.laid_out(given=0)
        pipeline = product_pipeline(self.variant, Tail(inputs, self.tail.steps, rank))
        return pipeline, PARAMS.pack(*self.words) + words, (*self.groups, 1)
