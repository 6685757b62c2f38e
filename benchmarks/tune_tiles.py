"""Matrix products with every tile and several splits: what ``tiles.choose`` is fitted to.

Times are those of captured calls, as in ``gpu_kernels.py``; the choice that the library makes is
marked, and the last column of its line is how much slower it is than the best.

    python benchmarks/tune_tiles.py [--json PATH] [--smoke]
"""

# /// script
# dependencies = []
# ///

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from gpu_kernels import (
    PRODUCTS,
    SMOKE_PRODUCTS,
    Bench,
    Product,
    calls_of,
    operands,
    product_error,
    seconds,
)

from rumus import gpu
from rumus._backends.gpu import matmul, tiles
from rumus._backends.gpu.tiles import Choice

SPLITS = (1, 2, 3, 4, 6, 8, 12, 16, 24)
MOST_GROUPS = 1600
"""Workgroups beyond which no product is split further."""
SHOWN = 8


def candidates(p: Product, memory: int) -> set[Choice]:
    """Tiles that fit, with splits that leave each part two slices."""
    found = set()
    for tile in tiles.TILES:
        groups = -(-p.m // tile.bm) * -(-p.n // tile.bn) * p.batch
        for splits in SPLITS:
            if tile.workgroup_bytes > memory or groups * (splits - 1) > MOST_GROUPS:
                continue
            if splits == 1 or p.k >= 2 * splits * tile.bk:
                found.add(tiles.parts(tile, splits, p.k))
    return found


def sweep(bench: Bench, p: Product) -> list[dict[str, Any]]:
    """Time every candidate of a product and print the best."""
    a, b, left, right = operands(bench, p)
    result = gpu.persist(bench.backend.matmul(left, right))
    memory = gpu.limits()["max-compute-workgroup-storage-size"]
    chosen = tiles.choose(p.m, p.n, p.k, p.batch, memory)
    rows = []
    for choice in candidates(p, memory) | {chosen}:
        plan = matmul.make_plan(left, right, None, result, choice)

        def call(plan: matmul.Plan = plan) -> None:
            matmul.run_plan(plan, left, right, None, result)

        calls = calls_of(seconds(call, gpu.synchronize))
        error = product_error(bench, a, b, result)
        rows.append(
            {"product": p, "choice": choice, "error": error, "s": bench.captured(call, calls)}
        )
    rows.sort(key=lambda row: row["s"])
    print(p)
    for place, row in enumerate(rows):
        tile, splits, _ = row["choice"]
        is_chosen = row["choice"] == chosen
        if place < SHOWN or is_chosen:
            slower = f"chosen, {row['s'] / rows[0]['s']:.2f} of the best" if is_chosen else ""
            print(
                f"  {row['s'] * 1e6:9.1f} us  {tile.bm}x{tile.bn}x{tile.bk} threads "
                f"{tile.tx}x{tile.ty}x{tile.teams} buffers {tile.buffers} splits {splits} "
                f"err {row['error']:.0e}  {slower}"
            )
    return rows


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--json", type=Path, help="where to write the rows")
    parser.add_argument("--smoke", action="store_true", help="small sizes, to see that it runs")
    options = parser.parse_args()
    bench = Bench()
    rows = [row for p in (SMOKE_PRODUCTS if options.smoke else PRODUCTS) for row in sweep(bench, p)]
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
