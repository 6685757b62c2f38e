"""Kernels on the GPU against PyTorch: matrix products, elementwise, reductions, transpose, softmax.

float32, PyTorch with TF32 off. Every result is checked against numpy in float64 before it is timed;
times are the median of differences between 3 × N and N repetitions around a synchronisation, once
called one by one (where small kernels show what a launch costs) and once captured, against a CUDA
graph.

    python benchmarks/gpu_kernels.py [--json PATH] [--smoke] [--only PART]
"""

# /// script
# dependencies = ["torch==2.13.0"]
# ///

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from _timing import cuda_torch, per_call

from rumus import gpu
from rumus._backends.gpu import get_gpu_backend, tiles
from rumus.gpu import GpuArray
from rumus.tensor import Tensor, tensor

ROUNDS = 5
STEP = 1e-3
"""Seconds of work in a capture or a CUDA graph: a training step's, so that starting it is no part
of what is measured."""
MOST_CALLS = 60
TARGET = 4e-3
"""Seconds of GPU work that N repetitions should make."""

Array = np.ndarray[Any, Any]


class Product(NamedTuple):
    """(batch, m, k) times (batch, k, n); which operand is stored transposed."""

    batch: int
    m: int
    k: int
    n: int
    transposed: str = ""

    def __str__(self) -> str:
        batch = f"({self.batch}) " if self.batch > 1 else ""
        mark = {"": "", "a": " AT", "b": " BT"}[self.transposed]
        return f"{batch}{self.m} x {self.k} x {self.n}{mark}"


PRODUCTS = (
    Product(1, 128, 784, 512),
    Product(1, 128, 512, 10),
    Product(1, 784, 128, 512, "a"),
    Product(1, 128, 512, 784, "b"),
    Product(1, 16384, 384, 1536),
    Product(1, 16384, 1536, 384, "b"),
    Product(1, 384, 16384, 1536, "a"),
    Product(1, 4096, 768, 50304),
    Product(96, 256, 64, 256, "b"),
    Product(96, 256, 256, 64),
    Product(1, 1000, 1000, 1000),
    Product(1, 2047, 2049, 2051),
    Product(1, 4096, 4096, 4096),
)
SMOKE_PRODUCTS = (Product(1, 33, 40, 20), Product(2, 16, 64, 24, "a"), Product(1, 30, 17, 9, "b"))


def seconds(call: Callable[[], object], wait: Callable[[], object]) -> float:
    """Median seconds of a call."""
    return statistics.median(per_call(call, wait, TARGET, ROUNDS))


def calls_of(duration: float) -> int:
    """Calls that make a step, of a call that takes some seconds."""
    return max(5, min(MOST_CALLS, round(STEP / duration)))


class Bench:
    """Runs cases, prints a line for each, and keeps the rows."""

    def __init__(self) -> None:
        self.torch = cuda_torch()
        self.backend = get_gpu_backend(0)
        self.rows: list[dict[str, Any]] = []
        self.rng = np.random.default_rng(0)
        self.token = tensor(0.0, device="gpu")
        print("PyTorch:", "none with CUDA" if self.torch is None else self.torch.__version__)
        print(f"{'':34} {'called':>10} {'torch':>10} {'':8}{'captured':>10} {'graph':>10}")

    def random(self, *shape: int) -> Array:
        """Standard normal float32."""
        return self.rng.standard_normal(shape, dtype=np.float32)

    def device(self, host: Array) -> GpuArray:
        """A copy on the GPU that captures may use."""
        return gpu.persist(self.backend.from_host(host))

    def captured(self, call: Callable[..., object], calls: int) -> float:
        """Seconds of a call among others of a captured step."""

        def step(token: Tensor) -> None:
            for _ in range(calls):
                call()

        replay = gpu.capture(step)
        return seconds(lambda: replay(self.token), gpu.synchronize) / calls

    def graph(self, call: Callable[[], object], calls: int) -> float:
        """Seconds of the peer's call in a CUDA graph."""
        torch = self.torch
        stream = torch.cuda.Stream()
        with torch.cuda.stream(stream):
            call()
        torch.cuda.synchronize()
        recorded = torch.cuda.CUDAGraph()
        with torch.cuda.graph(recorded):
            for _ in range(calls):
                call()
        return seconds(recorded.replay, torch.cuda.synchronize) / calls

    def add(
        self,
        name: str,
        call: Callable[..., object],
        *,
        flops: float = 0,
        nbytes: float = 0,
        error: float = 0,
        torch_call: Callable[..., Callable[[], object]] | None = None,
        captures: bool = True,
        note: str = "",
    ) -> None:
        """Time a case beside the peer's."""
        times: dict[str, float] = {"called": seconds(call, gpu.synchronize)}
        calls = calls_of(times["called"])
        if captures:
            times["captured"] = self.captured(call, calls)
        if self.torch is not None and torch_call is not None:
            theirs = torch_call(self.torch)
            times["torch"] = seconds(theirs, self.torch.cuda.synchronize)
            times["graph"] = self.graph(theirs, calls)
        best = times.get("captured", times["called"])
        unit = "TFLOP/s" if flops else "TB/s"
        pairs = []
        for ours, peers in (("called", "torch"), ("captured", "graph")):
            mine, other = times.get(ours), times.get(peers)
            pairs.append(f"{mine * 1e6:10.1f}" if mine else f"{'':10}")
            pairs.append(f"{other * 1e6:10.1f}" if other else f"{'':10}")
            pairs.append(f"{other / mine:5.2f} x" if mine and other else f"{'':7}")
        rate = f"{(flops or nbytes) / best / 1e12:7.2f} {unit:7}"
        print(f"{name:34} {' '.join(pairs)} {rate} err {error:7.1e} {note}")
        self.rows.append(
            {"name": name, **times, "flops": flops, "bytes": nbytes, "error": error, "note": note}
        )


