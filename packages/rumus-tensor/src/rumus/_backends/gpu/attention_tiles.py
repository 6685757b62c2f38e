"""The tiles of the attention kernels, and which one a problem gets. Pure functions of the sizes."""

from __future__ import annotations

from typing import NamedTuple

TX = 8
"""Invocations side by side; 4 numbers each make a chunk of a tile 32 wide."""
GROUPS = 264
"""Workgroups that a large GPU wants: with fewer, tiles have fewer rows."""


class Tile(NamedTuple):
    """What a workgroup of ``attention.wgsl`` holds."""

    ty: int
    row_chunks: int
    column_chunks: int
    slice: int = 16
    step: int = 4
    """Of a slice, how much is written out."""

    @property
    def rows(self) -> int:
        """Rows that a workgroup owns."""
        return 4 * self.ty * self.row_chunks

    @property
    def columns(self) -> int:
        """Columns that it walks at a time."""
        return 4 * TX * self.column_chunks

    def workgroup_bytes(self, size: int, twice: bool) -> int:
        """Workgroup memory, for heads of a size, with the weights once or twice."""
        slices = self.slice * (self.rows + max(self.columns, size))
        return 4 * (slices + (2 if twice else 1) * self.columns * self.rows)


WIDE = {
    "forward": (Tile(8, 2, 2, 16, 16), Tile(8, 1, 2)),
    "queries": (Tile(8, 2, 2, 16, 16), Tile(8, 1, 2)),
    "keys": (Tile(8, 1, 2), Tile(8, 1, 2)),
}
"""For heads up to 64: for many rows and for few."""
NARROW = {
    "forward": (Tile(16, 2, 2), Tile(8, 1, 1)),
    "queries": (Tile(16, 2, 2), Tile(8, 1, 1)),
    "keys": (Tile(16, 1, 1), Tile(8, 1, 1)),
}
"""For larger heads, whose sums take the registers."""
SMALL = (Tile(8, 2, 1), Tile(8, 1, 1), Tile(8, 1, 1, 8))
"""For adapters with little workgroup memory."""


def padded(size: int) -> int:
    """The size of a head in the kernels."""
    return -(-size // (4 * TX)) * 4 * TX


def choose(kernel: str, rows: int, heads: int, size: int, memory: int, twice: bool) -> Tile:
    """The tile for heads of ``rows`` rows each.

    Args:
        kernel: ``"forward"``, ``"queries"`` or ``"keys"``.
        rows: of a head.
        heads: of all batches.
        size: of a head, padded.
        memory: the adapter's workgroup memory.
        twice: whether the weights are there twice.
    """
    many, few = (WIDE if size <= 64 else NARROW)[kernel]
    first = many if -(-rows // many.rows) * heads >= GROUPS else few
    small = SMALL if size <= 64 else SMALL[1:]
    fitting: list[Tile] = [
        t for t in (first, few, *small) if t.workgroup_bytes(size, twice) <= memory
    ]
    return fitting[0]
