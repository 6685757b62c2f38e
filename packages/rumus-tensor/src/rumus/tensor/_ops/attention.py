"""Attention of (batch, heads, length, size) arrays."""

from __future__ import annotations

from typing import Any

from rumus._backends.contract import Backend
from rumus._backends.contract.attention import AttentionRule
from rumus._backends.generator import Generator
from rumus.autograd._function import Function


class Attention(Function):
    """``softmax(scale * q @ k.T + mask) @ v``, without a matrix of weights in memory.

    Args:
        rule: How queries look at keys.
        generator: Where dropout is drawn from.
    """

    name = "scaled_dot_product_attention"
    saves: tuple[int, ...] = (0, 1, 2)
    saves_output = True

    def __init__(self, rule: AttentionRule, generator: Generator) -> None:
        self.rule, self.generator = rule, generator

    def forward(self, be: Backend[Any], *arrays: Any) -> Any:
        """Of queries, keys, values and maybe a mask."""
        q, k, v, mask = (*arrays, None)[:4]
        if mask is not None:
            self.saves = (0, 1, 2, 3)
        self.state = be.dropout_state(self.generator) if self.rule.dropout else None
        output, self.normalisers = be.attention(q, k, v, mask, self.state, self.rule)
        return output

    def backward(self, be: Backend[Any], grad: Any) -> tuple[Any | None, ...]:
        """Weights are made again from the sums of their rows."""
        q, k, v, mask = (*self.saved, None)[:4]
        rest = self.state, self.output, self.normalisers, self.rule
        into = be.attention_backward(grad, q, k, v, mask, *rest)
        return (*into, *self._mask_gradient(be, grad, (q, k, v), mask))

    def _mask_gradient(
        self, be: Backend[Any], grad: Any, parts: tuple[Any, Any, Any], mask: Any
    ) -> tuple[Any | None, ...]:
        """Of the mask, if there is one, and if it wants any."""
        if mask is None:
            return ()
        if not self.wanted[-1]:
            return (None,)
        rest = self.state, self.output, self.normalisers, self.rule
        return (be.attention_mask_gradient(grad, *parts, mask, *rest),)


class PackedAttention(Attention):
    """The same of one array (batch, length, heads of q, k and v, size), as one product makes it."""

    saves: tuple[int, ...] = (0,)

    def __init__(self, rule: AttentionRule, generator: Generator, key_heads: int) -> None:
        super().__init__(rule, generator)
        self.key_heads = key_heads

    def forward(self, be: Backend[Any], *arrays: Any) -> Any:
        """Of the packed array and maybe a mask."""
        packed, mask = (*arrays, None)[:2]
        if mask is not None:
            self.saves = (0, 1)
        self.state = be.dropout_state(self.generator) if self.rule.dropout else None
        parts = self._parts(be, packed)
        output, self.normalisers = be.attention(*parts, mask, self.state, self.rule)
        return output

    def backward(self, be: Backend[Any], grad: Any) -> tuple[Any | None, ...]:
        """The three gradients side by side."""
        packed, mask = (*self.saved, None)[:2]
        rest = self.state, self.output, self.normalisers, self.rule
        parts = self._parts(be, packed)
        into = be.packed_attention_backward(grad, *parts, mask, *rest)
        return (into, *self._mask_gradient(be, grad, parts, mask))

    def _parts(self, be: Backend[Any], packed: Any) -> tuple[Any, Any, Any]:
        """Views of queries, keys and values, heads before length."""
        batch, length, heads, size = packed.shape
        ends = heads - 2 * self.key_heads, heads - self.key_heads, heads
        whole = slice(0, batch, 1), slice(0, length, 1)
        parts = []
        start = 0
        for end in ends:
            part = be.slice(packed, (*whole, slice(start, end, 1), slice(0, size, 1)))
            parts.append(be.permute(part, (0, 2, 1, 3)))
            start = end
        return parts[0], parts[1], parts[2]
