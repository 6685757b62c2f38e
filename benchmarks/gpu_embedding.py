"""Rows by their ids on the GPU against PyTorch: embedding, its backward pass, and gather.

float32. Every result is checked against numpy in float64 before it is timed; times are those of
``gpu_kernels.py``. Bytes are what the algorithm has to move: for the backward pass the gradients
once, and the table twice (zeros, and the rows that were used).

    python benchmarks/gpu_embedding.py [--json PATH] [--smoke] [--only NAME]
"""

# /// script
# dependencies = ["torch==2.13.0"]
# ///

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from gpu_kernels import Array, Bench

from rumus import gpu


class Table(NamedTuple):
    """An embedding: its rows and columns, and the ids that are looked up."""

    rows: int
    columns: int
    ids: int
    skewed: bool = False
    """Whether ids are as frequent as words (by Zipf's law), else all alike."""

    def __str__(self) -> str:
        kind = " zipf" if self.skewed else ""
        return f"{self.rows} x {self.columns}, {self.ids} ids{kind}"


TABLES = (
    Table(65, 384, 16384),
    Table(65, 384, 16384, skewed=True),
    Table(50257, 768, 4096),
    Table(50257, 768, 4096, skewed=True),
    Table(50257, 768, 65536, skewed=True),
    Table(1000, 64, 65536),
    Table(1, 768, 65536),
)
SMOKE_TABLES = (Table(65, 32, 300), Table(7, 6, 100, skewed=True))


def ids_of(bench: Bench, table: Table) -> Array:
    """int32 ids."""
    if table.skewed:
        drawn = bench.rng.zipf(1.2, table.ids * 20)
        drawn = drawn[drawn <= table.rows][: table.ids] - 1
        return np.resize(drawn, table.ids).astype(np.int32)
    return bench.rng.integers(0, table.rows, table.ids).astype(np.int32)


def embeddings(bench: Bench, table: Table) -> None:
    """The rows, and the sums of their gradients."""
    be = bench.backend
    weight, grad = bench.random(table.rows, table.columns), bench.random(table.ids, table.columns)
    ids = ids_of(bench, table)
    on_gpu = [bench.device(a) for a in (weight[None], grad[None], ids[None, :, None])]
    chosen = be.to_host(be.gather(on_gpu[0], on_gpu[2], "embedding"))[0]
    assert np.array_equal(chosen, weight[ids])
    sums = be.to_host(be.sum_at(on_gpu[1], on_gpu[2], table.rows, "embedding"))[0]
    exact = np.zeros(weight.shape)
    np.add.at(exact, ids, grad.astype(np.float64))
    error = float(np.abs(sums - exact).max() / np.sqrt(np.bincount(ids).max()))
    out = gpu.persist(be.full((1, *weight.shape), 0.0, np.dtype(np.float32)))

    def torch_rows(torch: Any) -> Any:
        x, i = torch.from_numpy(weight).cuda(), torch.from_numpy(ids).cuda().long()
        return lambda: torch.nn.functional.embedding(i, x)

    def torch_backward(torch: Any) -> Any:
        g, i = torch.from_numpy(grad).cuda(), torch.from_numpy(ids).cuda().long()
        backward = torch.ops.aten.embedding_dense_backward
        return lambda: backward(g, i, table.rows, -1, False)

    bench.add(
        f"embedding {table}",
        lambda: be.gather(on_gpu[0], on_gpu[2], "embedding"),
        nbytes=grad.nbytes + min(grad.nbytes, weight.nbytes),
        torch_call=torch_rows,
    )
    bench.add(
        f"  backward {table}",
        lambda: be.sum_at(on_gpu[1], on_gpu[2], table.rows, "embedding", None, out),
        nbytes=grad.nbytes + weight.nbytes + min(grad.nbytes, weight.nbytes),
        error=error,
        torch_call=torch_backward,
    )


def gathers(bench: Bench, rows: int, columns: int) -> None:
    """One element at each position of a matrix, along its last axis."""
    be = bench.backend
    x = bench.random(rows, columns)
    index = bench.rng.integers(0, columns, (rows, columns)).astype(np.int32)
    a, i = bench.device(x[..., None]), bench.device(index[..., None])
    assert np.array_equal(
        be.to_host(be.gather(a, i, "gather"))[..., 0], np.take_along_axis(x, index, 1)
    )

    def torch_gather(torch: Any) -> Any:
        t, j = torch.from_numpy(x).cuda(), torch.from_numpy(index).cuda().long()
        return lambda: t.gather(1, j)

    def torch_add(torch: Any) -> Any:
        t, j = torch.from_numpy(x).cuda(), torch.from_numpy(index).cuda().long()
        zeros = torch.zeros_like(t)
        return lambda: zeros.scatter_add(1, j, t)

    shape = f"{rows} x {columns}"
    bench.add(
        f"gather {shape}",
        lambda: be.gather(a, i, "gather"),
        nbytes=3 * x.nbytes,
        torch_call=torch_gather,
    )
    bench.add(
        f"  backward {shape}",
        lambda: be.sum_at(a, i, columns, "gather"),
        nbytes=4 * x.nbytes,
        torch_call=torch_add,
    )


def main() -> None:
    """Run the cases."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    bench = Bench()
    for table in SMOKE_TABLES if options.smoke else TABLES:
        if options.only in f"embedding {table}":
            embeddings(bench, table)
    for rows, columns in [(30, 20)] if options.smoke else [(4096, 1024)]:
        if options.only in f"gather {rows} x {columns}":
            gathers(bench, rows, columns)
    if options.json:
        options.json.write_text(json.dumps(bench.rows, indent=1))


if __name__ == "__main__":
    main()