def operands(bench: Bench, p: Product) -> tuple[Array, Array, GpuArray, GpuArray]:
    """Host arrays of shape (batch, m, k) and (batch, k, n), and their device twins."""
    be = bench.backend
    a, b = bench.random(p.batch, p.m, p.k), bench.random(p.batch, p.k, p.n)
    swap = (0, 2, 1)
    left = be.permute(bench.device(a.transpose(swap)), swap) if p.transposed == "a" else None
    right = be.permute(bench.device(b.transpose(swap)), swap) if p.transposed == "b" else None
    return a, b, left or bench.device(a), right or bench.device(b)


def product_error(bench: Bench, a: Array, b: Array, result: GpuArray) -> float:
    """The largest error of some rows, relative to what float32 sums of such length may have."""
    be = bench.backend
    step = max(1, a.shape[1] // 16)
    some = (slice(0, 1, 1), slice(0, a.shape[1], step), slice(0, b.shape[2], 1))
    got = be.to_host(be.slice(result, some))
    exact = a[:1, ::step].astype(np.float64) @ b[:1].astype(np.float64)
    return float(np.abs(got - exact).max() / np.sqrt(a.shape[2]))


def products(bench: Bench, cases: tuple[Product, ...]) -> None:
    """Matrix products."""
    be = bench.backend
    for p in cases:
        a, b, left, right = operands(bench, p)
        result = gpu.persist(be.matmul(left, right))
        memory = gpu.limits()["max-compute-workgroup-storage-size"]
        choice = tiles.choose(p.m, p.n, p.k, p.batch, memory)
        work = 2.0 * p.batch * p.m * p.k * p.n

        def torch_call(torch: Any, p: Product = p, a: Array = a, b: Array = b) -> Any:
            x, y = torch.from_numpy(a).cuda(), torch.from_numpy(b).cuda()
            if p.transposed == "a":
                x = x.transpose(1, 2).contiguous().transpose(1, 2)
            if p.transposed == "b":
                y = y.transpose(1, 2).contiguous().transpose(1, 2)
            if p.batch == 1:
                x, y = x[0], y[0]
            out = torch.matmul(x, y)
            return lambda: torch.matmul(x, y, out=out)

        bench.add(
            f"matmul {p}",
            lambda left=left, right=right, result=result: be.matmul(left, right, out=result),
            flops=work,
            error=product_error(bench, a, b, result),
            torch_call=torch_call,
            note=f"{choice.tile.bm}x{choice.tile.bn}x{choice.tile.bk} splits {choice.splits}",
        )


def summary(rows: list[dict[str, Any]]) -> None:
    """The products' speed relative to the peer's: geometric mean and worst, but for 4096 cubed."""
    for ours, theirs in (("called", "torch"), ("captured", "graph")):
        ratios = [row[theirs] / row[ours] for row in rows if row["flops"] and theirs in row][
            : len(PRODUCTS) - 1
        ]
        if ratios:
            print(
                f"{len(ratios)} products, {ours} against {theirs}: geometric mean "
                f"{statistics.geometric_mean(ratios):.2f}, worst {min(ratios):.2f}"
            )


def streams(bench: Bench, size: int) -> None:
    """Device copy, and elementwise work on ``size`` floats."""
    be, host = bench.backend, bench.random(size)
    x, y = bench.device(host), bench.device(host[::-1].copy())
    target = gpu.empty((size,))
    device = x.storage.device
    bench.add(
        "device copy",
        lambda: device.copy(x, target),
        nbytes=8 * size,
        captures=False,
        torch_call=lambda torch: _torch_copy(torch, host),
    )
    cases: list[tuple[str, Callable[[], GpuArray], Callable[[Array], Array], int, Any]] = [
        ("copy", lambda: be.copy(x), lambda h: h, 8, lambda t, u: t.clone()),
        ("relu", lambda: be.elementwise("relu", x), lambda h: np.maximum(h, 0), 8,
         lambda t, u: t.relu()),
        ("add", lambda: be.elementwise("add", x, y), lambda h: h + h[::-1], 12,
         lambda t, u: t + u),
        ("gelu", lambda: be.elementwise("gelu", x), lambda h: h, 8,
         lambda t, u: bench.torch.nn.functional.gelu(t)),
        ("tanh", lambda: be.elementwise("tanh", x), np.tanh, 8, lambda t, u: t.tanh()),
    ]  # fmt: skip
    for name, call, reference, width, torch_op in cases:
        got = be.to_host(call())
        error = 0.0 if name == "gelu" else float(np.abs(got - reference(host)).max())
        bench.add(
            f"elementwise {name}",
            call,
            nbytes=width * size,
            error=error,
            torch_call=lambda torch, op=torch_op: _torch_op(torch, host, op),
        )
    rows, columns = size // 1024, 1024
    wide = be.reshape(x, (rows, columns))
    bias = bench.device(bench.random(columns))
    bench.add(
        "elementwise add bias", lambda: be.elementwise("add", wide, bias), nbytes=8 * size,
        torch_call=lambda torch: _torch_op(
            torch, host.reshape(rows, columns), lambda t, u: t + u[0]),
    )  # fmt: skip


def _torch_copy(torch: Any, host: Array) -> Callable[[], object]:
    x = torch.from_numpy(host).cuda()
    y = torch.empty_like(x)
    return lambda: y.copy_(x)


def _torch_op(torch: Any, host: Array, op: Callable[[Any, Any], Any]) -> Callable[[], object]:
    x = torch.from_numpy(host).cuda()
    y = torch.from_numpy(host[::-1].copy()).cuda()
    return lambda: op(x, y)


def matrices(bench: Bench, shapes: tuple[tuple[int, int], ...]) -> None:
    """Sums over either axis, transposing copies, softmax and argmax."""
    be = bench.backend
    for rows, columns in shapes:
        host = bench.random(rows, columns)
        x = bench.device(host)
        exact = host.astype(np.float64)
        size = host.nbytes
        for axis in (0, 1):
            got = be.to_host(be.reduce("sum", x, (axis,), False))
            bench.add(
                f"sum {rows} x {columns} axis {axis}",
                lambda axis=axis, x=x: be.reduce("sum", x, (axis,), False),
                nbytes=size,
                error=float(np.abs(got - exact.sum(axis)).max()),
                torch_call=lambda torch, axis=axis, host=host: _torch_op(
                    torch, host, lambda t, u: t.sum(axis)
                ),
            )
        turned = be.permute(x, (1, 0))
        wrong = be.to_host(be.copy(turned)) != host.T
        bench.add(
            f"transpose {rows} x {columns}",
            lambda turned=turned: be.copy(turned),
            nbytes=2 * size,
            error=float(wrong.sum()),
            torch_call=lambda torch, host=host: _torch_op(
                torch, host, lambda t, u: t.t().contiguous()
            ),
        )
        y = gpu.persist(be.softmax(x, False))
        e = np.exp(exact - exact.max(1, keepdims=True))
        error = float(np.abs(be.to_host(y) - e / e.sum(1, keepdims=True)).max())
        bench.add(
            f"softmax {rows} x {columns}",
            lambda x=x: be.softmax(x, False),
            nbytes=2 * size,
            error=error,
            torch_call=lambda torch, host=host: _torch_op(torch, host, lambda t, u: t.softmax(1)),
        )
        bench.add(
            f"softmax backward {rows} x {columns}",
            lambda x=x, y=y: be.softmax_backward(y, x, False),
            nbytes=3 * size,
        )
        bench.add(
            f"sum {rows} x {columns} of all",
            lambda x=x: be.reduce("sum", x, (0, 1), False),
            nbytes=size,
            torch_call=lambda torch, host=host: _torch_op(torch, host, lambda t, u: t.sum()),
        )
        bench.add(
            f"argmax {rows} x {columns} axis 1",
            lambda x=x: be.arg_reduce("argmax", x, 1),
            nbytes=size,
            torch_call=lambda torch, host=host: _torch_op(torch, host, lambda t, u: t.argmax(1)),
        )


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--json", type=Path, help="where to write the rows")
    parser.add_argument("--smoke", action="store_true", help="small sizes, to see that it runs")
    parser.add_argument("--only", choices=("products", "streams", "matrices"), help="one part")
    options = parser.parse_args()
    bench = Bench()
    print(gpu.info())
    if options.only in (None, "streams"):
        streams(bench, 1 << (16 if options.smoke else 26))
    if options.only in (None, "matrices"):
        matrices(bench, ((96, 100),) if options.smoke else ((8192, 8192), (8192, 6288)))
    if options.only in (None, "products"):
        products(bench, SMOKE_PRODUCTS if options.smoke else PRODUCTS)
        summary(bench.rows)
    if options.json:
        options.json.write_text(json.dumps(bench.rows, indent=1))


if __name__ == "__main__":
    main()
