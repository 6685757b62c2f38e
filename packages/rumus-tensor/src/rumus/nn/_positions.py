"""Where in a sequence something stands."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from rumus._core.devices import CPU, DeviceLike
from rumus._core.errors import ArgumentError, ShapeError
from rumus.tensor._creation import from_numpy
from rumus.tensor._joining import cat, stack
from rumus.tensor._tensor import Tensor

from ._layer import Layer
from ._module_inputs import check_tensor


class RotaryPositions(Layer):
    """Pairs of a head's numbers, turned by an angle that grows with the position.

    ``(a, b) -> (a * cos(t) - b * sin(t), b * cos(t) + a * sin(t))``, t = position * base^(-2i /
    size) for pair i (Su et al., arXiv:2104.09864): products of queries and keys then depend on
    their distance. Apply it to both, not to values.

    Args:
        size: Of a head, even.
        max_length: Positions that there are angles for.
        base: What the angles are powers of.
        interleaved: Whether pair i is numbers 2i and 2i + 1, as in the paper and GPT-J, or numbers
            i and i + size / 2, as in GPT-NeoX and LLaMA.
        device: Where the angles lie.

    Attributes:
        cos: Of shape (max_length, size / 2), a buffer.
        sin: The same.

    Raises:
        ArgumentError: The size is odd or not positive.

    Example:
        >>> from rumus.tensor import ones
        >>> RotaryPositions(2, 4)(ones((1, 2, 2)))[0, 0]
        Tensor([1., 1.], dtype=float32)
    """

    size: int
    max_length: int
    interleaved: bool
    cos: Tensor
    sin: Tensor

    def __init__(
        self,
        size: int,
        max_length: int = 2048,
        base: float = 10_000.0,
        interleaved: bool = False,
        device: DeviceLike = CPU,
    ) -> None:
        if size < 2 or size % 2 or max_length < 1:
            raise ArgumentError(
                f"RotaryPositions: size is even and positive, and max_length at least 1, "
                f"not {size} and {max_length}"
            )
        self.size, self.max_length, self.interleaved = size, max_length, interleaved
        angles = np.outer(np.arange(max_length), base ** (-np.arange(0, size, 2) / size))
        self.register_buffer("cos", from_numpy(np.cos(angles).astype(np.float32), device))
        self.register_buffer("sin", from_numpy(np.sin(angles).astype(np.float32), device))

    if not TYPE_CHECKING:  # checkers see the parameters of forward

        def __call__(self, x: Tensor, start: int | Tensor = 0) -> Tensor:
            """The result of :meth:`forward`."""
            check_tensor(self, x)
            return self.forward(x, start)

    def forward(self, x: Tensor, start: int | Tensor = 0) -> Tensor:
        """Turn.

        Args:
            x: Of shape (…, length, size).
            start: The position of the first; or those of all, int32 of shape (N, length) for x of
                (N, …, length, size), as :meth:`KeyValueCache.positions` gives them.

        Raises:
            ShapeError: The last axis has another length, or the positions are past the last one.
            IndexRangeError: One of the positions that are given is; on the GPU, when results are
                next read.
        """
        if x.shape[-1:] != (self.size,):
            raise ShapeError(f"RotaryPositions({self.size}) takes (…, {self.size}), not {x.shape}")
        part = _positions("RotaryPositions", x, start, self.max_length)
        cos, sin = (_rows(table, part, x) for table in (self.cos, self.sin))
        half = self.size // 2
        if self.interleaved:
            pairs = x.reshape((*x.shape[:-1], half, 2))
            a, b = pairs[..., 0], pairs[..., 1]
        else:
            a, b = x[..., :half], x[..., half:]
        turned = a * cos - b * sin, b * cos + a * sin
        return stack(turned, -1).reshape(x.shape) if self.interleaved else cat(turned, -1)

    def extra_repr(self) -> str:
        """The lengths."""
        return f"{self.size}, max_length={self.max_length}, interleaved={self.interleaved}"


class SinusoidalPositions(Layer):
    """A wave of its own length for each pair of numbers, added.

    ``sin(position * 10000^(-2i / size))`` to number 2i, and the cosine to number 2i + 1 (Vaswani et
    al., arXiv:1706.03762).

    Args:
        size: The length of the last axis, even.
        max_length: Positions that there are waves for.
        device: Where they lie.

    Attributes:
        table: Of shape (max_length, size), a buffer.

    Raises:
        ArgumentError: The size is odd or not positive.

    Example:
        >>> from rumus.tensor import zeros
        >>> SinusoidalPositions(2, 4)(zeros((1, 1, 2)))
        Tensor([[[0., 1.]]], dtype=float32)
    """

    size: int
    max_length: int
    table: Tensor

    def __init__(self, size: int, max_length: int = 5000, device: DeviceLike = CPU) -> None:
        if size < 2 or size % 2 or max_length < 1:
            raise ArgumentError(
                f"SinusoidalPositions: size is even and positive, and max_length at least 1, "
                f"not {size} and {max_length}"
            )
        self.size, self.max_length = size, max_length
        angles = np.outer(np.arange(max_length), 10_000.0 ** (-np.arange(0, size, 2) / size))
        waves = np.stack([np.sin(angles), np.cos(angles)], -1).reshape(max_length, size)
        self.register_buffer("table", from_numpy(waves.astype(np.float32), device))

    if not TYPE_CHECKING:  # checkers see the parameters of forward

        def __call__(self, x: Tensor, start: int | Tensor = 0) -> Tensor:
            """The result of :meth:`forward`."""
            check_tensor(self, x)
            return self.forward(x, start)

    def forward(self, x: Tensor, start: int | Tensor = 0) -> Tensor:
        """Add.

        Args:
            x: Of shape (…, length, size).
            start: The position of the first; or those of all, int32 of shape (N, length) for x of
                (N, …, length, size), as :meth:`KeyValueCache.positions` gives them.

        Raises:
            ShapeError: The last axis has another length, or the positions are past the last one.
            IndexRangeError: One of the positions that are given is; on the GPU, when results are
                next read.
        """
        if x.shape[-1:] != (self.size,):
            raise ShapeError(
                f"SinusoidalPositions({self.size}) takes (…, {self.size}), not {x.shape}"
            )
        part = _positions("SinusoidalPositions", x, start, self.max_length)
        return x + _rows(self.table, part, x)

    def extra_repr(self) -> str:
        """The lengths."""
        return f"{self.size}, max_length={self.max_length}"


def alibi_bias(
    heads: int, queries: int, keys: int | None = None, device: DeviceLike = CPU
) -> Tensor:
    """A mask that takes from each score in proportion to the distance of query and key.

    ``-slope * |query - key|`` with slopes 2^(-8 h / heads) for heads h = 1 … (Press, Smith and
    Lewis, arXiv:2108.12409, whose released code says what other numbers of heads than powers of two
    get). It is no causal mask: give it with one, added to ``where(causal_mask(…), 0, -inf)``.

    Args:
        heads: How many.
        queries: How many; with fewer than keys, the last ones of the sequence.
        keys: How many; by default as many.
        device: Where the mask is needed.

    Returns:
        Of shape (heads, queries, keys), to add to scores.

    Raises:
        ArgumentError: A number is not positive.

    Example:
        >>> alibi_bias(8, 1, 3)[0]
        Tensor([[-1. , -0.5,  0. ]], dtype=float32)
    """
    keys = queries if keys is None else keys
    if min(heads, queries, keys) < 1:
        raise ArgumentError(
            f"alibi_bias: heads, queries and keys are at least 1, not {heads}, {queries}, {keys}"
        )
    distance = np.abs(np.arange(keys) - np.arange(keys - queries, keys)[:, None])
    bias = np.array(_slopes(heads))[:, None, None] * -distance
    return from_numpy(bias.astype(np.float32), device)


def _slopes(heads: int) -> list[float]:
    whole = 2 ** int(math.log2(heads))
    slopes = [2.0 ** (-8.0 * h / whole) for h in range(1, whole + 1)]
    return slopes + _slopes(2 * whole)[0::2][: heads - whole] if whole < heads else slopes


def _positions(name: str, x: Tensor, start: int | Tensor, most: int) -> slice | Tensor:
    if isinstance(start, Tensor):
        if x.ndim < 3 or start.shape != (x.shape[0], x.shape[-2]):
            raise ShapeError(
                f"{name}: positions are of (N, length) for x of (N, …, length, size), not "
                f"{start.shape} and {x.shape}"
            )
        return start
    if x.ndim < 2 or start < 0 or start + x.shape[-2] > most:
        raise ShapeError(
            f"{name}: there are positions 0 to {most - 1}, and {x.shape} from {start} on is past "
            "them; give a larger max_length"
        )
    return slice(start, start + x.shape[-2])


def _rows(table: Tensor, part: slice | Tensor, like: Tensor) -> Tensor:
    """What a table has for positions, in a shape that broadcasts to those at them."""
    rows = table[part].to(like.dtype)
    if isinstance(part, slice):
        return rows
    return rows.reshape((part.shape[0], *(1,) * (like.ndim - 3), *rows.shape[1:]))
