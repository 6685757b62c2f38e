"""Products in captured steps: what is computed from them goes into their kernel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from rumus.gpu import GpuArray, Pipeline

from .elementwise_source import Step
from .fusion import ElementwiseChain, View
from .matmul_source import Tail


@dataclass(frozen=True)
class ProductChain:
    """A product and elementwise operations on its result; see :class:`rumus.gpu._fusion.Chain`.

    Attributes:
        pipeline: Makes the product's kernel, which goes on with a tail.
        params: Its own part of the uniform block.
        groups: Its workgroups.
        joins: Whether it takes a tail: four neighbours of a row must be a vector of the result.
        tail: The operations. Their first operand is the product.
    """

    pipeline: Callable[[Tail], Pipeline]
    params: bytes
    groups: tuple[int, int]
    joins: bool
    tail: ElementwiseChain

    exact = False

    @property
    def sealed(self) -> bool:
        """See :class:`rumus.gpu._fusion.Chain`."""
        return self.tail.sealed

    @classmethod
    def of(
        cls,
        pipeline: Callable[[Tail], Pipeline],
        params: bytes,
        groups: tuple[int, int],
        joins: bool,
        result: GpuArray,
    ) -> ProductChain:
        """A product alone."""
        product = View.of(result)
        same = Step("cast", (0,), product.dtype, product.dtype)
        tail = ElementwiseChain((product,), (same,), result.shape)
        return cls(pipeline, params, groups, joins, tail)

    def then(self, consumer: object, position: int) -> ProductChain | None:
        """The product with further operations."""
        tail = self.tail.then(consumer, position) if self.joins else None
        return None if tail is None else replace(self, tail=tail)

    def prepare(self) -> tuple[Pipeline, bytes, tuple[int, int, int]]:
        """The pipeline, params and workgroups."""
        inputs, rank, words = self.tail.laid_out(given=0)
        pipeline = self.pipeline(Tail(inputs, self.tail.steps, rank))
        return pipeline, self.params + words, (*self.groups, 1)
