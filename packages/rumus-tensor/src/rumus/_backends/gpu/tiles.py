"""The shape of a matrix product's work: tile, and parts of k. Pure functions of the sizes.

The choice minimises a model of the time on a large GPU. Its figures were fitted to an H100; on a
smaller device the same order of tiles holds, with fewer workgroups to wait for.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

PROCESSORS = 132
START = 24
"""Values of k whose time a workgroup takes to begin and to end."""
BANDWIDTH = 4.0e6
"""Bytes of parts written and read in a microsecond."""
SECOND_STAGE = 5.0
"""Microseconds that adding up the parts takes beside that: most is the host's, for a dispatch."""
SPLITS = range(1, 33)
GATHERING = 0.08
"""The share of a product's time that it takes to gather the elements of an operand along k."""
GATHERING_CHUNKS = 4
GATHERING_SPLITS = (
    *range(1, 17),
    *range(18, 33, 2),
    *range(36, 65, 4),
    *range(72, 129, 8),
    192,
    256,
)
"""Blocks of sums and parts of k of products whose operands are both gathered."""
COPYING, DISPATCH = 2.4e6, 4.0
"""Bytes that a transposing copy reads and writes in a microsecond, and microseconds beside that."""


class Tile(NamedTuple):
    """What a workgroup makes, and how: see ``matmul.wgsl``."""

    tx: int
    ty: int
    a_chunks: int
    b_chunks: int
    bk: int
    buffers: int
    rate: float
    """Multiply-adds of a processor in a microsecond, in millions."""
    resident: float
    """Workgroups that a processor needs at once for that."""
    teams: int = 1
    """Times tx * ty invocations, each for a part of every slice of k."""
    warp_x: int = 8
    """Invocations side by side in a warp."""
    rounds_of: int = 1
    """Workgroups that a processor begins and ends together, where there are more of them than
    processors: a last round that has fewer takes as long as a full one."""

    @property
    def threads(self) -> int:
        """Invocations of a workgroup."""
        return self.tx * self.ty * self.teams

    @property
    def bm(self) -> int:
        """Rows of the output."""
        return 4 * self.ty * self.a_chunks

    @property
    def bn(self) -> int:
        """Columns of the output."""
        return 4 * self.tx * self.b_chunks

    @property
    def workgroup_bytes(self) -> int:
        """Workgroup memory."""
        return (self.bm + self.bn) * self.bk * 4 * self.buffers


TILES = (
    Tile(16, 16, 2, 4, 16, 2, 0.185, 1.0),
    Tile(16, 16, 2, 4, 16, 1, 0.176, 1.0),
    Tile(16, 16, 2, 2, 16, 2, 0.176, 1.0),
    Tile(16, 16, 2, 2, 16, 1, 0.165, 1.0),
    Tile(8, 16, 2, 2, 16, 2, 0.170, 1.25, rounds_of=2),
    Tile(16, 8, 2, 2, 16, 2, 0.165, 1.25, rounds_of=2),
    Tile(8, 8, 2, 2, 16, 1, 0.160, 2.4, rounds_of=2),
    Tile(8, 8, 1, 2, 16, 1, 0.130, 2.3, rounds_of=2),
    Tile(16, 16, 1, 1, 32, 1, 0.125, 1.1),
    Tile(8, 8, 1, 1, 16, 1, 0.107, 3.0, rounds_of=2),
    Tile(8, 8, 1, 1, 32, 2, 0.076, 1.15, teams=4),
    Tile(8, 4, 1, 1, 32, 1, 0.075, 1.5, teams=4),
)


class Choice(NamedTuple):
    """A tile, the parts of k, and the values of k of a part (the last may have fewer)."""

    tile: Tile
    splits: int
    share: int


@lru_cache(maxsize=4096)
def choose(
    m: int,
    n: int,
    k: int,
    batches: int,
    workgroup_bytes: int,
    parts_bytes: int = 1 << 27,
    gathers: bool = False,
) -> Choice:
    """The cheapest way to multiply ``batches`` of (m, k) by (k, n), by the model.

    Args:
        m: rows of the result.
        n: columns of the result.
        k: what is summed over.
        batches: matrices.
        workgroup_bytes: the adapter's workgroup memory.
        parts_bytes: the most that the parts of a split may take, for an adapter must bind them.
        gathers: whether both operands are gathered along a long k, whose places take registers.
    """
    return min(
        (
            parts(tile, splits, k)
            for tile in TILES
            if tile.workgroup_bytes <= workgroup_bytes
            if not gathers or tile.a_chunks * tile.b_chunks <= GATHERING_CHUNKS
            for splits in (GATHERING_SPLITS if gathers else SPLITS)
            if splits == 1
            or (k >= splits * 2 * tile.bk and 4 * splits * m * n * batches <= parts_bytes)
        ),
        key=lambda choice: modelled_time(choice, m, n, batches),
    )


def parts(tile: Tile, splits: int, k: int) -> Choice:
    """About ``splits`` parts of k, of whole slices."""
    slices = -(-k // tile.bk)
    share = -(-slices // splits) * tile.bk
    return Choice(tile, -(-k // share), share)


def modelled_time(choice: Choice, m: int, n: int, batches: int) -> float:
    """Microseconds, roughly."""
    tile, splits, share = choice
    groups = -(-m // tile.bm) * -(-n // tile.bn) * batches * splits
    alone = tile.bm * tile.bn * (share + START) / (tile.rate * 1e6)
    round_of = 1 if groups <= PROCESSORS else tile.rounds_of
    time = max(-(-groups // (PROCESSORS * round_of)) * round_of, tile.resident) * alone
    if splits > 1:
        time += SECOND_STAGE + 8 * splits * m * n * batches / BANDWIDTH
    return time


def turning_pays(choice: Choice, m: int, n: int, batches: int, nbytes: int) -> bool:
    """Whether an operand along k is better transposed by a copy before it is multiplied.

    Args:
        choice: how it is multiplied.
        m: rows of the result.
        n: columns of the result.
        batches: matrices.
        nbytes: the operand's size.
    """
    copying = DISPATCH + 2 * nbytes / COPYING
    return copying < GATHERING * modelled_time(choice, m, n, batches)
