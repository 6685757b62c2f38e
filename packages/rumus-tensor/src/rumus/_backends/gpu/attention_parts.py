"""In what parts attention goes by blocks of weights. Pure functions of the sizes."""

from __future__ import annotations

from math import isqrt
from typing import NamedTuple

PRODUCTS = 528
"""Workgroups of ``attention_products.wgsl`` that fill a large GPU well."""
NARROWEST = 8
"""Blocks each way that a part has at least."""


class Part(NamedTuple):
    """What is in memory at a time: some lines, and the blocks of some queries and keys."""

    first_line: int
    lines: int
    first_row: int
    last_row: int
    first_column: int
    last_column: int
    causal: bool

    @property
    def triangle(self) -> bool:
        """Whether the blocks above a diagonal are left out."""
        return self.causal and self.first_row == self.first_column

    @property
    def blocks(self) -> int:
        """Of a line."""
        rows, columns = self.last_row - self.first_row, self.last_column - self.first_column
        if not self.triangle:
            return rows * columns
        short = min(rows, columns)
        return short * (short + 1) // 2 + (rows - short) * columns

    @property
    def adds_to_queries(self) -> bool:
        """Whether an earlier part has made something of the same queries."""
        return self.first_column > 0

    @property
    def adds_to_keys(self) -> bool:
        """Whether an earlier part has made something of the same keys."""
        return self.first_row > (self.first_column if self.causal else 0)


def parts_of(
    lines: int,
    sharing: int,
    rows: int,
    columns: int,
    causal: bool,
    most: int,
    whole_rows: bool = False,
) -> list[Part]:
    """The parts that all blocks are made in.

    Lines are whole where enough of them fit to fill a large GPU. Else many of them are made square
    after square, which all make products of one length, and most of them of so much memory.

    Args:
        lines: batches times query heads.
        sharing: query heads that share a key head.
        rows: blocks of queries.
        columns: blocks of keys.
        causal: whether blocks above the diagonal are left out.
        most: blocks that a part may have, unless one of each head that shares a key is more.
        whole_rows: whether a part has all keys of its queries.
    """
    owners = lines // sharing
    whole = sharing * Part(0, 1, 0, rows, 0, columns, causal).blocks
    together = min(owners, most // whole)
    height, width = rows, columns
    if together * (2 * columns + sharing * rows) < PRODUCTS and together < owners:
        together = max(1, min(owners, most // (sharing * NARROWEST**2)))
        room = max(1, most // (sharing * together))
        width = columns if whole_rows else isqrt(room)
        height = max(1, room // columns) if whole_rows else width
    together = -(-owners // -(-owners // together))
    result = []
    for owner in range(0, owners, together):
        first, members = owner * sharing, min(together, owners - owner) * sharing
        for row in range(0, rows, height):
            last = min(row + height, rows)
            for column in range(0, columns, width):
                end = min(column + width, columns)
                if not causal or column <= row:
                    result.append(Part(first, members, row, last, column, end, causal))
                elif last == rows:  # keys that no query looks at get zeros
                    result.append(Part(first, members, row, row, column, end, causal))
    return result
