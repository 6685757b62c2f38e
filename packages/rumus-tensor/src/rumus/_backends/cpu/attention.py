"""Attention, some heads and some queries at a time, by numpy's BLAS.

Arrays of queries are seen as (batch, key heads, query heads of each, length, size) here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rumus._backends.contract.attention import AttentionRule
from rumus._backends.generator import Generator, threefry2x32
from rumus._core.shapes import Shape
from rumus._core.threads import blas_threads

Array = npt.NDArray[Any]

BLOCK = 1 << 19
"""Scores at a time."""
_FEWEST = 16
"""Queries of a block, even where their scores are more than that."""
_MASK = 0xFFFFFFFF


def attention(
    q: Array, k: Array, v: Array, mask: Array | None, state: Array | None, rule: AttentionRule
) -> tuple[Array, Array]:
    """Weighted means of ``v``, and the logarithms of the sums of exponentials."""
    batches, heads, queries, _ = q.shape
    output = np.empty((batches, queries, heads, v.shape[3]), np.float32).transpose(0, 2, 1, 3)
    normalisers = np.empty((batches, heads, queries), np.float32)
    given = _Given(q, k, v, mask, state, rule)
    into, sums = given.grouped(output), given.grouped(normalisers[..., None])
    with np.errstate(all="ignore"), blas_threads(2 * q.size * k.shape[2]):
        for at in given.blocks():
            scores = given.scores(at)
            top = scores.max(axis=-1, keepdims=True, initial=-np.inf)
            top[top == -np.inf] = 0
            scores -= top
            weights = np.exp(scores, out=scores)
            total = weights.sum(axis=-1, keepdims=True)
            sums[at.rows] = np.where(total == 0, np.inf, top + np.log(total))
            if rule.dropout:
                weights *= given.kept(at)
            total[total == 0] = 1
            into[at.rows] = _times(weights, given.v[at.keys]) / total
    return output.astype(q.dtype, copy=False), normalisers


def write_gradients(
    grad: Array, given: _Given, output: Array, normalisers: Array, into: tuple[Array, Array, Array]
) -> None:
    """The gradients of :func:`attention`, written into arrays of float32."""
    into_q, into_k, into_v = into
    into_k[...] = into_v[...] = 0
    into_q = given.grouped(into_q)
    grads, outputs, sums = (given.grouped(a) for a in (grad, output, normalisers[..., None]))
    with np.errstate(all="ignore"), blas_threads(2 * given.q.size * given.k.shape[2]):
        for at in given.blocks():
            g = grads[at.rows].astype(np.float32, copy=False)
            weights, slope = given.slopes(at, g, outputs, sums)
            into_v[at.keys] += _across(weights, g)
            into_q[at.rows] = _times(slope, given.k[at.keys]) * np.float32(given.rule.scale)
            into_k[at.keys] += _across(slope, given.q[at.rows])


def attention_mask_gradient(
    grad: Array,
    q: Array,
    k: Array,
    v: Array,
    mask: Array,
    state: Array | None,
    output: Array,
    normalisers: Array,
    rule: AttentionRule,
) -> Array:
    """The sums of the slopes of all scores that an element was added to."""
    given = _Given(q, k, v, mask, state, rule)
    into = np.zeros((1,) * (4 - mask.ndim) + mask.shape, np.float32)
    lines = given.grouped_mask(into)
    grads, outputs, sums = (given.grouped(a) for a in (grad, output, normalisers[..., None]))
    with np.errstate(all="ignore"), blas_threads(2 * q.size * k.shape[2]):
        for at in given.blocks():
            g = grads[at.rows].astype(np.float32, copy=False)
            slope = given.slopes(at, g, outputs, sums)[1]
            places = (*at.rows, slice(0, at.end))
            own = tuple(
                slice(None) if n == 1 else place
                for n, place in zip(lines.shape, places, strict=True)
            )
            axes = tuple(axis for axis, n in enumerate(lines.shape) if n == 1)
            lines[own] += slope.sum(axis=axes, keepdims=True)
    return into.reshape(mask.shape)


class _Block(NamedTuple):
    """Some heads of some batches, some of their queries, and the keys that these look at."""

    batches: slice
    heads: slice
    queries: slice
    end: int

    @property
    def rows(self) -> tuple[slice, ...]:
        """The block's part of what there is for each query."""
        return self.batches, self.heads, slice(None), self.queries

    @property
    def keys(self) -> tuple[slice, ...]:
        """The block's part of keys or values."""
        return self.batches, self.heads, slice(0, self.end)


