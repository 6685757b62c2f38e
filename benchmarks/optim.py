"""Optimizer steps against PyTorch: AdamW over one tensor and over GPT-2's, clipping, the others.

    python benchmarks/optim.py [--device cpu|gpu|both] [--json PATH] [--quick] [--only WORD]

GPU times are the median of differences between 3 x N and N steps around a synchronisation, eager
and captured; PyTorch runs the same step on the same card. Before anything is timed, two steps are
checked against numpy in float64. Bandwidth counts every array that a formula must read or write
once; the copy that it is compared with is PyTorch's, or our own kernel's where there is no PyTorch.
"""

# /// script
# dependencies = ["torch==2.13.0"]
# ///

from __future__ import annotations

import argparse
import importlib
import json
import os
import statistics
import time
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from _timing import per_call

from rumus import gpu, optim
from rumus.autograd import GradientStore
from rumus.nn import Parameter
from rumus.tensor import Tensor, from_numpy, pack, zeros

ROUNDS = 5
BUDGET = 15e-3
"""Seconds of work that are timed at once."""
Shapes = Sequence[tuple[int, ...]]


def gpt2_shapes(d: int = 768) -> list[tuple[int, ...]]:
    """GPT-2's 148 parameters: 124.4M elements at its width of 768."""
    block = [(d,), (d,), (d, 3 * d), (3 * d,), (d, d), (d,), (d,), (d,), (d, 4 * d), (4 * d,)]
    block += [(4 * d, d), (d,)]
    return [(50257, d), (1024, d), *(shape for _ in range(12) for shape in block), (d,), (d,)]


class Model:
    """Parameters on the GPU with a fixed random gradient in each one's slot."""

    def __init__(self, shapes: Shapes) -> None:
        rng = np.random.default_rng(0)
        self.params = [Parameter(zeros(shape, device="gpu")) for shape in shapes]
        self.size = sum(p.size for p in self.params)
        for arena in pack(self.params):
            for array, scale in ((arena.data, 0.1), (arena.grads, 0.01)):
                block = rng.standard_normal(1 << 20, np.float32) * np.float32(scale)
                whole = np.resize(block, array.size)
                for slot, after in zip(arena.slots, [*arena.slots[1:], None], strict=True):
                    end = array.size if after is None else after.offset
                    whole[slot.offset + slot.size : end] = 0
                Tensor.from_array(array).copy_(from_numpy(whole).to("gpu"))
        self.grads = [self._gradient(p) for p in self.params]

    @staticmethod
    def _gradient(parameter: Parameter) -> Tensor:
        slot: Any = parameter.slot
        flat, like = slot.arena.grads, parameter.array
        place = gpu.GpuArray(flat.storage, like.shape, like.strides, slot.offset, flat.dtype)
        return Tensor.from_array(place)

    def store(self) -> GradientStore:
        """The gradients as a backward pass leaves them."""
        store = GradientStore()
        for parameter, grad in zip(self.params, self.grads, strict=True):
            store.replace(parameter.id, grad)
        return store


