"""The profiler: a table of operations, kernels and tensors, and a trace."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Any, Self

from rumus import gpu
from rumus.nn import Module
from rumus.tensor import ArgumentError, Device

from ._memory import Held, tensors_alive
from ._operations import OperationTimes, Span
from ._trace import write_trace


class Profiler:
    """Takes the time of everything inside of a ``with``, and says what is slow and what is large.

    Operations are timed in Python, which on a GPU records work and does not wait for it. Kernels
    are timed on the GPU where the adapter can do so. Steps should run uncaptured: a replay is one
    call, and its kernels are not timed one by one.

    Args:
        device: A GPU whose kernels are timed, such as ``"gpu"``.
        model: Whose tensors are named in the memory's table.

    Attributes:
        spans: The calls of operations.
        kernels: The kernels that ran; empty without a GPU that can time them.
        memory: The tensors at the end.

    Example:
        >>> from rumus import tensor
        >>> with Profiler() as profiler:
        ...     y = (tensor.ones((8, 8)) @ tensor.ones((8, 8))).sum()
        >>> len(profiler.spans)
        2
    """

    def __init__(self, device: str | Device | None = None, *, model: Module | None = None) -> None:
        self.spans: list[Span] = []
        self.kernels: list[gpu.KernelTime] = []
        self.memory: list[Held] = []
        self._model = model
        self._index = None if device is None else _gpu_index(device)
        self._note = ""
        self._operations = OperationTimes()
        self._timing: AbstractContextManager[list[gpu.KernelTime]] | None = None

    def __enter__(self) -> Self:
        if self._index is not None:
            timing = gpu.kernel_times(self._index)
            try:
                self.kernels = timing.__enter__()
                self._timing = timing
            except gpu.GpuError as error:
                self._note = str(error)
        self._operations.begin()
        return self

    def __exit__(self, *error: Any) -> None:
        self._operations.end()
        self.spans = self._operations.spans
        timing, self._timing = self._timing, None
        if timing is not None:
            timing.__exit__(None, None, None)
        self.memory = tensors_alive(self._model)

    def table(self, rows: int = 12) -> str:
        """The slowest operations and kernels, and the largest tensors, so many of each."""
        parts = [_times("operation (Python)", ((s.name, s.own) for s in self.spans), rows)]
        if self.kernels:
            parts.append(_times("kernel (GPU)", ((k.name, k.seconds) for k in self.kernels), rows))
        if self._note:
            parts.append(self._note)
        total = sum(held.nbytes for held in self.memory)
        lines = [f"{'tensors':<52}{'count':>8}{'MiB':>12}"]
        for held in self.memory[:rows]:
            name = f"{held.name} {held.what}".strip()
            lines.append(f"{name[:51]:<52}{held.tensors:>8}{held.nbytes / 2**20:>12.3f}")
        count = sum(held.tensors for held in self.memory)
        lines.append(f"{'all':<52}{count:>8}{total / 2**20:>12.3f}")
        return "\n\n".join([*parts, "\n".join(lines)])

    def write_trace(self, path: str | os.PathLike[str]) -> None:
        """Write what ran when, for ``chrome://tracing`` or https://ui.perfetto.dev."""
        write_trace(path, self.spans, self.kernels)


def _times(title: str, times: Iterable[tuple[str, float]], rows: int) -> str:
    """A table of seconds by name, the largest sums first."""
    sums: dict[str, list[float]] = {}
    for name, seconds in times:
        sums.setdefault(name, []).append(seconds)
    total = sum(map(sum, sums.values()))
    ranked = sorted(sums.items(), key=lambda item: -sum(item[1]))
    lines = [f"{title:<36}{'calls':>8}{'total ms':>12}{'mean µs':>12}{'share':>8}"]
    for name, found in [*ranked[:rows], ("all", [s for part in sums.values() for s in part])]:
        whole = sum(found)
        mean = whole / len(found) * 1e6 if found else 0.0
        share = whole / total if total else 0.0
        lines.append(
            f"{name[:35]:<36}{len(found):>8}{whole * 1e3:>12.3f}{mean:>12.1f}{share:>8.1%}"
        )
    return "\n".join(lines)


def _gpu_index(device: str | Device) -> int:
    """N of a device ``"gpu:N"``.

    Raises:
        ArgumentError: It is no GPU.
    """
    kind, _, index = str(device).partition(":")
    if kind != "gpu" or not (index or "0").isdigit():
        raise ArgumentError(f'kernels are timed on a GPU, such as "gpu", not on {device!r}')
    return int(index or 0)
