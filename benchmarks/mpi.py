"""From one process to several: our steps under mpiexec beside PyTorch's DDP, in turn.

    python benchmarks/mpi.py                          # one core, then two: gloo is the peer's
    python benchmarks/mpi.py --processes 1 16
    python benchmarks/mpi.py --device gpu --cases char cnn --batch 64 2048    # one GPU each: nccl

Each process takes a batch of the same size, and on the CPU one core. The scaling is samples a
second of n processes by those of one. A round measures all; what is printed are medians.
"""

# /// script
# dependencies = ["mpi4py>=4.1", "mpich>=4.3", "torch==2.13.0"]
# ///

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from many import CASES

HERE = Path(__file__).parent
WARM = 10
BATCHES = {"mlp": 128, "cnn": 128, "char": 64, "gpt2": 4}
ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}


def main() -> None:
    """Measure in rounds, print a table and write the numbers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=["cpu", "gpu"], default="cpu")
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--cases", nargs="+", choices=CASES, default=["mlp", "cnn"])
    parser.add_argument("--batch", type=int, nargs="+", help="of each process, one for each case")
    parser.add_argument("--accumulate", type=int, default=1)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    beside = str(Path(sys.executable).parent / "mpiexec")
    parser.add_argument("--mpiexec", nargs="+", default=[beside])
    parser.add_argument("--json", type=Path, default=Path("runs/bench/mpi.json"))
    parser.add_argument("--peer", type=int, nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--meeting", help=argparse.SUPPRESS)
    options = parser.parse_args()
    batches = options.batch or [BATCHES[case] for case in options.cases]
    if options.peer:
        peer(options, options.cases[0], batches[0])
        return

    rates: dict[str, list[float]] = {}
    for _ in range(options.rounds):
        for case, batch in zip(options.cases, batches, strict=True):
            for count in options.processes:
                rates.setdefault(f"{case} ours {count}", []).append(
                    ours(options, case, batch, count)
                )
                if has_torch():
                    rates.setdefault(f"{case} DDP {count}", []).append(
                        theirs(options, case, batch, count)
                    )
    medians = {name: statistics.median(found) for name, found in rates.items()}
    for name, rate in medians.items():
        case, side, count = name.split()
        first = medians[f"{case} {side} {options.processes[0]}"]
        spread = max(rates[name]) / min(rates[name]) - 1
        print(
            f"{case:5} {side:4} {count:>3} processes: {rate:10,.1f} samples/s, "
            f"{rate / first:5.2f} x, spread {spread:.0%}"
        )
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps({"device": options.device, "samples/s": rates}, indent=2))
    print(options.json)


def arguments(options: argparse.Namespace, case: str, batch: int) -> list[str]:
    """What a process of either side is told of a case."""
    return [
        *("--batch", str(batch), "--steps", str(options.steps)),
        *("--accumulate", str(options.accumulate), "--device", options.device),
    ]


def ours(options: argparse.Namespace, case: str, batch: int, count: int) -> float:
    """Samples a second of our steps on so many processes."""
    cpu = options.device == "cpu"
    command = [
        *(*options.mpiexec, *(["--bind-to", "core"] if cpu else []), "-n", str(count)),
        *(sys.executable, str(HERE / "many.py"), "--case", case),
        *arguments(options, case, batch),
    ]
    environment = os.environ | (ONE_THREAD if cpu else {})
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return float(json.loads(done.stdout.splitlines()[-1])["samples/s"])


def has_torch() -> bool:
    """Whether the peer is here."""
    from importlib.util import find_spec

    return find_spec("torch") is not None


def theirs(options: argparse.Namespace, case: str, batch: int, count: int) -> float:
    """The same of PyTorch's."""
    with tempfile.TemporaryDirectory() as folder:
        processes = [
            subprocess.Popen(
                [
                    *(sys.executable, __file__, "--peer", str(rank), str(count)),
                    *("--meeting", str(Path(folder) / "meeting"), "--cases", case),
                    *arguments(options, case, batch),
                ],
                env=os.environ | ONE_THREAD,
                stdout=subprocess.PIPE,
                text=True,
            )
            for rank in range(count)
        ]
        said = [process.communicate()[0] for process in processes]
    return float(said[0].splitlines()[-1])


def peer(options: argparse.Namespace, case: str, batch: int) -> None:
    """One process of DDP: train, and let rank 0 print samples a second."""
    import torch

    rank, count = options.peer
    if cpu := options.device == "cpu":
        torch.set_num_threads(1)
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[rank % len(cores)]})
    else:
        torch.cuda.set_device(rank)
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    torch.manual_seed(0)
    device = "cpu" if cpu else f"cuda:{rank}"
    model: Any = CASES[case].theirs(torch).to(device)
    if count > 1:
        torch.distributed.init_process_group(
            "gloo" if cpu else "nccl",
            init_method=f"file://{options.meeting}",
            rank=rank,
            world_size=count,
        )
        model = torch.nn.parallel.DistributedDataParallel(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01, fused=not cpu)
    inputs, targets = batch_of(torch, case, batch, rank, device)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        for part in range(options.accumulate):
            model.require_backward_grad_sync = part == options.accumulate - 1  # what no_sync sets
            loss = torch.nn.functional.cross_entropy(model(inputs), targets) / options.accumulate
            loss.backward()
        optimizer.step()

    for _ in range(WARM):
        step()
    if not cpu:
        torch.cuda.synchronize()
    began = time.perf_counter()
    for _ in range(options.steps):
        step()
    if not cpu:
        torch.cuda.synchronize()
    seconds = time.perf_counter() - began
    if rank == 0:
        print(options.steps * options.accumulate * batch * count / seconds, flush=True)
    if count > 1:
        torch.distributed.destroy_process_group()


def batch_of(torch: Any, case: str, batch: int, rank: int, device: str) -> tuple[Any, Any]:
    """Random inputs, and a class for each of them or for each id."""
    rng = np.random.default_rng(rank)
    shape = (batch, *CASES[case].shape[1:])
    classes = CASES[case].classes
    if CASES[case].ids:
        given: Any = rng.integers(0, classes, shape)
        answers = rng.integers(0, classes, given.size)
    else:
        given = rng.standard_normal(shape, np.float32)
        answers = rng.integers(0, classes, batch)
    return torch.from_numpy(given).to(device), torch.from_numpy(answers).to(device)


if __name__ == "__main__":
    main()
