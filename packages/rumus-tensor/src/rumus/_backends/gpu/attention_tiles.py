"""The tiles of the attention kernels, and which one a problem gets. Pure functions of the sizes."""

from __future__ import annotations

from typing import NamedTuple

TX = 8
"""Invocations side by side; 4 numbers each make a chunk of a tile 32 wide."""
LARGEST = 128
"""The largest head that ``attention_forward.wgsl`` has registers for."""
GROUPS = 264
"""Workgroups that a large GPU wants: with fewer, tiles have fewer rows."""
BLOCKS_BYTES = 1 << 28
"""The most that weights and slopes take at a time, whatever the length is."""


class Tile(NamedTuple):
    """What a workgroup of ``attention.wgsl`` holds."""

    ty: int
    row_chunks: int
    column_chunks: int
    slice: int = 16
    step: int = 4
    """Of a slice, how much is written out."""
    buffers: int = 1

    @property
    def rows(self) -> int:
        """Rows that a workgroup owns."""
        return 4 * self.ty * self.row_chunks

    @property
    def columns(self) -> int:
        """Columns that it walks at a time."""
        return 4 * TX * self.column_chunks

    def workgroup_bytes(self, size: int = 0) -> int:
        """Workgroup memory; forward, for heads of a size, with the weights."""
        slices = self.buffers * self.slice * (self.rows + max(self.columns, size))
        return 4 * (slices + (self.columns * self.rows if size else 0))


WIDE = Tile(8, 2, 2, 16, 16), Tile(8, 1, 2)
"""Forward, for heads up to 64: for many rows and for few."""
NARROW = Tile(16, 2, 2), Tile(8, 1, 1)
"""For larger heads, whose sums take the registers."""
SMALL = Tile(8, 2, 1), Tile(8, 1, 1), Tile(8, 1, 1, 8)
"""For adapters with little workgroup memory."""


def padded(size: int, step: int = 4 * TX) -> int:
    """The size of a head in the kernels."""
    return -(-size // step) * step


def choose(rows: int, heads: int, size: int, memory: int) -> Tile:
    """The tile of the forward pass.

    Args:
        rows: of a head.
        heads: of all batches.
        size: of a head, padded.
        memory: the adapter's workgroup memory.
    """
    many, few = WIDE if size <= 64 else NARROW
    first = many if -(-rows // many.rows) * heads >= GROUPS else few
    small = SMALL if size <= 64 else SMALL[1:]
    fitting: list[Tile] = [t for t in (first, few, *small) if t.workgroup_bytes(size) <= memory]
    return fitting[0]


class Blocking(NamedTuple):
    """Blocks of ``edge`` queries and keys, how they are made, and how they are multiplied."""

    edge: int
    maker: Tile
    multiplier: Tile


SMALL_BLOCKS = Blocking(32, Tile(8, 1, 1, 16, 16, 2), Tile(8, 1, 1, 16, 16, 2))
FORWARD = (
    (660, 4, Blocking(128, Tile(16, 2, 4, 16, 16), Tile(16, 2, 2, 16, 16))),
    (66, 1, Blocking(64, Tile(8, 2, 2, 16, 16, 2), Tile(8, 2, 2, 16, 16, 2))),
    (0, 0, SMALL_BLOCKS),
)
"""From how many rows of blocks on, in all and of a head. Large blocks need fewer reads for as many
products, but fill a large GPU later, and more of them lies above the diagonal."""
BACKWARD = (
    (66, 1, Blocking(64, Tile(8, 2, 2, 16, 16, 2), Tile(8, 2, 2, 16, 16))),
    (0, 0, SMALL_BLOCKS),
)
"""The same with slopes, for whose kernel blocks of 128 take too many registers."""


def blocking_of(queries: int, lines: int, slopes: bool) -> Blocking:
    """The largest blocks for so many queries of so many heads."""
    for in_all, of_head, blocking in BACKWARD if slopes else FORWARD:
        rows = queries // blocking.edge
        if rows >= of_head and rows * lines >= in_all:
            return blocking
    return SMALL_BLOCKS


def by_blocks(queries: int, keys: int, lines: int, size: int, causal: bool) -> bool:
    """Whether the forward pass goes by blocks of weights in memory, and not by a running softmax.

    It is faster so where the weights of all heads fit into two parts, and is the only way for heads
    whose sums do not fit into registers.
    """
    weights = 4 * lines * queries * keys // (2 if causal else 1)
    many = queries >= 64 and lines * queries >= 1 << 14
    return size > LARGEST or (many and weights <= 2 * BLOCKS_BYTES)


def column_chunks(size: int) -> int:
    """How wide the tiles are by which heads of a size are made: as few of them as there can be."""
    return 1 if 0 < size % (8 * TX) <= 4 * TX else 2
