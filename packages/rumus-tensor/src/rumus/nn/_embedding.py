"""Tables of rows that are looked up by ids."""

from __future__ import annotations

from rumus._core.devices import CPU, Device, DeviceLike
from rumus._core.errors import ShapeError
from rumus._core.mode import no_grad
from rumus.tensor._creation import randn
from rumus.tensor._tensor import Tensor

from ._layer import Layer
from ._lengths import check_lengths
from ._module import Module
from ._parameter import Parameter
from .functional._embedding import (
    BagMode,
    check_max_norm,
    check_mode,
    embedding,
    embedding_bag,
    padding_row,
)


class Embedding(Layer):
    """The rows of a learned table at ids.

    The table starts standard normal, and zero in the row of ``padding_idx``. It may be shared:
    ``head.weight = embedding.weight`` ties it to a :class:`Linear`.

    Args:
        num_embeddings: Rows; ids are below it.
        embedding_dim: Columns.
        padding_idx: An id whose row gets no gradient; a negative one counts from the end.
        max_norm: If given, rows that are looked up and have a larger norm are first scaled down to
            it, in the table itself.
        norm_type: The p of that norm.
        device: Where the table starts.

    Attributes:
        weight: The table, of shape (num_embeddings, embedding_dim).

    Raises:
        ArgumentError: A length is not positive, there is no row ``padding_idx``, or a norm is
            not positive.

    Example:
        >>> from rumus.tensor import tensor
        >>> Embedding(10, 4)(tensor([[1, 2, 3]])).shape
        (1, 3, 4)
    """

    max_norm: float | None
    norm_type: float
    num_embeddings: int
    embedding_dim: int
    weight: Parameter
    padding_idx: int | None

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        device: DeviceLike = CPU,
    ) -> None:
        check_max_norm("Embedding", max_norm, norm_type)
        self.max_norm, self.norm_type = max_norm, norm_type
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        self.weight = _table("Embedding", num_embeddings, embedding_dim, padding_idx, device)
        self.padding_idx = padding_row("Embedding", padding_idx, num_embeddings)

    @classmethod
    def from_pretrained(
        cls, embeddings: Tensor, freeze: bool = True, padding_idx: int | None = None
    ) -> Embedding:
        """A layer with a copy of a table.

        Args:
            embeddings: The table, of two axes.
            freeze: Whether it gets no gradient.
            padding_idx: As of the layer.

        Raises:
            ShapeError: It has not two axes.
        """
        if embeddings.ndim != 2:
            raise ShapeError(f"from_pretrained takes a table of two axes, not {embeddings.shape}")
        layer = cls(1, 1)
        layer.num_embeddings, layer.embedding_dim = embeddings.shape
        layer.weight = Parameter(embeddings.detach(), requires_grad=not freeze)
        layer.padding_idx = padding_row("Embedding", padding_idx, embeddings.shape[0])
        return layer

    def forward(self, x: Tensor) -> Tensor:
        """Look rows up.

        Args:
            x: Ids, int32 or uint8, of any shape.

        Returns:
            Of the shape of the ids, and the columns.

        Raises:
            DTypeError: The ids are no integers.
            IndexRangeError: An id is out of range (on the GPU, raised when results are next read).
            DeviceError: The ids are on another device than the layer.
        """
        return embedding(x, self.weight, self.padding_idx, self.max_norm, self.norm_type)

    def extra_repr(self) -> str:
        """The lengths, and the padding."""
        return _described(self)


class EmbeddingBag(Module):
    """The sum, mean or maximum of the rows of a learned table at the ids of each bag.

    Args:
        num_embeddings: Rows; ids are below it.
        embedding_dim: Columns.
        max_norm: If given, rows that are looked up and have a larger norm are first scaled down to
            it, in the table itself.
        norm_type: The p of that norm.
        mode: ``"sum"``, ``"mean"`` or ``"max"``.
        include_last_offset: Whether the last of the offsets is the end of the last bag.
        padding_idx: An id that counts as not there.
        device: Where the table starts.

    Attributes:
        weight: The table, of shape (num_embeddings, embedding_dim).

    Raises:
        ArgumentError: A length is not positive, or an option is none of those above.

    Example:
        >>> from rumus.tensor import tensor
        >>> EmbeddingBag(10, 4)(tensor([1, 2, 3, 4]), tensor([0, 3])).shape
        (2, 4)
    """

    max_norm: float | None
    norm_type: float
    num_embeddings: int
    embedding_dim: int
    include_last_offset: bool
    weight: Parameter
    padding_idx: int | None

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        mode: BagMode = "mean",
        include_last_offset: bool = False,
        padding_idx: int | None = None,
        device: DeviceLike = CPU,
    ) -> None:
        check_max_norm("EmbeddingBag", max_norm, norm_type)
        self.max_norm, self.norm_type = max_norm, norm_type
        check_mode(mode)
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        self.mode, self.include_last_offset = mode, include_last_offset
        self.weight = _table("EmbeddingBag", num_embeddings, embedding_dim, padding_idx, device)
        self.padding_idx = padding_row("EmbeddingBag", padding_idx, num_embeddings)

    def forward(
        self,
        x: Tensor,
        offsets: Tensor | None = None,
        per_sample_weights: Tensor | None = None,
    ) -> Tensor:
        """Look rows up, and reduce the bags; see :func:`rumus.nn.functional.embedding_bag`."""
        return embedding_bag(
            x,
            self.weight,
            offsets,
            self.max_norm,
            self.norm_type,
            mode=self.mode,
            per_sample_weights=per_sample_weights,
            include_last_offset=self.include_last_offset,
            padding_idx=self.padding_idx,
        )

    def extra_repr(self) -> str:
        """The lengths, the padding and the mode."""
        return f"{_described(self)}, mode={self.mode!r}"


def _table(
    name: str, rows: int, columns: int, padding_idx: int | None, device: DeviceLike
) -> Parameter:
    check_lengths(name, num_embeddings=rows, embedding_dim=columns)
    padding = padding_row(name, padding_idx, rows)
    table = randn((rows, columns))
    if padding is not None:
        with no_grad():
            table[padding] = 0.0
    return Parameter(table.to(Device(device)))


def _described(layer: Embedding | EmbeddingBag) -> str:
    shown = [f"{layer.num_embeddings}, {layer.embedding_dim}"]
    if layer.padding_idx is not None:
        shown.append(f"padding_idx={layer.padding_idx}")
    if layer.max_norm is not None:
        shown.append(f"max_norm={layer.max_norm}")
    return ", ".join(shown)
