"""The tiles of the attention kernels, and which one a problem gets. Pure functions of the sizes."""

from __future__ import annotations

from typing import NamedTuple

TX = 8
"""Invocations side by side; 4 numbers each make a chunk of a tile 32 wide."""
GROUPS = 264
"""Workgroups that a large GPU wants: with fewer, tiles have fewer rows."""
PRODUCTS = 1056
"""Workgroups of ``attention_products.wgsl`` that a large GPU has room for."""
BLOCKS_BYTES = 1 << 27
"""The most that weights and slopes take at a time in a backward pass, whatever the length is."""


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
    return next(t for t in (first, few, *small) if t.workgroup_bytes(size) <= memory)


def edge_tile(queries: int, keys: int, lines: int) -> Tile:
    """The tile of the backward pass, whose blocks are square."""
    large = Tile(8, 2, 2, 16, 16, 2)
    many = -(-queries // large.rows) * -(-keys // large.rows) * lines >= GROUPS
    return large if many else Tile(8, 1, 1, 16, 16, 2)


def column_chunks(size: int) -> int:
    """How wide the tiles are by which heads of a size are made: as few of them as there can be."""
    return 1 if 0 < size % (8 * TX) <= 4 * TX else 2


class Part(NamedTuple):
    """Of a backward pass, what is in memory at a time: some lines, some blocks of queries."""

    first_line: int
    lines: int
    first_block: int
    last_block: int
    blocks: int
    """Of a line."""


def blocks_before(row: int, key_blocks: int, causal: bool) -> int:
    """How many blocks of keys the blocks of queries before this one look at."""
    if not causal:
        return row * key_blocks
    short = min(row, key_blocks)
    return short * (short + 1) // 2 + (row - short) * key_blocks


def parts(
    lines: int, sharing: int, rows: int, key_blocks: int, causal: bool, most: int, keys_sum: bool
) -> list[Part]:
    """A backward pass in parts of so many blocks, or of one block of queries.

    Lines are taken together until the products fill a large GPU, even where that leaves less room
    for queries: keys, if they get sums over queries, add up what they get of several parts.

    Args:
        lines: batches times query heads.
        sharing: query heads that share a key head.
        rows: blocks of queries.
        key_blocks: blocks of keys.
        causal: whether blocks above the diagonal are left out.
        most: blocks that a part may have.
        keys_sum: whether there are sums over queries.
    """
    owners = lines // sharing
    of_owner = sharing * blocks_before(rows, key_blocks, causal)
    wanted = -(-PRODUCTS // (2 * key_blocks * keys_sum + sharing * rows))
    together = min(owners, max(most // of_owner, wanted, 1))
    together = -(-owners // -(-owners // together))
    result = []
    for owner in range(0, owners, together):
        members = min(together, owners - owner) * sharing
        first = 0
        while first < rows:
            last = first + 1
            before = blocks_before(first, key_blocks, causal)
            while (
                last < rows
                and members * (blocks_before(last + 1, key_blocks, causal) - before) <= most
            ):
                last += 1
            blocks = blocks_before(last, key_blocks, causal) - before
            result.append(Part(owner * sharing, members, first, last, blocks))
            first = last
    return result
