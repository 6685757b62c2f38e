"""Scaled dot-product attention."""

from __future__ import annotations

import math

from rumus._backends.contract.attention import AttentionRule
from rumus._backends.generator import Generator, default_generator
from rumus._backends.registry import backend_of
from rumus._core.base import TensorBase
from rumus._core.described import type_name
from rumus._core.devices import CPU, Device
from rumus._core.dtypes import bool_, float32, is_float
from rumus._core.errors import ArgumentError, DTypeError, ShapeError
from rumus._core.shapes import Shape, broadcast_shape
from rumus.tensor._joining import where
from rumus.tensor._ops.attention import Attention, PackedAttention
from rumus.tensor._ops.movement import Expand, Reshape
from rumus.tensor._ops.random import Dropout
from rumus.tensor._tensor import Tensor

_NAME = "scaled_dot_product_attention"


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
    *,
    generator: Generator = default_generator,
) -> Tensor:
    """``softmax(scale * query @ key.T + mask) @ value`` (Vaswani et al., arXiv:1706.03762).

    The weights are made block by block, forward and backward (Dao et al., arXiv:2205.14135): memory
    grows with the length and not with its square.

    Queries that no key takes part for give zeros, as in PyTorch.

    Args:
        query: Floats of shape (…, heads, L, E); the axes in front broadcast.
        key: Of shape (…, heads, S, E).
        value: Of shape (…, heads, S, Ev).
        attn_mask: Broadcasts to (…, heads, L, S): of bool, true where a key takes part, or floats
            that are added to the scores.
        dropout_p: The probability that a weight is made zero; the others grow by 1 / (1 - p). The
            same seed gives the same weights as :class:`rumus.nn.Dropout` on the matrix of weights.
        is_causal: Whether query i looks at keys 0 to i alone.
        scale: By default 1 / sqrt(E).
        enable_gqa: Whether key and value may have fewer heads than the query: a divisor of them,
            each for neighbouring query heads (Ainslie et al., arXiv:2305.13245).
        generator: Where dropout is drawn from; by default the one of ``manual_seed``.

    Returns:
        Of shape (…, heads, L, Ev). In memory the heads lie side by side, so that
        ``.transpose(-3, -2).flatten(-2)`` moves nothing.

    Raises:
        ShapeError: The shapes do not fit.
        DTypeError: Not all are floats of one dtype, or the mask is neither bool nor that dtype.
        ArgumentError: A mask is given and ``is_causal`` set, or ``dropout_p`` is out of range.

    Example:
        >>> from rumus.tensor import randn
        >>> q, k, v = randn((2, 4, 10, 8)), randn((2, 2, 10, 8)), randn((2, 2, 10, 8))
        >>> scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True).shape
        (2, 4, 10, 8)
    """
    _check_dtypes(query, key, value, attn_mask)
    if attn_mask is not None and is_causal:
        raise ArgumentError(
            f"{_NAME} takes attn_mask or is_causal, not both; make the mask causal with "
            "causal_mask(L, S)"
        )
    rule = attention_rule(query.shape, dropout_p, is_causal, scale)
    lead = _lead(query.shape, key.shape, value.shape, enable_gqa)
    q = _four_axes(query, (*lead, *query.shape[-2:]))
    shared = (*lead[:-1], key.shape[-3]) if enable_gqa and lead else lead
    k, v = (_four_axes(part, (*shared, *part.shape[-2:])) for part in (key, value))
    mask = _mask(attn_mask, (*lead, query.shape[-2], key.shape[-2]))
    sizes = query.shape[-1], value.shape[-1]
    if not min(sizes):
        result = times_values(weights_of(q, k, mask, rule, generator), v)
    else:
        inputs = (q, k, v) if mask is None else (q, k, v, mask)
        result = Attention(rule, generator)(*inputs)
    shape = (*lead, query.shape[-2], value.shape[-1])
    return result if result.shape == shape else Reshape(shape)(result)