class _Given:
    """What attention is computed of."""

    def __init__(
        self,
        q: Array,
        k: Array,
        v: Array,
        mask: Array | None,
        state: Array | None,
        rule: AttentionRule,
    ) -> None:
        self.key_heads = k.shape[1]
        self.shape = (*q.shape[:3], k.shape[2])
        self.k, self.v = (a.astype(np.float32, copy=False) for a in (k, v))
        self.q = self.grouped(np.multiply(q, rule.scale, dtype=np.float32))
        """Queries, which are scaled, for they are fewer numbers than scores."""
        self.mask = None if mask is None else self.grouped(np.broadcast_to(mask, self.shape))
        self.state, self.rule = state, rule

    def grouped(self, a: Array) -> Array:
        """A view of an array of query heads, with the heads of a key head on an axis."""
        return a.reshape(a.shape[0], self.key_heads, a.shape[1] // self.key_heads, *a.shape[2:])

    def grouped_mask(self, mask: Array) -> Array:
        """The same of an array that broadcasts over heads, or has all of them."""
        if mask.shape[1] == 1:
            return mask[:, :, None]
        return self.grouped(mask)

    def blocks(self) -> Iterator[_Block]:
        """All queries, as many at a time as make a block of scores."""
        batches, heads, queries, keys = self.shape
        shared = heads // self.key_heads
        rows = max(min(_FEWEST, queries), min(queries, BLOCK // max(shared * keys, 1)))
        several = max(1, BLOCK // max(shared * keys * rows, 1))
        lines = min(several, self.key_heads)
        samples = max(1, several // self.key_heads)
        for batch in range(0, batches, samples):
            for head in range(0, self.key_heads, lines):
                for row in range(0, queries, max(rows, 1)):
                    last = min(row + rows, queries)
                    yield _Block(
                        slice(batch, batch + samples),
                        slice(head, head + lines),
                        slice(row, last),
                        min(last, keys) if self.rule.causal else keys,
                    )

    def scores(self, at: _Block) -> Array:
        """Scores of a block, minus infinity where a key takes no part."""
        scores = _times(self.q[at.rows], self.k[at.keys].swapaxes(-1, -2))
        if self.mask is not None:
            mask = self.mask[at.rows][..., : at.end]
            if mask.dtype == np.bool_:
                np.copyto(scores, -np.inf, where=~mask)
            else:
                scores += mask
        if self.rule.causal:
            first = min(at.queries.start + 1, at.end)
            queries = np.arange(at.queries.start, at.queries.stop)
            later = np.arange(first, at.end) > queries[:, None]
            np.copyto(scores[..., first:], -np.inf, where=later)
        return scores

    def slopes(self, at: _Block, grad: Array, outputs: Array, sums: Array) -> tuple[Array, Array]:
        """Weights of a block after dropout, and the gradients of its scores."""
        weights = self.scores(at)
        weights -= sums[at.rows]
        np.exp(weights, out=weights)
        delta = (grad * outputs[at.rows]).sum(axis=-1, keepdims=True)
        slope = _times(grad, self.v[at.keys].swapaxes(-1, -2))
        if not self.rule.dropout:
            slope -= delta
            slope *= weights
            return weights, slope
        kept = self.kept(at)
        slope *= kept
        slope -= delta
        slope *= weights
        return weights * kept, slope

    def kept(self, at: _Block) -> Array:
        """What dropout multiplies the weights of a block by."""
        assert self.state is not None
        batches, heads, queries, keys = self.shape
        lines = self.grouped(np.arange(batches * heads, dtype=np.uint32).reshape(batches, heads))
        own: Array = np.arange(at.queries.start, at.queries.stop, dtype=np.uint32)
        rows: Array = lines[at.rows[:3]][..., None] * np.uint32(queries) + own
        index: Array = rows[..., None] * np.uint32(keys) + np.arange(at.end, dtype=np.uint32)
        return _kept(self.state, index, self.rule.dropout)


def _kept(state: Array, index: Array, dropout: float) -> Array:
    """What the weights of some indices among all are multiplied by."""
    seed, position = int(state[0]) | int(state[1]) << 32, int(state[2])
    first, second = threefry2x32((seed & _MASK, seed >> 32), index >> np.uint32(1), position)
    words: Array = np.where(index & np.uint32(1), second, first)
    uniform = (words >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24)
    return np.asarray((uniform >= np.float32(dropout)) * np.float32(1.0 / (1.0 - dropout)))


def _times(a: Array, b: Array) -> Array:
    """Rows of all query heads times the matrix of their key head."""
    shape = a.shape
    rows = a.reshape(*shape[:2], shape[2] * shape[3], shape[4])
    return np.asarray(np.matmul(rows, b).reshape(*shape[:4], b.shape[-1]))


def _across(a: Array, b: Array) -> Array:
    """Sums over the rows of all query heads of a key head."""
    count = a.shape[2] * a.shape[3]
    a, b = (x.reshape(*x.shape[:2], count, x.shape[4]) for x in (a, b))
    return np.asarray(np.matmul(a.swapaxes(-1, -2), b))


class Attention:
    """The family's part of the backend."""

    attention = staticmethod(attention)
    attention_mask_gradient = staticmethod(attention_mask_gradient)

    def causal_mask(self, queries: int, keys: int, offset: int) -> Array:
        return np.tri(queries, keys, offset, dtype=np.bool_)

    def kept_weights(self, state: Array, shape: Shape, rule: AttentionRule) -> Array:
        index: Array = np.arange(math.prod(shape), dtype=np.uint32).reshape(shape)
        return _kept(state, index, rule.dropout)

    def dropout_state(self, generator: Generator) -> Array:
        seed, position = generator.next()
        return np.array([seed & _MASK, seed >> 32, position, 0], np.uint32)

    def attention_backward(
        self,
        grad: Array,
        q: Array,
        k: Array,
        v: Array,
        mask: Array | None,
        state: Array | None,
        output: Array,
        normalisers: Array,
        rule: AttentionRule,
    ) -> tuple[Array, Array, Array]:
        into_q, into_k, into_v = (np.empty(a.shape, np.float32) for a in (q, k, v))
        given = _Given(q, k, v, mask, state, rule)
        write_gradients(grad, given, output, normalisers, (into_q, into_k, into_v))
        return into_q, into_k, into_v

    def packed_attention_backward(
        self,
        grad: Array,
        q: Array,
        k: Array,
        v: Array,
        mask: Array | None,
        state: Array | None,
        output: Array,
        normalisers: Array,
        rule: AttentionRule,
    ) -> Array:
        (batches, heads, length, size), shared = q.shape, k.shape[1]
        packed = np.empty((batches, length, heads + 2 * shared, size), np.float32)
        lines = packed.transpose(0, 2, 1, 3)
        into = lines[:, :heads], lines[:, heads : heads + shared], lines[:, heads + shared :]
        given = _Given(q, k, v, mask, state, rule)
        write_gradients(grad, given, output, normalisers, into)
        return packed
