"""Convolutions on the GPU against cuDNN: the shapes of ResNet-50, forward and both gradients.

float32, PyTorch with TF32 off. A part of each result is checked against numpy in float64 before
it is timed; times are those of captured calls, against a CUDA graph. The last line is the
geometric mean of the ratios, each shape as often as the network has it.

    python benchmarks/gpu_conv.py [--json PATH] [--smoke] [--only PASS] [--batch 32] [--search]
"""

# /// script
# dependencies = ["torch==2.13.0"]
# ///

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from gpu_kernels import Array, Bench, calls_of, seconds

from rumus import gpu
from rumus._backends.contract.convolution import Slide


class Shape(NamedTuple):
    """A convolution with square kernels over square images, and how often the network has it."""

    channels: int
    out: int
    length: int
    kernel: int
    stride: int
    times: int = 1

    @property
    def padding(self) -> int:
        """Half a kernel."""
        return self.kernel // 2

    @property
    def result(self) -> int:
        """The length of the result."""
        return (self.length + 2 * self.padding - self.kernel) // self.stride + 1

    def __str__(self) -> str:
        stride = f" / {self.stride}" if self.stride > 1 else ""
        return (
            f"{self.channels} x {self.length}^2 to {self.out}, {self.kernel}x{self.kernel}{stride}"
        )


RESNET_50 = (
    Shape(3, 64, 224, 7, 2),
    Shape(64, 64, 56, 1, 1),
    Shape(64, 64, 56, 3, 1, 3),
    Shape(64, 256, 56, 1, 1, 4),
    Shape(256, 64, 56, 1, 1, 2),
    Shape(256, 128, 56, 1, 1),
    Shape(128, 128, 56, 3, 2),
    Shape(128, 512, 28, 1, 1, 4),
    Shape(256, 512, 56, 1, 2),
    Shape(512, 128, 28, 1, 1, 3),
    Shape(128, 128, 28, 3, 1, 3),
    Shape(512, 256, 28, 1, 1),
    Shape(256, 256, 28, 3, 2),
    Shape(256, 1024, 14, 1, 1, 6),
    Shape(512, 1024, 28, 1, 2),
    Shape(1024, 256, 14, 1, 1, 5),
    Shape(256, 256, 14, 3, 1, 5),
    Shape(1024, 512, 14, 1, 1),
    Shape(512, 512, 14, 3, 2),
    Shape(512, 2048, 7, 1, 1, 3),
    Shape(1024, 2048, 14, 1, 2),
    Shape(2048, 512, 7, 1, 1, 2),
    Shape(512, 512, 7, 3, 1, 2),
)
SMOKE = Shape(3, 5, 9, 3, 2), Shape(4, 4, 6, 1, 1)
PASSES = "forward", "input", "weight"


def slide_of(s: Shape) -> Slide:
    """How its kernel slides."""
    return Slide((s.stride,) * 2, (s.padding,) * 2, (1, 1), 1)


def our_call(bench: Bench, name: str, s: Shape, x: Any, w: Any, g: Any) -> Callable[[], Any]:
    """One pass, over arrays on the device."""
    be, slide = bench.backend, slide_of(s)
    calls: dict[str, Callable[[], Any]] = {
        "forward": lambda: be.convolution(x, w, None, slide, (s.result,) * 2),
        "input": lambda: be.convolution_input(g, w, None, slide, (s.length,) * 2),
        "weight": lambda: be.convolution_weight(x, g, slide, (s.kernel,) * 2),
    }
    return calls[name]


def their_call(torch: Any, name: str, s: Shape, *arrays: Array) -> Callable[[], Any]:
    """The same in PyTorch."""
    x, w, g = (torch.from_numpy(a).cuda() for a in arrays)
    if name == "forward":
        return lambda: torch.nn.functional.conv2d(x, w, None, s.stride, s.padding)
    wanted = (name == "input", name == "weight", False)
    geometry = [s.stride] * 2, [s.padding] * 2, [1, 1], False, [0, 0], 1, wanted
    return lambda: torch.ops.aten.convolution_backward(g, x, w, None, *geometry)


def error_of(bench: Bench, name: str, s: Shape, arrays: tuple[Array, ...], result: Any) -> float:
    """The largest error of one image, or of one output channel's weight, over their spread."""
    x, w, g = arrays
    got = bench.backend.to_host(result).astype(np.float64)
    p, k, step, r = s.padding, s.kernel, s.stride, s.result
    wide = np.pad(x.astype(np.float64), [(0, 0), (0, 0), (p, p), (p, p)])
    back = np.zeros((s.channels, s.length + 2 * p, s.length + 2 * p))
    exact: Array = np.zeros((s.out, r, r)) if name == "forward" else np.zeros(w.shape[1:])
    for i in range(k):
        for j in range(k):
            cut = np.s_[..., i : i + (r - 1) * step + 1 : step, j : j + (r - 1) * step + 1 : step]
            tap = w[:, :, i, j].astype(np.float64)
            if name == "forward":
                exact += np.tensordot(tap, wide[0][cut], 1)
            elif name == "input":
                back[cut] += np.tensordot(tap.T, g[0].astype(np.float64), 1)
            else:
                exact[:, i, j] = np.einsum("nchw,nhw->c", wide[cut], g[:, 0], optimize=True)
    if name == "input":
        exact = back[:, p : p + s.length, p : p + s.length]
    return float(np.abs(got[0] - exact).max() / exact.std())


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--json", type=Path, help="where to write the rows")
    parser.add_argument("--smoke", action="store_true", help="small sizes, to see that it runs")
    parser.add_argument("--only", default="", help="passes whose name contains this")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--search", action="store_true", help="let cuDNN try all its algorithms")
    options = parser.parse_args()
    bench = Bench()
    if bench.torch is not None:
        bench.torch.backends.cudnn.benchmark = options.search
    logs = []
    batch = 2 if options.smoke else options.batch
    for s in SMOKE if options.smoke else RESNET_50:
        arrays = (
            bench.random(batch, s.channels, s.length, s.length),
            bench.random(s.out, s.channels, s.kernel, s.kernel),
            bench.random(batch, s.out, s.result, s.result),
        )
        ours = [bench.device(a) for a in arrays]
        work = 2.0 * arrays[2].size * s.channels * s.kernel**2
        for name in PASSES:
            if options.only not in name:
                continue
            call = our_call(bench, name, s, *ours)
            row = {"pass": name, "shape": str(s), "error": error_of(bench, name, s, arrays, call())}
            calls = calls_of(seconds(call, gpu.synchronize))
            row["ours"] = bench.captured(call, calls)
            line = (
                f"{name:8} {s!s:32} {row['ours'] * 1e6:9.1f} us {work / row['ours'] / 1e12:6.1f} T"
            )
            if bench.torch is not None:
                theirs = their_call(bench.torch, name, s, *arrays)
                row["theirs"] = bench.graph(theirs, calls)
                ratio = row["theirs"] / row["ours"]
                logs += [np.log(ratio)] * s.times
                line += f"   cuDNN {row['theirs'] * 1e6:9.1f} us   {ratio:5.2f} x"
            bench.rows.append(row)
            print(f"{line}   err {row['error']:.0e}", flush=True)
    if logs:
        print(f"geometric mean {np.exp(np.mean(logs)):.3f}, worst {np.exp(min(logs)):.2f}")
    if options.json:
        options.json.write_text(json.dumps({"rows": bench.rows, "gpu": gpu.info()}, indent=1))


if __name__ == "__main__":
    main()
