"""`rumus-train doctor --mpi`: whether processes find each other, and how fast they are together."""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from time import perf_counter

import numpy as np

from rumus import gpu
from rumus.tensor import GpuUnavailableError

from .._extras import extra
from .._group.agree import agreed, gather_text, ranks
from .._group.contract import Group
from .._group.find import find_group
from .._group.launcher import launch
from ._text import say

_MEBIBYTES = (1, 16, 64)
_REPEATS = 5


def doctor_of_ranks() -> int:
    """Say what the launcher started, where, with which GPUs, and what an exchange takes.

    Returns:
        0 if several ranks found each other, 1 if there is one.

    Raises:
        MissingExtraError: mpi4py is not installed.
        GroupError: No MPI library is found, the launcher's processes do not see each other, or
            they have different versions.
    """
    found = launch(os.environ)
    group = find_group("auto")
    if group.size == 1:
        _say_how_to_start()
        return 1
    agreed(group, {"Python": platform.python_version()} | _versions())
    told = [json.loads(text) for text in gather_text(group, json.dumps(_of_this_rank(group)))]
    lines = [
        f"{found.launcher if found else 'MPI'} started {group.size} ranks; {_library()}",
        *(
            f"{ranks([r for r, other in enumerate(told) if other['host'] == host])} on {host}"
            for host in dict.fromkeys(rank["host"] for rank in told)
        ),
        *(f'rank {r}: "gpu" is {rank["gpu"]}' for r, rank in enumerate(told)),
        f"agreeing on a number takes {_seconds(group, _agree(group)) * 1e6:,.0f} us",
        *_bandwidths(group),
    ]
    if group.rank == 0:
        for line in lines:
            say(line)
    return 0


def _say_how_to_start() -> None:
    extra("mpi4py", "mpi", "training on several processes")
    beside = shutil.which("mpiexec", path=str(Path(sys.executable).parent))
    mpiexec = beside or shutil.which("mpiexec")
    say(f"mpi4py {_version('mpi4py')}")
    if mpiexec is None:
        say("There is no mpiexec: load your cluster's module, or python -m pip install mpich")
    else:
        say(f"One process, and no launcher. Start several: {mpiexec} -n 2 rumus-train doctor --mpi")


def _of_this_rank(group: Group) -> dict[str, str]:
    try:
        adapters = gpu.info()["adapters"]
    except GpuUnavailableError:
        return {"host": platform.node(), "gpu": "not there: this rank can train on its CPU"}
    first = adapters[0]
    alike = sum(a["kind"] == first["kind"] and a["backend"] == first["backend"] for a in adapters)
    which = f"{first['name']} ({first['kind']}, {first['backend']})"
    shared = ", which other ranks share" if group.local_rank >= alike else ""
    text = f"{which}, number {group.local_rank % alike + 1} of {alike}{shared}"
    return {"host": platform.node(), "gpu": text}


def _versions() -> dict[str, str]:
    names = ("rumus-tensor", "rumus-data", "rumus-optim", "rumus-train", "numpy", "mpi4py")
    return {name: _version(name) for name in names}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "without metadata"


def _library() -> str:
    text: str = extra("mpi4py.MPI", "mpi", "MPI").Get_library_version()
    return " ".join(text.splitlines()[0].partition(",")[0].split())


def _agree(group: Group) -> Callable[[], None]:
    values = np.zeros(1, np.int64)
    return lambda: group.max(values).wait()


def _bandwidths(group: Group) -> list[str]:
    """What ranks exchange in a step: parts of gradients, and weights."""
    lines = []
    for mebibytes in _MEBIBYTES:
        count = mebibytes * 2**20 // group.size
        parts, into = ([np.zeros(count, np.uint8) for _ in range(group.size)] for _ in range(2))
        there = _seconds(group, lambda p=parts, i=into: group.alltoallv(p, i).wait())  # type: ignore[misc]
        back = _seconds(group, lambda p=parts, i=into: group.allgatherv(p[0], i).wait())  # type: ignore[misc]
        lines.append(
            f"{mebibytes} MiB of gradients take {there * 1e3:.1f} ms to their owners "
            f"({_rate(mebibytes, there)}), the weights {back * 1e3:.1f} ms back "
            f"({_rate(mebibytes, back)})"
        )
    return lines


def _seconds(group: Group, exchange: Callable[[], None]) -> float:
    """What the slowest rank takes, in the median."""
    exchange()
    taken = np.zeros(_REPEATS)
    for k in range(_REPEATS):
        group.barrier().wait()
        began = perf_counter()
        exchange()
        taken[k] = perf_counter() - began
    group.max(taken).wait()
    return float(np.median(taken))


def _rate(mebibytes: int, seconds: float) -> str:
    return f"{mebibytes * 2**20 / seconds / 1e9:.2f} GB/s"
