"""Multi-head attention."""

from __future__ import annotations

import math

from rumus._backends.generator import Generator, default_generator
from rumus._core.devices import CPU, Device, DeviceLike
from rumus._core.dtypes import bool_
from rumus._core.errors import ArgumentError, DTypeError, ShapeError
from rumus.tensor._creation import ones, rand, randn, zeros
from rumus.tensor._joining import cat, where
from rumus.tensor._ops.attention import PackedAttention
from rumus.tensor._ops.matmul import Linear as LinearFunction
from rumus.tensor._tensor import Tensor

from ._cache import KeyValueCache
from ._lengths import check_lengths
from ._linear import Linear
from ._module import Module
from ._module_inputs import check_tensor
from ._parameter import Parameter
from .functional import scaled_dot_product_attention
from .functional._attention import attention_rule, times_values, triangle, weights_of


class MultiheadAttention(Module):
    """Several heads of attention between projections of a query, keys and values, and one of all.

    Vaswani et al., arXiv:1706.03762; parameters are named and laid out as PyTorch's. As there, and
    other than in :func:`~rumus.nn.functional.scaled_dot_product_attention`, masks of bool are true
    where a key takes **no** part.

    Args:
        embed_dim: E, the length of the query's last axis and of the result's.
        num_heads: A divisor of ``embed_dim``.
        dropout: The probability that a weight is made zero in training.
        bias: Whether the projections add a bias.
        add_bias_kv: Whether a learned key and a learned value stand behind those that are given.
        add_zero_attn: Whether a key and a value of zeros stand behind all of them.
        kdim: The length of the keys' last axis; by default E.
        vdim: That of the values; by default E.
        batch_first: Whether tensors are (N, length, E) instead of (length, N, E).
        device: Where the parameters start.
        generator: Where dropout is drawn from; by default the one of ``manual_seed``.

    Attributes:
        in_proj_weight: Of shape (3 * E, E), uniform by Glorot's rule; None with ``kdim``, ``vdim``,
            where q_proj_weight, k_proj_weight and v_proj_weight take its place.
        in_proj_bias: Zeros at first, of shape (3 * E,), or None.
        bias_k: The learned key, of shape (1, 1, E), or None.
        bias_v: The learned value, likewise.
        out_proj: A :class:`Linear`.

    Raises:
        ArgumentError: ``num_heads`` does not divide ``embed_dim``, or ``dropout`` is out of range.

    Example:
        >>> from rumus.tensor import randn
        >>> attention = MultiheadAttention(16, 4, batch_first=True)
        >>> x = randn((2, 5, 16))
        >>> y, weights = attention(x, x, x)
        >>> y.shape, weights.shape
        ((2, 5, 16), (2, 5, 5))
    """

    embed_dim: int
    num_heads: int
    dropout: float
    kdim: int
    vdim: int
    batch_first: bool
    generator: Generator
    in_proj_weight: Parameter | None
    q_proj_weight: Parameter | None
    k_proj_weight: Parameter | None
    v_proj_weight: Parameter | None
    in_proj_bias: Parameter | None
    bias_k: Parameter | None
    bias_v: Parameter | None
    out_proj: Linear

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: DeviceLike = CPU,
        generator: Generator = default_generator,
    ) -> None:
        check_lengths("MultiheadAttention", embed_dim=embed_dim, num_heads=num_heads)
        if embed_dim % num_heads:
            raise ArgumentError(
                f"MultiheadAttention: num_heads divides embed_dim, not {num_heads} and {embed_dim}"
            )
        if not 0.0 <= dropout < 1.0:
            raise ArgumentError(f"MultiheadAttention: dropout is from 0 to below 1, not {dropout}")
        self.embed_dim, self.num_heads, self.dropout = embed_dim, num_heads, dropout
        self.kdim, self.vdim = kdim or embed_dim, vdim or embed_dim
        self.batch_first, self.generator = batch_first, generator
        self.add_zero_attn = add_zero_attn
        together = self.kdim == self.vdim == embed_dim
        self.in_proj_weight = _glorot(3 * embed_dim, embed_dim, device) if together else None
        self.q_proj_weight = None if together else _glorot(embed_dim, embed_dim, device)
        self.k_proj_weight = None if together else _glorot(embed_dim, self.kdim, device)
        self.v_proj_weight = None if together else _glorot(embed_dim, self.vdim, device)
        self.in_proj_bias = Parameter(zeros((3 * embed_dim,), device=device)) if bias else None
        self.bias_k = _glorot_row(embed_dim, device) if add_bias_kv else None
        self.bias_v = _glorot_row(embed_dim, device) if add_bias_kv else None
        self.out_proj = Linear(embed_dim, embed_dim, bias, device)
        if self.out_proj.bias is not None:
            self.out_proj.bias = Parameter(zeros((embed_dim,), device=device))

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
        cache: KeyValueCache | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Attend.

        Args:
            query: Of shape (L, N, E), or (N, L, E) with ``batch_first``, or (L, E).
            key: Of shape (S, N, kdim), in the same order.
            value: Of shape (S, N, vdim), in the same order.
            key_padding_mask: Of shape (N, S): bools, true where a key takes no part, or floats that
                are added to its scores.
            need_weights: Whether to give the weights as well, which takes a matrix of L * S numbers
                for each head; without them memory grows with L + S.
            attn_mask: The same for each query, of shape (L, S) or (N * num_heads, L, S).
            average_attn_weights: Whether to give the mean of the heads' weights.
            is_causal: Whether query i looks at keys 0 to i alone; ``attn_mask`` then says the same,
                or is left out.
            cache: Of the tokens before these, which each of them looks at together with those up to
                itself, without masks. Where key and value are one tensor and the query another, as
                in a decoder's attention to an encoder's result, it keeps their projections.

        Returns:
            The result, of the query's shape, and the weights, of shape (N, L, S), or
            (N, num_heads, L, S) if they are not averaged, or None.

        Raises:
            ShapeError: The shapes do not fit.
            DTypeError: A mask is neither bool nor of floats.
            ArgumentError: There are a cache and masks of self-attention, or a cache, and key and
                value differ.
        """
        check_tensor(self, query, key, value)
        batched = query.ndim == 3
        axis = 0 if self.batch_first else 1
        one, memory = query is key is value, key
        if cache is not None and key is not value:
            raise ArgumentError(
                "MultiheadAttention with a cache takes one tensor as key and value, which is also "
                "the query, or the result of an encoder"
            )
        if not batched:
            query, key, value = (part.unsqueeze(axis) for part in (query, key, value))
            if key_padding_mask is not None:
                key_padding_mask = key_padding_mask.unsqueeze(0)
        self._check(query, key, value)
        shape = query.shape[1 - axis], key.shape[1 - axis]
        mask = self._mask(attn_mask, key_padding_mask, is_causal, query.shape[axis], *shape, query)
        causal = is_causal and mask is None
        size = self.embed_dim // self.num_heads
        rule = attention_rule((size,), self.dropout if self.training else 0.0, causal, None)
        more = (self.bias_k is not None) + self.add_zero_attn
        if more and mask is None and is_causal:
            mask, causal = triangle(*shape, 0, query.device), False
            rule = rule._replace(causal=False)
        packs = self.in_proj_weight is not None and cache is None and not more
        if one and not need_weights and packs:
            packed = self._heads(self._packed(query), 3 * self.num_heads, transposed=False)
            inputs = (packed,) if mask is None else (packed, mask)
            result = PackedAttention(rule, self.generator, self.num_heads)(*inputs)
            return self._out(result, batched), None
        if cache is not None and not one:
            q = self._projection(0, query)
            k, v = cache.remembered(
                self, memory, lambda: (self._projection(1, key), self._projection(2, value))
            )
        else:
            q, k, v = self._projected(query, key, value, one)
        if cache is not None and one:
            if attn_mask is not None or key_padding_mask is not None:
                raise ArgumentError(
                    "MultiheadAttention with a cache takes no masks: each token looks at those "
                    "before it"
                )
            if not need_weights and not rule.dropout and not more:
                return self._out(cache.attend(self, q, k, v), batched), None
            k, v, mask = cache.extended(self, k, v)
            causal, rule = False, rule._replace(causal=False)
        if more:
            k, v = self._appended(k, self.bias_k), self._appended(v, self.bias_v)
            mask = None if mask is None else _widened(mask, more)
        if not need_weights:
            result = scaled_dot_product_attention(
                q, k, v, mask, rule.dropout, causal, generator=self.generator
            )
            return self._out(result, batched), None
        weights = weights_of(q, k, mask, rule, self.generator)
        result = self._out(times_values(weights, v), batched)
        weights = (weights.mean(1) if average_attn_weights else weights).to(query.dtype)
        return result, weights if batched else weights[0]

    def _check(self, query: Tensor, key: Tensor, value: Tensor) -> None:
        ends = query.shape[-1:], key.shape[-1:], value.shape[-1:]
        if ends != ((self.embed_dim,), (self.kdim,), (self.vdim,)):
            raise ShapeError(
                f"MultiheadAttention: query, key and value end in {self.embed_dim}, {self.kdim} "
                f"and {self.vdim}, not {query.shape}, {key.shape} and {value.shape}"
            )
        axis = 0 if self.batch_first else 1
        samples = {part.shape[axis] for part in (query, key, value) if part.ndim == 3}
        if {query.ndim, key.ndim, value.ndim} != {3} or len(samples) != 1:
            raise ShapeError(
                f"MultiheadAttention takes query, key and value of one batch, not {query.shape}, "
                f"{key.shape} and {value.shape}"
            )
        if key.shape[1 - axis] != value.shape[1 - axis]:
            raise ShapeError(
                f"MultiheadAttention: there is a value for each key, not {key.shape} and "
                f"{value.shape}"
            )

    def _packed(self, x: Tensor) -> Tensor:
        assert self.in_proj_weight is not None
        return _projection(x, self.in_proj_weight, self.in_proj_bias)

    def _projected(
        self, query: Tensor, key: Tensor, value: Tensor, one: bool
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values, (N, heads, length, size) each."""
        n = self.num_heads
        if one and self.in_proj_weight is not None:
            together = self._heads(self._packed(query), 3 * n)
            return together[:, :n], together[:, n : 2 * n], together[:, 2 * n :]
        return self._projection(0, query), self._projection(1, key), self._projection(2, value)

    def _projection(self, part: int, x: Tensor) -> Tensor:
        """Queries (part 0), keys (1) or values (2), (N, heads, length, size)."""
        alone = (self.q_proj_weight, self.k_proj_weight, self.v_proj_weight)[part]
        cut = slice(part * self.embed_dim, (part + 1) * self.embed_dim)
        weight = self.in_proj_weight[cut] if self.in_proj_weight is not None else alone
        bias = None if self.in_proj_bias is None else self.in_proj_bias[cut]
        assert weight is not None
        return self._heads(_projection(x, weight, bias), self.num_heads)

    def _appended(self, x: Tensor, bias: Tensor | None) -> Tensor:
        """Keys or values, (N, heads, length, size), with the learned one and a zero behind them."""
        one = (x.shape[0], self.num_heads, 1, x.shape[3])
        parts = [x]
        if bias is not None:
            parts.append(bias.reshape(1, self.num_heads, 1, x.shape[3]).expand(one))
        if self.add_zero_attn:
            parts.append(zeros(one, dtype=x.dtype, device=x.device))
        return cat(parts, 2)

    def _heads(self, x: Tensor, heads: int, transposed: bool = True) -> Tensor:
        """(N, length, heads, size), or with the heads before the length."""
        split = x.reshape((*x.shape[:2], heads, x.shape[2] // heads))
        order = (0, 1, 2, 3) if self.batch_first else (1, 0, 2, 3)
        if transposed:
            order = order[0], 2, order[1], 3
        return split if order == (0, 1, 2, 3) else split.permute(order)

    def _out(self, heads: Tensor, batched: bool) -> Tensor:
        """The projection of all heads, of shape (N, heads, length, size)."""
        order = (0, 2, 1, 3) if self.batch_first else (2, 0, 1, 3)
        joined = heads.permute(order)
        joined = joined.reshape((*joined.shape[:2], self.embed_dim))
        result = self.out_proj(joined)
        return result if batched else result.squeeze(0 if self.batch_first else 1)

    def _mask(
        self,
        attn_mask: Tensor | None,
        padding: Tensor | None,
        is_causal: bool,
        samples: int,
        queries: int,
        keys: int,
        like: Tensor,
    ) -> Tensor | None:
        """Both masks in one, by the rules of ``scaled_dot_product_attention``."""
        if is_causal and padding is None:
            return None
        masks = []
        if is_causal:
            masks.append(triangle(queries, keys, 0, like.device))
        elif attn_mask is not None:
            heads = samples * self.num_heads
            if attn_mask.shape not in ((queries, keys), (heads, queries, keys)):
                raise ShapeError(
                    f"MultiheadAttention: attn_mask has shape {(queries, keys)} or "
                    f"{(heads, queries, keys)}, not {attn_mask.shape}"
                )
            if attn_mask.ndim == 3:
                attn_mask = attn_mask.reshape((samples, self.num_heads, queries, keys))
            masks.append(_taking_part(attn_mask))
        if padding is not None:
            if padding.shape != (samples, keys):
                raise ShapeError(
                    f"MultiheadAttention: key_padding_mask has shape {(samples, keys)}, not "
                    f"{padding.shape}"
                )
            masks.append(_taking_part(padding).reshape((samples, 1, 1, keys)))
        if len(masks) < 2:
            return masks[0] if masks else None
        first, second = masks
        if first.dtype == second.dtype == bool_:
            return first & second
        return _added(first) + _added(second)

    def multiply_adds(self, inputs: tuple[Tensor, ...], result: object) -> int:
        """Of the projections into queries, keys and values, and of the products of attention."""
        query, key, value = inputs[:3]
        samples = query.shape[0 if self.batch_first else 1] if query.ndim == 3 else 1
        seen = (query.size // self.embed_dim) * (key.size // self.kdim) // max(samples, 1)
        return self.embed_dim * (query.size + key.size + value.size + 2 * seen)

    def extra_repr(self) -> str:
        """The lengths."""
        return f"{self.embed_dim}, num_heads={self.num_heads}, batch_first={self.batch_first}"


def _taking_part(mask: Tensor) -> Tensor:
    """A mask of bool turned round: true where a key takes part."""
    if mask.dtype.kind not in "bf":
        raise DTypeError(f"MultiheadAttention: a mask is bool or of floats, not {mask.dtype}")
    return ~mask if mask.dtype == bool_ else mask


def _widened(mask: Tensor, more: int) -> Tensor:
    """A mask under which more keys take part."""
    parts = (*mask.shape[:-1], more)
    fill = ones(parts, dtype=mask.dtype, device=mask.device)
    return cat([mask, fill if mask.dtype == bool_ else fill * 0.0], -1)


def _added(mask: Tensor) -> Tensor:
    return where(mask, 0.0, -math.inf) if mask.dtype == bool_ else mask


def _projection(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """``x @ weight.T + bias`` over the last axis."""
    rows = x.reshape((math.prod(x.shape[:-1]), x.shape[-1]))
    inputs = (rows, weight) if bias is None else (rows, weight, bias)
    result: Tensor = LinearFunction()(*inputs)
    return result.reshape((*x.shape[:-1], weight.shape[0]))


def _glorot_row(columns: int, device: DeviceLike) -> Parameter:
    """A learned key or value of shape (1, 1, columns), normal with the variance 1 / columns."""
    start = randn((1, 1, columns)).mul_(math.sqrt(1.0 / columns))
    return Parameter(start.to(Device(device)))


def _glorot(rows: int, columns: int, device: DeviceLike) -> Parameter:
    """Uniform by the rule of Glorot and Bengio (AISTATS 2010)."""
    bound = math.sqrt(6.0 / (rows + columns))
    return Parameter((rand((rows, columns)) * 2.0 - 1.0).mul_(bound).to(Device(device)))
