"""How many threads work on the CPU takes: one number, which all packages follow.

numpy's matrix products run in BLAS, which has threads of its own. They wait for each other by
spinning, so that a small product on many of them is slower than on one, and much slower where the
machine does other work too. A product therefore gets no more threads than it has work for, and
BLAS's own number is put back after it. Where that number was set by somebody, in the environment or
by ``threadpoolctl``, it is left alone.
"""

from __future__ import annotations

import os
import sys
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any

from .errors import ArgumentError
from .frames import Claim, FrameLock

WORK_A_THREAD = 1 << 23
"""Multiplications that are worth a thread of BLAS: some 0.15 ms."""
ALONE = 1 << 18
"""Multiplications up to which BLAS takes one thread by itself."""
MOST_BY_DEFAULT = 8
"""Sixteen gain a quarter on a product of 128 x 784 x 512, and lose 80 times on a busy machine."""
_BLAS_VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")

_chosen: int | None = None


def get_num_threads() -> int:
    """How many threads work on the CPU takes at most.

    What :func:`set_num_threads` was given, else the environment variable ``RUMUS_NUM_THREADS``,
    else the cores that this process may use (two hardware threads of one core count once), eight at
    most.

    Example:
        >>> get_num_threads() >= 1
        True
    """
    return _default() if _chosen is None else _chosen


def set_num_threads(count: int | None) -> None:
    """Let work on the CPU take so many threads at most, in all packages of rumus.

    The results of rumus's own loops do not depend on it, those of matrix products do in their last
    bits, as BLAS adds up in another order.

    Args:
        count: From 1; None goes back to the default.

    Raises:
        ArgumentError: It is no whole number, or below 1.

    Example:
        >>> set_num_threads(1)
        >>> get_num_threads()
        1
        >>> set_num_threads(None)
    """
    global _chosen
    if count is not None and (isinstance(count, bool) or not isinstance(count, int) or count < 1):
        raise ArgumentError(f"a number of threads is a whole number from 1, not {count!r}")
    _chosen = count


@cache
def _default() -> int:
    given = os.environ.get("RUMUS_NUM_THREADS")
    if given is None:
        return min(_cores(), MOST_BY_DEFAULT)
    if not given.isdecimal() or int(given) < 1:
        raise ArgumentError(f"RUMUS_NUM_THREADS is a whole number from 1, not {given!r}")
    return int(given)


def _cores() -> int:
    """The cores of this process; its share, in a container."""
    if hasattr(os, "sched_getaffinity"):
        allowed = os.sched_getaffinity(0)
    else:
        allowed = set(range(os.cpu_count() or 1))
    topology = "/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"
    siblings = {_text(topology.format(cpu)) for cpu in allowed}
    count = len(siblings)
    if "" in siblings:  # no Linux: x86 has two threads a core on most machines, ARM has one
        import platform

        halved = platform.machine() in ("x86_64", "AMD64") and len(allowed) >= 4
        count = len(allowed) // 2 if halved else len(allowed)
    quota, _, period = _text("/sys/fs/cgroup/cpu.max").partition(" ")
    return min(count, max(1, round(int(quota) / int(period)))) if quota.isdecimal() else count


def _text(path: str) -> str:
    """What a file of the system says, or nothing."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().strip()
    except OSError:
        return ""


class _Blas:
    """The BLAS of numpy, whose number of threads a product may lower while it runs."""

    def __init__(self, library: Any) -> None:
        self._library = library
        self._lock = FrameLock()
        self._running: dict[Claim, int] = {}
        self._own: int = library.get_num_threads()

    def at_most(self, count: int) -> AbstractContextManager[None]:
        """No more threads meanwhile; products of several threads share the largest number."""
        return _AtMost(self, count)

    def begin(self, claim: Claim, count: int) -> None:
        """Take the number of a product that begins."""
        with self._lock:
            if self._running:
                self._set()  # without those that were interrupted
            if not self._running:
                self._own = self._library.get_num_threads()
            self._running[claim] = count
            self._set()

    def end(self, claim: Claim) -> None:
        """Forget a product."""
        claim.end()
        with self._lock:
            self._set()

    def _set(self) -> None:
        for claim in [claim for claim in self._running if claim.is_over()]:
            del self._running[claim]
        most = max(self._running.values(), default=self._own)
        self._library.set_num_threads(min(self._own, most))


class _AtMost:
    """Lowers the number of threads; for no longer than the function runs that asks for it."""

    def __init__(self, blas: _Blas, count: int) -> None:
        self._blas, self._count = blas, count

    def __enter__(self) -> None:
        self._claim = Claim(sys._getframe(1))
        self._blas.begin(self._claim, self._count)

    def __exit__(self, *_: object) -> None:
        self._blas.end(self._claim)


@cache
def _blas() -> _Blas | None:
    """The BLAS that numpy uses, unless there is none that can be told, or somebody told it."""
    if any(variable in os.environ for variable in _BLAS_VARIABLES):
        return None
    import threadpoolctl

    found = threadpoolctl.ThreadpoolController().select(user_api="blas").lib_controllers
    numpys = [library for library in found if "numpy" in library.filepath]
    library = numpys[0] if numpys else found[0] if len(found) == 1 else None
    if library is None or library.get_num_threads() < min(os.cpu_count() or 1, 2):
        return None
    return _Blas(library)


def threads_for(work: int) -> int:
    """How many threads a loop or a product is worth.

    Args:
        work: what it costs, in multiplications of a matrix product.
    """
    return max(1, min(get_num_threads(), work // WORK_A_THREAD))


def blas_threads(work: int) -> AbstractContextManager[None]:
    """Give a matrix product as many threads as it has work for.

    Args:
        work: Its multiplications.
    """
    blas = _blas() if work > ALONE else None
    if blas is None:
        return nullcontext()
    return blas.at_most(threads_for(work))


def blas_alone() -> AbstractContextManager[None] | None:
    """One thread of BLAS for each caller meanwhile; None where BLAS cannot be told that."""
    blas = _blas()
    return None if blas is None else blas.at_most(1)
