"""Attention, composed of products and softmax over the matrix of weights."""

from __future__ import annotations

import math
from typing import Any

from rumus._backends.contract.attention import AttentionRule
from rumus._core.dtypes import float32

from .base import Recording


class Attention(Recording):
    """The family's part of the recorder."""

    def attention_backward(
        self,
        grad: Any,
        q: Any,
        k: Any,
        v: Any,
        mask: Any,
        state: Any,
        output: Any,
        normalisers: Any,
        rule: AttentionRule,
    ) -> tuple[Any, Any, Any]:
        be: Any = self
        key_heads = self.tensor(k).shape[1]
        grad, q, k, v = self._alike(grad, q, k, v)
        kept, slope = self._slopes(grad, (q, k, v), mask, state, normalisers, rule)
        slope = be.elementwise("mul", slope, rule.scale)
        return (
            be.matmul(slope, k),
            self._joined(be.matmul(_turned(be, slope), q), key_heads),
            self._joined(be.matmul(_turned(be, kept), grad), key_heads),
        )

    def attention_mask_gradient(
        self,
        grad: Any,
        q: Any,
        k: Any,
        v: Any,
        mask: Any,
        state: Any,
        output: Any,
        normalisers: Any,
        rule: AttentionRule,
    ) -> Any:
        be: Any = self
        grad, q, k, v = self._alike(grad, q, k, v)
        slope = self._slopes(grad, (q, k, v), mask, state, normalisers, rule)[1]
        shape = self.tensor(mask).shape
        whole = (1,) * (4 - len(shape)) + shape
        axes = tuple(axis for axis, n in enumerate(whole) if n == 1)
        return be.reshape(be.reduce("sum", slope, axes, True) if axes else slope, shape)

    def _alike(self, grad: Any, q: Any, k: Any, v: Any) -> tuple[Any, Any, Any, Any]:
        """The four in float32, with as many heads of keys and values as of queries."""
        grad, q, k, v = (self._wide(a) for a in (grad, q, k, v))
        return grad, q, self._repeated(k, q.shape[1]), self._repeated(v, q.shape[1])

    def _slopes(
        self,
        grad: Any,
        parts: tuple[Any, Any, Any],
        mask: Any,
        state: Any,
        normalisers: Any,
        rule: AttentionRule,
    ) -> tuple[Any, Any]:
        """Weights after dropout, and the gradients of scores."""
        be: Any = self
        q, k, v = parts
        p = self._weights(be.matmul(q, _turned(be, k)), mask, normalisers, rule)
        slope = be.matmul(grad, _turned(be, v))
        kept = p
        if state is not None:
            factors = self.tensor(self.primitives.kept_weights(self.array(state), p.shape, rule))
            kept, slope = (be.elementwise("mul", a, factors) for a in (p, slope))
        delta = be.reduce("sum", be.elementwise("mul", slope, p), (3,), True)
        return kept, be.elementwise("mul", p, be.elementwise("sub", slope, delta))

    def packed_attention_backward(self, *given: Any) -> Any:
        be: Any = self
        return be.cat([be.permute(a, (0, 2, 1, 3)) for a in self.attention_backward(*given)], 2)

    def _wide(self, a: Any) -> Any:
        be: Any = self
        a = self.tensor(a)
        return a if a.dtype == float32 else be.elementwise("cast", a, dtype=float32)

    def _weights(self, products: Any, mask: Any, normalisers: Any, rule: AttentionRule) -> Any:
        """The softmax of scores, 0 in the rows that see no key."""
        be: Any = self
        scores = be.elementwise("mul", products, rule.scale)
        shape = scores.shape
        if mask is not None:
            mask = self.tensor(mask)
            bools = mask.dtype.kind == "b"
            scores = (
                be.elementwise("where", mask, scores, -math.inf)
                if bools
                else be.elementwise("add", scores, mask)
            )
        if rule.causal:
            triangle = self.tensor(self.primitives.causal_mask(shape[2], shape[3], 0))
            scores = be.elementwise("where", triangle, scores, -math.inf)
        sums = be.reshape(self.tensor(normalisers), (*shape[:3], 1))
        seeing = be.elementwise("lt", sums, 3e38)
        scores = be.elementwise("where", seeing, scores, 0.0)
        p = be.softmax(be.reshape(scores, (math.prod(shape[:3]), shape[3])), False)
        return be.elementwise("where", seeing, be.reshape(p, shape), 0.0)

    def _repeated(self, a: Any, heads: int) -> Any:
        """Keys or values, as often as query heads share them."""
        be: Any = self
        batch, own, length, size = a.shape
        if own == heads:
            return a
        apart = be.reshape(a, (batch, own, 1, length, size))
        shape = batch, own, heads // own, length, size
        return be.reshape(be.expand(apart, shape), (batch, heads, length, size))

    def _joined(self, a: Any, heads: int) -> Any:
        """Gradients of the query heads that share a key head, added up."""
        be: Any = self
        batch, own, length, size = a.shape
        if own == heads:
            return a
        apart = be.reshape(a, (batch, heads, own // heads, length, size))
        return be.reduce("sum", apart, (2,), False)


def _turned(be: Any, a: Any) -> Any:
    return be.permute(a, (0, 1, 3, 2))