class Report:
    """Lines of a table, and the same as JSON."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def add(self, work: str, who: str, times: Sequence[float], **more: float) -> float:
        """Print a line and return the median in seconds."""
        median = statistics.median(times)
        spread = (max(times) - min(times)) / median if median else 0.0
        row = {"work": work, "who": who, "ms": median * 1e3, "spread": spread, **more}
        self.rows.append(row)
        words = "  ".join(
            f"{k} {v:.3g}" if isinstance(v, float) else f"{v}" for k, v in more.items()
        )
        print(f"{work:44} {who:22} {median * 1e3:9.4f} ms  ±{spread / 2:5.1%}  {words}", flush=True)
        return median


# Correctness


def check_adamw(model: Model, optimizer: optim.AdamW, clip: float | None) -> float:
    """Two steps against float64 at a hundred thousand random places; the largest relative error."""
    rng = np.random.default_rng(1)
    seen = model.params if clip is not None else model.params[:200]
    before = [p.numpy().reshape(-1) for p in seen]
    grads = [g.numpy().reshape(-1) for g in model.grads[: len(seen)]]
    picks = [rng.integers(0, max(a.size, 1), min(a.size, 700)) for a in before]
    scale = 1.0
    if clip is not None:
        norm = np.sqrt(sum(float(np.square(g, dtype=np.float64).sum()) for g in grads))
        scale = min(1.0, clip / (norm + 1e-6))
    for _ in range(2):
        store = model.store()
        if clip is not None:
            optim.clip_grad_norm_(store, model.params, clip)
        optimizer.step(store)
    worst = 0.0
    for p, old, grad, pick in zip(seen, before, grads, picks, strict=True):
        w, g = old[pick].astype(np.float64), grad[pick].astype(np.float64) * scale
        m = v = np.zeros_like(w)
        for t in (1, 2):
            m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
            w = w * (1 - 1e-3 * 0.01)
            w = w - 1e-3 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        error = np.abs(p.numpy().reshape(-1)[pick] - w) / (np.abs(w) + 1e-3)
        worst = max(worst, float(error.max(initial=0.0)))
    if worst > 1e-5:
        raise SystemExit(f"AdamW is wrong by {worst:.2g} relative to float64")
    return worst


# GPU


def time_ours(
    report: Report,
    work: str,
    model: Model,
    optimizer: optim.Optimizer,
    bytes_an_element: float,
    copy: float,
    quick: bool,
    clip: float | None = None,
) -> None:
    """Our step, eager and captured."""

    def step() -> None:
        store = model.store()
        if clip is not None:
            optim.clip_grad_norm_(store, model.params, clip)
        optimizer.step(store)

    nbytes = bytes_an_element * model.size
    for who, call in (("rumus captured", gpu.capture(step)), ("rumus eager", step)):
        times = per_call(call, gpu.synchronize, 0.0 if quick else BUDGET, ROUNDS)
        rate = nbytes / statistics.median(times) / 1e12
        report.add(work, who, times, tbps=rate, of_copy=rate / copy)


def copy_rate(report: Report, torch: Any, quick: bool) -> float:
    """TB/s that a device copy of 512 MiB reads and writes."""
    size = 1 << (20 if quick else 27)
    source, target = (Parameter(zeros((size,), device="gpu")) for _ in range(2))
    a, b = source.detach(), target.detach()
    times = per_call(lambda: b.copy_(a), gpu.synchronize, 0.0 if quick else BUDGET, ROUNDS)
    rate = 8 * size / statistics.median(times) / 1e12
    report.add("device copy", "rumus", times, tbps=rate)
    if torch is None:
        return rate
    x, y = (torch.randn(size, device="cuda") for _ in range(2))
    times = per_call(lambda: y.copy_(x), torch.cuda.synchronize, 0.0 if quick else BUDGET, ROUNDS)
    theirs = 8 * size / statistics.median(times) / 1e12
    report.add("device copy", "torch", times, tbps=theirs)
    return theirs


def time_torch(
    report: Report, work: str, torch: Any, shapes: Shapes, quick: bool, clip: float | None = None
) -> None:
    """PyTorch's AdamW on the same shapes: fused, foreach and its plain loop."""
    kinds: dict[str, dict[str, bool]] = {"fused": {"fused": True}, "foreach": {"foreach": True}}
    if len(shapes) < 1000:
        kinds["loop"] = {"foreach": False}
    for who, options in kinds.items():
        params = [torch.nn.Parameter(torch.randn(s, device="cuda") * 0.1) for s in shapes]
        for p in params:
            p.grad = torch.randn_like(p) * 0.01
        optimizer = torch.optim.AdamW(params, lr=1e-3, **options)

        def step(params: Any = params, optimizer: Any = optimizer) -> None:
            if clip is not None:
                torch.nn.utils.clip_grad_norm_(params, clip)
            optimizer.step()

        times = per_call(step, torch.cuda.synchronize, 0.0 if quick else BUDGET, ROUNDS)
        report.add(work, f"torch {who}", times)
        del params, optimizer, step
        torch.cuda.empty_cache()


def others() -> dict[str, tuple[Callable[[Any], optim.Optimizer], float]]:
    """Every other optimizer, and the bytes an element that its formula must move."""
    return {
        "SGD": (lambda p: optim.SGD(p, 1e-3), 12),
        "SGD, momentum": (lambda p: optim.SGD(p, 1e-3, 0.9), 20),
        "Adam": (lambda p: optim.Adam(p), 28),
        "AdamW, amsgrad": (lambda p: optim.AdamW(p, amsgrad=True), 36),
        "RMSprop": (lambda p: optim.RMSprop(p), 20),
        "Adagrad": (lambda p: optim.Adagrad(p), 20),
        "Lion": (lambda p: optim.Lion(p), 20),
        "LAMB": (lambda p: optim.LAMB(p), 40),
        "Adafactor": (lambda p: optim.Adafactor(p), 24),
        "NAdam": (lambda p: optim.NAdam(p), 28),
        "RAdam": (lambda p: optim.RAdam(p), 28),
        "Adamax": (lambda p: optim.Adamax(p), 28),
        "Adadelta": (lambda p: optim.Adadelta(p), 28),
        "ASGD": (lambda p: optim.ASGD(p), 20),
        "Rprop": (lambda p: optim.Rprop(p), 28),
        "LARS": (lambda p: optim.LARS(p), 28),
    }