def packed_attention(
    packed: Tensor,
    heads: int,
    key_heads: int | None = None,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    *,
    generator: Generator = default_generator,
) -> Tensor:
    """Self-attention of what one product makes of a sequence; nothing is moved in between.

    As :func:`scaled_dot_product_attention` of its three parts, and their gradients are written side
    by side, too.

    Args:
        packed: Floats of shape (batch, length, (heads + 2 * key_heads) * size): all queries, then
            all keys, then all values of a position.
        heads: Of the queries.
        key_heads: Of keys and of values; by default as many.
        attn_mask: Broadcasts to (batch, heads, length, length).
        dropout_p: The probability that a weight is made zero.
        is_causal: Whether position i looks at positions 0 to i alone.
        scale: By default 1 / sqrt(size).
        generator: Where dropout is drawn from.

    Returns:
        Of shape (batch, length, heads * size).

    Raises:
        ShapeError: The last axis is no multiple of all heads, or the mask does not fit.
        ArgumentError: As there.

    Example:
        >>> from rumus.tensor import randn
        >>> packed_attention(randn((2, 10, 3 * 4 * 8)), heads=4, is_causal=True).shape
        (2, 10, 32)
    """
    _check_dtypes(packed, packed, packed, attn_mask)
    if attn_mask is not None and is_causal:
        raise ArgumentError("packed_attention takes attn_mask or is_causal, not both")
    shared = heads if key_heads is None else key_heads
    lines = heads + 2 * shared
    if packed.ndim != 3 or shared < 1 or heads % shared or packed.shape[2] % lines:
        raise ShapeError(
            f"packed_attention takes (batch, length, ({heads} + 2 * {shared}) * size), with heads "
            f"a multiple of key_heads, not {packed.shape}"
        )
    batch, length, width = packed.shape
    size = width // lines
    together = Reshape((batch, length, lines, size))(packed)
    mask = _mask(attn_mask, (batch, heads, length, length))
    if not size:
        parts = together.transpose(1, 2)
        q, k, v = parts[:, :heads], parts[:, heads : heads + shared], parts[:, heads + shared :]
        result = scaled_dot_product_attention(
            q, k, v, mask, dropout_p, is_causal, scale, shared != heads, generator=generator
        )
    else:
        rule = attention_rule((size,), dropout_p, is_causal, scale)
        inputs = (together,) if mask is None else (together, mask)
        result = PackedAttention(rule, generator, shared)(*inputs)
    return Reshape((batch, length, heads * size))(result.transpose(1, 2))


def causal_mask(queries: int, keys: int | None = None, like: TensorBase | None = None) -> Tensor:
    """True where a query may look at a key: the last one at all, each one before at one less.

    With as many keys as queries that is j <= i. With more, the queries are the last ones of the
    sequence, as when keys of earlier calls are kept.

    Args:
        queries: How many.
        keys: How many; by default as many.
        like: A tensor on the device that the mask is for; by default the CPU.

    Example:
        >>> causal_mask(2, 3).tolist()
        [[True, True, False], [True, True, True]]
    """
    keys = queries if keys is None else keys
    device = CPU if like is None else like.device
    return triangle(queries, keys, keys - queries, device)


def triangle(queries: int, keys: int, offset: int, device: Device) -> Tensor:
    """True where key <= query + offset."""
    return Tensor._wrap(backend_of(device).causal_mask(queries, keys, offset), device)


def weights_of(
    q: Tensor, k: Tensor, mask: Tensor | None, rule: AttentionRule, generator: Generator
) -> Tensor:
    """The matrix of weights, float32 of shape (batch, heads, queries, keys), after dropout."""
    heads, keys = q.shape[1], k.shape[2]
    k = _repeated(k.to(float32), heads)
    scores = (q.to(float32) @ k.transpose()) * rule.scale
    if mask is not None and mask.dtype == bool_:
        scores = where(mask, scores, -math.inf)
    elif mask is not None:
        scores = scores + mask.to(float32)
    if rule.causal:
        scores = where(triangle(q.shape[2], keys, 0, q.device), scores, -math.inf)
    if not keys:
        return scores
    empty = scores.detach().max(-1, keepdims=True) == -math.inf
    weights = where(empty, 0.0, where(empty, 0.0, scores).softmax(-1))
    return Dropout(rule.dropout, generator)(weights) if rule.dropout else weights


