"""Random numbers written into a tensor."""

from __future__ import annotations

from typing import Any

from rumus._backends.generator import Generator, default_generator
from rumus._backends.registry import backend_of
from rumus._core.base import TensorT
from rumus._core.errors import ArgumentError

from ._mutation import Mutation
from ._operand import apply


class Drawing(Mutation[TensorT]):
    """Changes in place that draw, by the rules of every such change.

    A ``generator`` is what the numbers are drawn from, by default what ``manual_seed`` starts.
    """

    __slots__ = ()

    def uniform_(
        self, low: float = 0.0, high: float = 1.0, generator: Generator | None = None
    ) -> TensorT:
        """Numbers of which all from ``low`` to before ``high`` are equally likely.

        Example:
            >>> bool((zeros(3).uniform_(2.0, 3.0) >= 2.0).all())
            True
        """
        scaled = apply("mul", self._fresh("uniform", generator), high - low)
        return self.copy_(apply("add", scaled, low))

    def normal_(
        self, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None
    ) -> TensorT:
        """Numbers of a normal distribution.

        Example:
            >>> zeros(3).normal_(5.0, 0.1).round().tolist()
            [5.0, 5.0, 5.0]
        """
        scaled = apply("mul", self._fresh("normal", generator), std)
        return self.copy_(apply("add", scaled, mean))

    def bernoulli_(self, p: float = 0.5, generator: Generator | None = None) -> TensorT:
        """1 with probability ``p``, else 0.

        Raises:
            ArgumentError: ``p`` is no probability.

        Example:
            >>> zeros(3).bernoulli_(1.0).tolist()
            [1.0, 1.0, 1.0]
        """
        if not 0 <= p <= 1:
            raise ArgumentError(f"bernoulli_: p is a probability from 0 to 1, not {p}")
        return self.copy_(apply("lt", self._fresh("uniform", generator), p))

    def _fresh(self, kind: str, generator: Generator | None) -> Any:
        be = backend_of(self._device)
        return self._wrap(be.random(kind, self.shape, generator or default_generator), self._device)