def on_gpu(report: Report, torch: Any, quick: bool, only: str) -> None:
    """The table of the GPU."""
    copy = copy_rate(report, torch, quick)
    cut = 100 if quick else 1
    one = [(134_217_728 // cut,)]
    gpt2 = gpt2_shapes(16 if quick else 768)
    many = [(1000,)] * (10_000 // cut)
    flat = [(10_000_000 // cut,)]
    works: list[tuple[str, Shapes, float | None]] = [
        ("AdamW, one tensor of 134M", one, None),
        ("AdamW, GPT-2's 148 tensors", gpt2, None),
        ("clip_grad_norm_ + AdamW, GPT-2", gpt2, 1.0),
        ("AdamW, one tensor of 10M", flat, None),
        ("AdamW, 10,000 tensors of 1,000", many, None),
    ]
    for work, shapes, clip in works:
        if only in work:
            model = Model(shapes)
            optimizer = optim.AdamW(model.params, lr=1e-3)
            error = check_adamw(model, optimizer, clip)
            print(f"{work}: checked, off by {error:.1e} of float64")
            per_element = 28 if clip is None else 32
            time_ours(report, work, model, optimizer, per_element, copy, quick, clip)
            del model, optimizer
            if torch is not None:
                time_torch(report, work, torch, shapes, quick, clip)
    for name, (make, nbytes) in others().items():
        if only in name:
            model = Model(gpt2)
            time_ours(report, f"{name}, GPT-2", model, make(model.params), nbytes, copy, quick)
            del model
    if only in "Muon":
        model = Model([s for s in gpt2[2:] if len(s) == 2])
        time_ours(
            report, "Muon, GPT-2's 48 matrices", model, optim.Muon(model.params), 32, copy, quick
        )


# CPU


def on_cpu(report: Report, torch: Any, quick: bool) -> None:
    """AdamW over 16M elements, ours and PyTorch's in turn."""
    size = 16 * 1024 * 1024 // (64 if quick else 1)
    rng = np.random.default_rng(0)
    weight = Parameter(rng.standard_normal(size, np.float32))
    grad = from_numpy(rng.standard_normal(size, np.float32))
    optimizer = optim.AdamW([weight], lr=1e-3)

    def ours() -> None:
        store = GradientStore()
        store.replace(weight.id, grad)
        optimizer.step(store)

    calls: dict[str, Callable[[], Any]] = {"rumus": ours}
    kinds = {"default": {}, "foreach": {"foreach": True}, "fused": {"fused": True}}
    for who, options in kinds.items() if torch is not None else ():
        parameter = torch.nn.Parameter(torch.from_numpy(weight.numpy()))
        parameter.grad = torch.from_numpy(grad.numpy())
        calls[f"torch {who}"] = torch.optim.AdamW([parameter], lr=1e-3, **options).step
    times: dict[str, list[float]] = {who: [] for who in calls}
    for turn in range(ROUNDS + 1):
        for who, call in calls.items():
            start = time.perf_counter()
            call()
            if turn:
                times[who].append(time.perf_counter() - start)
    mine = statistics.median(times["rumus"])
    for who, taken in times.items():
        ratio = statistics.median(taken) / mine
        rate = 28 * size / statistics.median(taken) / 1e9
        report.add("AdamW, 16M on the CPU", who, taken, gbps=rate, times_ours=ratio)
    tracemalloc.start()
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    ours()
    peak = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    print(f"peak memory of a step beyond parameters, gradients and moments: {peak / 2**20:.2f} MiB")
    report.rows.append({"work": "AdamW, 16M on the CPU", "peak_extra_mib": peak / 2**20})


def load_torch(device: str) -> Any:
    """PyTorch, if it is here and can use the device; said aloud if not."""
    try:
        torch = importlib.import_module("torch")
    except ImportError:
        print("PyTorch is NOT INSTALLED: no comparison")
        return None
    if device == "gpu" and not torch.cuda.is_available():
        print("PyTorch sees NO CUDA DEVICE: no comparison on the GPU")
        return None
    return torch


def main() -> None:
    """Parse the options and run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--device", choices=("cpu", "gpu", "both"), default="both")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it runs")
    parser.add_argument("--only", default="", help="works whose name contains this")
    options = parser.parse_args()
    report = Report()
    if options.device != "gpu":
        print(f"CPU: {os.cpu_count()} cores")
        on_cpu(report, load_torch("cpu"), options.quick)
    if options.device != "cpu":
        if gpu.is_available():
            print(f"GPU: {gpu.info()['adapters'][0]['name']}")
            on_gpu(report, load_torch("gpu"), options.quick, options.only)
        else:
            print("NO GPU ADAPTER: nothing measured on the GPU")
    if options.json:
        options.json.write_text(json.dumps(report.rows, indent=1))


if __name__ == "__main__":
    main()