def times_values(weights: Tensor, v: Tensor) -> Tensor:
    """Sums of values by weights, in the values' dtype."""
    return (weights @ _repeated(v.to(float32), weights.shape[1])).to(v.dtype)


def _repeated(part: Tensor, heads: int) -> Tensor:
    """Each head of keys or values as often as query heads share it."""
    batch, own, length, size = part.shape
    if own == heads:
        return part
    shape = batch, own, heads // own, length, size
    return Reshape((batch, heads, length, size))(Expand(shape)(part.unsqueeze(2)))


def attention_rule(
    shape: Shape, dropout_p: float, is_causal: bool, scale: float | None
) -> AttentionRule:
    """How queries of a shape look at keys, with the options in their ranges."""
    if not 0.0 <= dropout_p < 1.0:
        raise ArgumentError(f"{_NAME}: dropout_p is from 0 to below 1, not {dropout_p}")
    chosen = 1.0 / math.sqrt(max(shape[-1], 1)) if scale is None else float(scale)
    return AttentionRule(chosen, bool(is_causal), float(dropout_p))


def _check_dtypes(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> None:
    for name, given in (("query", query), ("key", key), ("value", value), ("attn_mask", mask)):
        if given is not None and not isinstance(given, TensorBase):
            raise DTypeError(f"{_NAME} takes tensors; {name} is a {type_name(given)}")
    if not is_float(query.dtype) or not query.dtype == key.dtype == value.dtype:
        raise DTypeError(
            f"{_NAME} takes floats of one dtype, not {query.dtype}, {key.dtype} and {value.dtype}; "
            "convert with .to(dtype)"
        )
    if mask is not None and mask.dtype not in (bool_, float32, query.dtype):
        raise DTypeError(
            f"{_NAME}: a mask is bool (true where a key takes part) or floats to add to "
            f"the scores, not {mask.dtype}"
        )


def _lead(query: Shape, key: Shape, value: Shape, grouped: bool) -> Shape:
    """The axes in front of the last two, of the queries, if everything fits."""
    shapes = f"query {query}, key {key} and value {value}"
    if min(len(query), len(key), len(value)) < 2 + grouped:
        wanted = "(…, heads, length, size)" if grouped else "(…, length, size)"
        raise ShapeError(f"{_NAME} takes {wanted}, not {shapes}")
    if query[-1] != key[-1]:
        raise ShapeError(f"{_NAME}: query and key end in one size, not in those of {shapes}")
    if key[-2] != value[-2]:
        raise ShapeError(f"{_NAME}: there is a value for each key, not {shapes}")
    if not grouped:
        return broadcast_shape(f"{_NAME} of {shapes}", query[:-2], key[:-2], value[:-2])
    if key[-3] != value[-3] or not key[-3] or query[-3] % key[-3]:
        raise ShapeError(
            f"{_NAME} with enable_gqa: heads of key and value are equal and divide those of the "
            f"query, not {shapes}"
        )
    batch = broadcast_shape(f"{_NAME} of {shapes}", query[:-3], key[:-3], value[:-3])
    return (*batch, query[-3])


def _four_axes(part: Tensor, shape: Shape) -> Tensor:
    """Broadcast, and with the axes in front as a batch and heads."""
    part = part if part.shape == shape else Expand(shape)(part)
    if len(shape) == 4:
        return part
    front = shape[:-2]
    lines = front[-1] if front else 1
    return Reshape((math.prod(front[:-1]), lines, *shape[-2:]))(part)


def _mask(mask: Tensor | None, shape: Shape) -> Tensor | None:
    """A mask that broadcasts to (batch, heads, queries, keys)."""
    if mask is None:
        return None
    if broadcast_shape(f"{_NAME}: mask of {mask.shape}", mask.shape, shape) != shape:
        raise ShapeError(f"{_NAME}: a mask broadcasts to {shape}, which {mask.shape} does not")
    if len(shape) <= 4:
        return mask
    return _four_axes(mask, shape)
