"""Layers of a transformer, and stacks of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias, TypeVar

from rumus._core.devices import CPU, DeviceLike
from rumus._core.errors import ArgumentError
from rumus.tensor._tensor import Tensor

from ._attention import MultiheadAttention
from ._cache import KeyValueCache
from ._dropout import Dropout
from ._linear import Linear
from ._module import Module
from ._module_inputs import check_tensor
from ._norm import LayerNorm

Activation: TypeAlias = Literal["relu", "gelu"] | Callable[[Tensor], Tensor]
LayerT = TypeVar("LayerT", bound=Module)


class _TransformerLayer(Module):
    """What the layers of encoder and decoder share: their parts, and two linear layers.

    Attributes:
        attentions: The names of its attentions; a norm and a dropout stand behind each, and
            behind the linear layers.
    """

    attentions: tuple[str, ...] = ("self_attn",)
    linear1: Linear
    dropout: Dropout
    linear2: Linear
    norm_first: bool
    self_attn: MultiheadAttention
    norm1: LayerNorm
    norm2: LayerNorm
    dropout1: Dropout
    dropout2: Dropout

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: DeviceLike = CPU,
    ) -> None:
        _check_activation(type(self).__name__, activation)
        for name in self.attentions:
            attention = MultiheadAttention(
                d_model, nhead, dropout, bias, batch_first=batch_first, device=device
            )
            setattr(self, name, attention)
        self.linear1 = Linear(d_model, dim_feedforward, bias, device)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias, device)
        self.norm_first, self.activation = norm_first, activation
        added = range(1, len(self.attentions) + 2)
        for k in added:
            norm = LayerNorm(d_model, layer_norm_eps, bias=bias, device=device)
            setattr(self, f"norm{k}", norm)
        for k in added:
            setattr(self, f"dropout{k}", Dropout(dropout))

    def _transformed(self, x: Tensor) -> Tensor:
        hidden = self._activation()(self.linear1(x))
        return self.linear2(self.dropout(hidden))

    def _activation(self) -> Callable[[Tensor], Tensor]:
        given: Activation = self.activation
        return _ACTIVATIONS[given] if isinstance(given, str) else given


class TransformerEncoderLayer(_TransformerLayer):
    """Self-attention and two linear layers, each added to what it was given and normalised.

    Vaswani et al., arXiv:1706.03762; with ``norm_first`` as Xiong et al., arXiv:2002.04745.
    Parameters are named as PyTorch's.

    Args:
        d_model: The length of the last axis.
        nhead: Heads, a divisor of ``d_model``.
        dim_feedforward: The length between the linear layers.
        dropout: Of the weights, between the linear layers, and of what is added.
        activation: ``"relu"``, ``"gelu"``, or a function of a tensor.
        layer_norm_eps: Added to the variances.
        batch_first: Whether tensors are (N, length, d_model) instead of (length, N, d_model).
        norm_first: Whether the inputs of attention and of the linear layers are normalised, not
            what comes of adding them.
        bias: Whether the projections, linear layers and norms have a bias.
        device: Where the parameters start.

    Raises:
        ArgumentError: The activation is unknown, or a number is out of range.

    Example:
        >>> from rumus.tensor import randn
        >>> layer = TransformerEncoderLayer(16, 4, 32, batch_first=True)
        >>> layer(randn((2, 5, 16)), is_causal=True).shape
        (2, 5, 16)
    """

    def forward(
        self,
        src: Tensor,
        src_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool = False,
        cache: KeyValueCache | None = None,
    ) -> Tensor:
        """Apply the layer.

        Args:
            src: Of shape (length, N, d_model), or (N, length, d_model) with ``batch_first``.
            src_mask: As ``attn_mask`` of :class:`MultiheadAttention`.
            src_key_padding_mask: As its ``key_padding_mask``.
            is_causal: As there.
            cache: As there.
        """
        check_tensor(self, src)
        masks = src_key_padding_mask, src_mask, is_causal, cache
        if self.norm_first:
            src = src + self.dropout1(_attended(self.self_attn, self.norm1(src), None, *masks))
            return src + self.dropout2(self._transformed(self.norm2(src)))
        src = self.norm1(src + self.dropout1(_attended(self.self_attn, src, None, *masks)))
        return self.norm2(src + self.dropout2(self._transformed(src)))


class TransformerDecoderLayer(_TransformerLayer):
    """Self-attention, attention to an encoder's result, and two linear layers.

    Args as of :class:`TransformerEncoderLayer`; parameters are named as PyTorch's.

    Example:
        >>> from rumus.tensor import randn
        >>> layer = TransformerDecoderLayer(16, 4, 32, batch_first=True)
        >>> layer(randn((2, 5, 16)), randn((2, 7, 16)), tgt_is_causal=True).shape
        (2, 5, 16)
    """

    attentions: tuple[str, ...] = "self_attn", "multihead_attn"
    multihead_attn: MultiheadAttention
    norm3: LayerNorm
    dropout3: Dropout

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
        cache: KeyValueCache | None = None,
    ) -> Tensor:
        """Apply the layer.

        Args:
            tgt: Of shape (length, N, d_model), or (N, length, d_model) with ``batch_first``.
            memory: The encoder's result, in the same order.
            tgt_mask: As ``attn_mask`` of :class:`MultiheadAttention`, for the self-attention.
            memory_mask: The same for the attention to ``memory``.
            tgt_key_padding_mask: As its ``key_padding_mask``, for the self-attention.
            memory_key_padding_mask: The same for the attention to ``memory``.
            tgt_is_causal: As its ``is_causal``, for the self-attention.
            memory_is_causal: The same for the attention to ``memory``.
            cache: As there, for both.
        """
        check_tensor(self, tgt, memory)
        own = tgt_key_padding_mask, tgt_mask, tgt_is_causal, cache
        others = memory_key_padding_mask, memory_mask, memory_is_causal, cache
        if self.norm_first:
            tgt = tgt + self.dropout1(_attended(self.self_attn, self.norm1(tgt), None, *own))
            seen = _attended(self.multihead_attn, self.norm2(tgt), memory, *others)
            tgt = tgt + self.dropout2(seen)
            return tgt + self.dropout3(self._transformed(self.norm3(tgt)))
        tgt = self.norm1(tgt + self.dropout1(_attended(self.self_attn, tgt, None, *own)))
        seen = _attended(self.multihead_attn, tgt, memory, *others)
        tgt = self.norm2(tgt + self.dropout2(seen))
        return self.norm3(tgt + self.dropout3(self._transformed(tgt)))


class TransformerEncoder(Module):
    """Layers of an encoder one after the other.

    Args:
        encoder_layer: Copied for each of them, weights included, as in PyTorch.
        num_layers: How many.
        norm: Applied to the result.

    Example:
        >>> from rumus.tensor import randn
        >>> encoder = TransformerEncoder(TransformerEncoderLayer(8, 2, 16), 2)
        >>> encoder(randn((5, 3, 8))).shape
        (5, 3, 8)
    """

    layers: list[TransformerEncoderLayer]

    def __init__(
        self, encoder_layer: TransformerEncoderLayer, num_layers: int, norm: Module | None = None
    ) -> None:
        self.layers = _copies(encoder_layer, num_layers)
        self.norm = norm

    def forward(
        self,
        src: Tensor,
        mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool = False,
        cache: KeyValueCache | None = None,
    ) -> Tensor:
        """Apply the layers; arguments as of :meth:`TransformerEncoderLayer.forward`."""
        for layer in self.layers:
            src = layer(src, mask, src_key_padding_mask, is_causal, cache)
        result: Tensor = src if self.norm is None else self.norm(src)
        return result


class TransformerDecoder(Module):
    """Layers of a decoder one after the other.

    Args:
        decoder_layer: Copied for each of them, weights included, as in PyTorch.
        num_layers: How many.
        norm: Applied to the result.

    Example:
        >>> from rumus.tensor import ones
        >>> from rumus.nn import TransformerDecoderLayer
        >>> decoder = TransformerDecoder(TransformerDecoderLayer(16, 4, 32, batch_first=True), 2)
        >>> decoder(ones(2, 5, 16), ones(2, 7, 16)).shape
        (2, 5, 16)
    """

    layers: list[TransformerDecoderLayer]

    def __init__(
        self, decoder_layer: TransformerDecoderLayer, num_layers: int, norm: Module | None = None
    ) -> None:
        self.layers = _copies(decoder_layer, num_layers)
        self.norm = norm

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
        cache: KeyValueCache | None = None,
    ) -> Tensor:
        """Apply the layers; arguments as of :meth:`TransformerDecoderLayer.forward`."""
        paddings = tgt_key_padding_mask, memory_key_padding_mask
        causal = tgt_is_causal, memory_is_causal
        for layer in self.layers:
            tgt = layer(tgt, memory, tgt_mask, memory_mask, *paddings, *causal, cache)
        result: Tensor = tgt if self.norm is None else self.norm(tgt)
        return result


_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"relu": Tensor.relu, "gelu": Tensor.gelu}


def _check_activation(name: str, activation: Activation) -> None:
    if not callable(activation) and activation not in _ACTIVATIONS:
        raise ArgumentError(
            f"{name}: activation is 'relu', 'gelu' or a function of a tensor, not {activation!r}"
        )


def _attended(
    attention: MultiheadAttention,
    x: Tensor,
    memory: Tensor | None,
    padding: Tensor | None,
    mask: Tensor | None,
    is_causal: bool,
    cache: KeyValueCache | None = None,
) -> Tensor:
    """Attention to itself, or to a memory, without the weights."""
    seen = x if memory is None else memory
    result: Tensor
    result, _ = attention(
        x,
        seen,
        seen,
        key_padding_mask=padding,
        need_weights=False,
        attn_mask=mask,
        is_causal=is_causal,
        cache=cache,
    )
    return result


def _copies(layer: LayerT, count: int) -> list[LayerT]:
    """Layers like one, with parameters of their own."""
    from copy import deepcopy

    return [deepcopy(layer) for _ in range(count)]
