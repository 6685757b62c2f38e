"""Loops of the CPU on several threads: they wait between the loops, and the caller works along."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from typing import TYPE_CHECKING

from .threads import blas_alone, blas_threads, threads_for

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

_pools: dict[int, ThreadPoolExecutor] = {}
"""By their number of threads."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pools.clear)


def in_parallel(run: Callable[[int], None], tasks: int, threads: int) -> None:
    """Call with 0 to ``tasks - 1``, on several threads.

    A task should be a few long calls: each numpy call ends with a turn at the interpreter, and to
    find it taken costs 5 to 10 microseconds.

    Args:
        run: one task; it touches nothing that another one does, and multiplies no matrices.
        tasks: their number.
        threads: at most, this one among them.
    """
    count = min(threads, tasks)
    if count < 2:
        for number in range(tasks):
            run(number)
        return
    _spread(run, tasks, count)


def products_in_parallel(run: Callable[[int], None], tasks: int, work: int) -> None:
    """As :func:`in_parallel`, for tasks that multiply matrices, where that is worth threads.

    BLAS then has one thread in each of them; where it cannot be told that, the tasks come one after
    the other.

    Args:
        run: one task; it touches nothing that another one does.
        tasks: their number.
        work: as in :func:`threads_for`.
    """
    count = min(threads_for(work), tasks)
    alone: AbstractContextManager[None] | None = blas_alone() if count > 1 else None
    if alone is None:
        with blas_threads(work):
            in_parallel(run, tasks, 1)
        return
    with alone:
        _spread(run, tasks, count)


class _Tasks:
    """Numbers that threads take one after the other, until none is left or a task has failed."""

    def __init__(self, run: Callable[[int], None], tasks: int) -> None:
        self._run = run
        self._numbers = iter(range(tasks))
        self._over = False

    def work(self) -> None:
        """Take tasks."""
        try:
            for number in self._numbers:
                if self._over:
                    return
                self._run(number)
        except BaseException:
            self._over = True
            raise


def _spread(run: Callable[[int], None], tasks: int, count: int) -> None:
    work = _Tasks(run, tasks).work
    helpers: list[Future[None]] = []
    with suppress(RuntimeError):  # the interpreter ends, and pools take nothing any more
        while len(helpers) < count - 1:
            helpers.append(_pool(count - 1).submit(work))
    try:
        work()
    finally:
        # Who has not begun is not waited for, so that a task may spread work of its own
        errors = [None if helper.cancel() else helper.exception() for helper in helpers]
    for error in errors:
        if error is not None:
            raise error


def _pool(threads: int) -> ThreadPoolExecutor:
    if threads not in _pools:
        from concurrent.futures import ThreadPoolExecutor

        _pools.setdefault(threads, ThreadPoolExecutor(threads, "rumus"))
    return _pools[threads]
