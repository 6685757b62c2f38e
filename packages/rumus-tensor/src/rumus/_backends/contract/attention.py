"""Attention: products of weights, which are a softmax of scores, with values."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from rumus._backends.generator import Generator
from rumus._core.shapes import Shape

from .kinds import A


class AttentionRule(NamedTuple):
    """How queries look at keys."""

    scale: float
    """What the products of queries and keys are multiplied by."""
    causal: bool
    """Whether query i looks at the keys up to i alone."""
    dropout: float = 0.0
    """The probability that a weight is made zero; the others are divided by what is left."""


class Attention(Protocol[A]):
    """Attention of (batch, heads, length, size) arrays, without a matrix of weights in memory.

    Keys and values may have fewer heads than queries, each for as many neighbouring query heads. A
    mask broadcasts to (batch, query heads, queries, keys): bool where a key takes part, or floats
    that are added to the scores. Queries without any key give zeros.
    """

    def dropout_state(self, generator: Generator) -> A:
        """What a call of :meth:`attention` and its gradients draw the same dropout from.

        As of :meth:`random`, element i of the uniform numbers of shape
        (batch, query heads, queries, keys) decides about weight i, with i modulo 2**32.
        """
        ...

    def kept_weights(self, state: A, shape: Shape, rule: AttentionRule) -> A:
        """What dropout multiplies weights of shape (batch, query heads, queries, keys) by."""
        ...

    def causal_mask(self, queries: int, keys: int, offset: int) -> A:
        """Bools of shape (queries, keys), true where key <= query + offset."""
        ...

    def attention(
        self, q: A, k: A, v: A, mask: A | None, state: A | None, rule: AttentionRule
    ) -> tuple[A, A]:
        """``softmax(scale * q @ k.T + mask) @ v``, and the logarithms of the sums of exponentials.

        The result lies in memory as (batch, queries, heads, size); the logarithms are float32 of
        shape (batch, heads, queries), and are handed to the gradients as they are.
        """
        ...

    def attention_backward(
        self,
        grad: A,
        q: A,
        k: A,
        v: A,
        mask: A | None,
        state: A | None,
        output: A,
        normalisers: A,
        rule: AttentionRule,
    ) -> tuple[A, A, A]:
        """Gradients of :meth:`attention` for ``q``, ``k`` and ``v``, in float32."""
        ...

    def attention_mask_gradient(
        self,
        grad: A,
        q: A,
        k: A,
        v: A,
        mask: A,
        state: A | None,
        output: A,
        normalisers: A,
        rule: AttentionRule,
    ) -> A:
        """The gradient of :meth:`attention` for an added mask, in float32 and the mask's shape."""
        ...

    def packed_attention_backward(
        self,
        grad: A,
        q: A,
        k: A,
        v: A,
        mask: A | None,
        state: A | None,
        output: A,
        normalisers: A,
        rule: AttentionRule,
    ) -> A:
        """The same side by side: (batch, length, heads of q, k and v, size), of equal lengths."""
        ...
