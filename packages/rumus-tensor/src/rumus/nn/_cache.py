"""Keys and values of what was read, so that the next token costs one position."""

from __future__ import annotations

import math
from collections.abc import Callable
from weakref import WeakKeyDictionary

from rumus._backends.contract.attention import AttentionRule
from rumus._backends.generator import default_generator
from rumus._core import usage
from rumus._core.devices import CPU, DeviceLike
from rumus._core.dtypes import float32, int32
from rumus._core.errors import ArgumentError, ShapeError
from rumus._core.mode import is_grad_enabled
from rumus._core.watch import Watch
from rumus.tensor._creation import zeros
from rumus.tensor._joining import where
from rumus.tensor._ops.attention import Attention
from rumus.tensor._spaced import arange
from rumus.tensor._tensor import Tensor

from ._module import Module
from .functional import scaled_dot_product_attention
from .functional._attention import attention_rule

_FEW = 8
"""Queries that take up no more than a tile of the kernel."""
_MANY, _PART = 512, 64
"""Keys from which on parts pay for putting them together, and the fewest of a part."""
_NOTHING = 3e38
"""Logarithms of sums are below; where no key takes part, the kernel writes the largest float."""


class KeyValueCache(Module):
    """What the attentions of a model keep of the tokens that they were given.

    A model hands the same cache to each of its :class:`MultiheadAttention`, or to the layers around
    them. Each finds its own keys and values in it, adds those of its input behind, and looks at all
    up to each token's own. When all have, :meth:`advance` says that the tokens were read. An
    attention of your own does the same by :meth:`attend`, or by :meth:`extended`. An attention to
    something else than its input, such as a decoder's to the result of an encoder, keeps that one's
    keys and values as they are.

    Memory is taken once, for ``max_length`` tokens, and shapes stay what they are, so that a step
    can be captured. Use it under ``no_grad()``.

    Args:
        samples: Sequences side by side.
        max_length: Tokens of a sequence, at most.
        device: Where it lies.

    Attributes:
        lengths: How many tokens of each sequence were read, int32 of shape (samples,).

    Raises:
        ArgumentError: A number is not positive.

    Example:
        >>> from rumus.nn import TransformerEncoderLayer
        >>> from rumus.tensor import no_grad, randn
        >>> layer = TransformerEncoderLayer(8, 2, 16, batch_first=True).eval()
        >>> x = randn((1, 3, 8))
        >>> cache = KeyValueCache(1, 4)
        >>> with no_grad():
        ...     whole, first = layer(x, is_causal=True), layer(x[:, :2], cache=cache)
        ...     cache.advance(2)
        ...     last = layer(x[:, 2:], cache=cache)
        >>> bool((last - whole[:, 2:]).abs().max() < 1e-5)
        True
    """

    samples: int
    max_length: int
    lengths: Tensor

    def __init__(self, samples: int, max_length: int, device: DeviceLike = CPU) -> None:
        if samples < 1 or max_length < 1:
            raise ArgumentError(
                f"KeyValueCache: samples and max_length are at least 1, not {samples} and "
                f"{max_length}"
            )
        self.samples, self.max_length = samples, max_length
        self.kept: list[_Kept] = []
        self._places: WeakKeyDictionary[Module, int] = WeakKeyDictionary()
        self._memories: WeakKeyDictionary[Module, _Memory] = WeakKeyDictionary()
        lengths = zeros(samples, dtype=int32, device=device)
        self.register_buffer("lengths", lengths, persistent=False)

    def positions(self, count: int) -> Tensor:
        """Where the next tokens of each sequence stand, int32 of shape (samples, count)."""
        steps = arange(count, dtype=int32, device=self.lengths.device)
        return self.lengths.unsqueeze(1) + steps

    def extended(
        self, owner: Module, keys: Tensor, values: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Add keys and values of the next tokens, and give all that there are.

        Args:
            owner: The attention that they are of.
            keys: Of shape (samples, heads, tokens, size).
            values: The same, of their own size.

        Returns:
            Keys and values of shape (samples, heads, max_length, size), and the mask of those that
            each of the tokens looks at, bool of shape (samples, 1, tokens, max_length).

        Raises:
            ShapeError: They are of another number of sequences.
            IndexRangeError: There is no room for so many; on the GPU, when results are next read.
        """
        if keys.ndim != 4 or keys.shape[0] != self.samples:
            raise ShapeError(
                f"KeyValueCache of {self.samples} sequences takes keys of shape "
                f"({self.samples}, heads, tokens, size), not {keys.shape}"
            )
        if owner not in self._places:
            self._places[owner] = len(self.kept)
            self.kept.append(_Kept(self.max_length, keys, values))
        kept = self.kept[self._places[owner]]
        places, device = self.positions(keys.shape[2]), keys.device
        rows = arange(self.samples, dtype=int32, device=device).unsqueeze(1)
        kept.keys[rows, places] = keys.transpose(1, 2)
        kept.values[rows, places] = values.transpose(1, 2)
        every = arange(self.max_length, dtype=int32, device=device)
        mask = every <= places.unsqueeze(2)
        return kept.keys.transpose(1, 2), kept.values.transpose(1, 2), mask.unsqueeze(1)

    def attend(
        self,
        owner: Module,
        queries: Tensor,
        keys: Tensor,
        values: Tensor,
        scale: float | None = None,
    ) -> Tensor:
        """:meth:`extended`, and each token's attention to all up to itself.

        Args:
            owner: The attention that they are of.
            queries: Of shape (samples, heads, tokens, size).
            keys: The same, of as many heads or of a divisor of them.
            values: As the keys, of their own size.
            scale: By default 1 / sqrt(size).

        Returns:
            Of shape (samples, heads, tokens, size of the values).
        """
        kept_keys, kept_values, mask = self.extended(owner, keys, values)
        parts = _parts(self.max_length, queries)
        if parts > 1:
            rule = attention_rule(queries.shape, 0.0, False, scale)
            return _in_parts(queries, kept_keys, kept_values, mask, rule, parts)
        return scaled_dot_product_attention(
            queries, kept_keys, kept_values, mask, scale=scale, enable_gqa=True
        )

    def remembered(
        self, owner: Module, memory: Tensor, projected: Callable[[], tuple[Tensor, Tensor]]
    ) -> tuple[Tensor, Tensor]:
        """Keys and values of what stays the same from token to token; found once.

        They are found anew for another tensor, for one that was changed, and after :meth:`reset`.
        A step that is captured before they are there finds them in each replay.

        Args:
            owner: The attention that they are of.
            memory: What they are made of, such as the result of an encoder.
            projected: Gives them, of shape (samples, heads, tokens, size).
        """
        held = self._memories.get(owner)
        if held is not None and held.is_of(memory):
            return held.keys, held.values
        keys, values = projected()
        if is_grad_enabled() or usage.current() is not None:  # what is kept outlives neither
            return keys, values
        if held is None:
            self._memories[owner] = _Memory(memory, keys, values)
        else:
            held.take(memory, keys, values)
        return keys, values

    def reorder(self, rows: Tensor) -> None:
        """Let each sequence go on from what another one has read, as in a beam search.

        What is :meth:`remembered` stays where it is.

        Args:
            rows: Which one, int32 of shape (samples,).

        Raises:
            ShapeError: The shape is another one.
            IndexRangeError: There is no such sequence; on the GPU, when results are next read.
        """
        if rows.shape != (self.samples,):
            raise ShapeError(
                f"KeyValueCache.reorder takes a row for each of {self.samples} sequences, of shape "
                f"({self.samples},), not {rows.shape}"
            )
        for kept in self.kept:
            kept.keys.copy_(kept.keys[rows])
            kept.values.copy_(kept.values[rows])
        self.lengths.copy_(self.lengths[rows])

    def advance(self, count: int | Tensor) -> None:
        """Say that tokens were read: the same number of each sequence, or one a sequence."""
        self.lengths.copy_(self.lengths + count)

    def reset(self) -> None:
        """Begin with new sequences, in the same memory."""
        self.lengths.zero_()
        for memory in self._memories.values():
            memory.is_current = False

    def extra_repr(self) -> str:
        """The sizes."""
        return f"{self.samples}, {self.max_length}"


class _Kept(Module):
    """What one attention keeps, of shape (samples, max_length, heads, size)."""

    keys: Tensor
    values: Tensor

    def __init__(self, max_length: int, keys: Tensor, values: Tensor) -> None:
        for name, given in (("keys", keys), ("values", values)):
            samples, heads, _, size = given.shape
            shape = samples, max_length, heads, size
            room = zeros(shape, dtype=given.dtype, device=given.device)
            self.register_buffer(name, room, persistent=False)


class _Memory(Module):
    """Keys and values of what an attention looks at beside its input."""

    keys: Tensor
    values: Tensor

    def __init__(self, memory: Tensor, keys: Tensor, values: Tensor) -> None:
        for name, given in (("keys", keys), ("values", values)):
            self.register_buffer(name, given, persistent=False)
        self.take(memory, keys, values)

    def take(self, memory: Tensor, keys: Tensor, values: Tensor) -> None:
        """Keep keys and values, until the memory is changed or another one."""
        self.memory, self.keys, self.values = memory, keys, values
        self._watch = Watch([memory])
        self._watch.look()
        self.is_current = True

    def is_of(self, memory: Tensor) -> bool:
        """Whether they are those of a memory, as it is now."""
        return self.is_current and self.memory is memory and not self._watch.changed()


def _parts(length: int, queries: Tensor) -> int:
    """In how many parts all keys are read at once, where so few queries keep no GPU busy."""
    few = queries.device.kind == "gpu" and queries.shape[2] <= _FEW
    if not few or length < _MANY or queries.dtype != float32:
        return 1
    return next((n for n in (16, 8, 4, 2) if not length % n and length // n >= _PART), 1)


def _in_parts(
    queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor, rule: AttentionRule, parts: int
) -> Tensor:
    """Attention to each part of the keys, weighed by the sums of the parts' exponentials."""
    samples, heads, tokens, size = queries.shape
    length = keys.shape[2] // parts

    def cut(kept: Tensor) -> Tensor:  # a view, for tokens come before heads in memory
        rows = kept.transpose(1, 2)
        return rows.reshape((samples * parts, length, *rows.shape[2:])).transpose(1, 2)

    wide = queries.unsqueeze(1).expand((samples, parts, heads, tokens, size))
    seen = mask.reshape((samples, 1, tokens, parts, length)).permute(0, 3, 1, 2, 4)
    attention = Attention(rule, default_generator)
    results = attention(
        wide.reshape((samples * parts, heads, tokens, size)),
        cut(keys),
        cut(values),
        seen.reshape((samples * parts, 1, tokens, length)),
    )
    logs = Tensor._wrap(attention.normalisers, queries.device)
    logs = logs.reshape((samples, parts, heads, tokens, 1))
    shares = where(logs < _NOTHING, logs, -math.inf).softmax(1)
    return (results.reshape((samples, parts, heads, tokens, values.shape[3])) * shares).sum(1)
