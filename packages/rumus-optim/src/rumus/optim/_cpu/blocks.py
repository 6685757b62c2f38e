"""Optimizer steps in numpy: block by block, so that a block's arrays stay in the cache."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from rumus.tensor import get_num_threads

F32 = npt.NDArray[np.float32]

BLOCK = 65536
"""Elements of a block: the measured optimum of one thread, where an update reads 3 to 5 arrays."""

_WIDE_BLOCK = 3 * BLOCK // 2
"""The same for several threads: each numpy call ends with a turn at the interpreter, and a thread
that finds it taken goes to sleep, which costs more than a block that half leaves the cache."""

_PARALLEL_BLOCK = 16384
"""Below this many elements a block's numpy calls are too short to let go of the interpreter."""

_MOST_THREADS = 4
"""Threads that gain something. With blocks for which there is room in the scratch memory, more of
them wait for their turns: AdamW over 16M takes 61, 33, 25 and 22 ms on one to four, 29 on eight."""

_SCRATCH_BYTES = 2 * 1024 * 1024 - 65536
"""What the scratch blocks of all threads together may take: 2 MiB with some room."""

Span = tuple[int, int, int]
"""Index of a flat array, first and last-plus-one element."""

Body = Callable[[Span, list[npt.NDArray[Any]]], None]
"""Works on one block, with scratch arrays of its length."""

_pool: ThreadPoolExecutor | None = None


def spans(sizes: Sequence[int], block: int = BLOCK) -> list[Span]:
    """Cut flat arrays of the given sizes into blocks."""
    return [
        (i, start, min(start + block, size))
        for i, size in enumerate(sizes)
        for start in range(0, size, block)
    ]


def wide_spans(sizes: Sequence[int], scratch: str) -> list[Span]:
    """Blocks for results that do not depend on where a block ends, as sums over blocks do.

    Args:
        sizes: of the flat arrays.
        scratch: as in :func:`for_spans`; all threads together must have room for it.
    """
    threads = _most_threads()
    if threads == 1:
        return spans(sizes)
    room = _SCRATCH_BYTES // (threads * max(_item_bytes(scratch), 1))
    return spans(sizes, max(BLOCK, min(_WIDE_BLOCK, room // 4096 * 4096)))


def _most_threads() -> int:
    return min(get_num_threads(), _MOST_THREADS)


def for_spans(work: Sequence[Span], scratch: str, body: Body) -> None:
    """Call ``body`` for every block, on several threads where that pays.

    Args:
        work: the blocks; no two may touch the same elements.
        scratch: the arrays of a block's size that ``body`` needs to write into, a letter each:
            ``f`` for float32, ``d`` for float64.
        body: takes a block and the scratch arrays, cut to its length.
    """
    large = [s for s in work if s[2] - s[1] >= _PARALLEL_BLOCK]
    small = [s for s in work if s[2] - s[1] < _PARALLEL_BLOCK]
    block_bytes = max((s[2] - s[1] for s in large), default=0) * _item_bytes(scratch)
    threads = min(_most_threads(), _SCRATCH_BYTES // max(block_bytes, 1), len(large) // 2)
    if threads < 2:
        _serve(work, scratch, body)
        return
    edges = [len(large) * k // threads for k in range(threads + 1)]
    shares = [large[a:b] for a, b in pairwise(edges)]
    shares[0] = shares[0] + small
    pending = [_threads().submit(_serve, share, scratch, body) for share in shares[1:]]
    try:
        _serve(shares[0], scratch, body)
    finally:
        errors = [future.exception() for future in pending]
    for error in errors:
        if error is not None:
            raise error


def _item_bytes(scratch: str) -> int:
    return sum(np.dtype(letter).itemsize for letter in scratch)


def _serve(work: Sequence[Span], scratch: str, body: Body) -> None:
    longest = max((stop - start for _, start, stop in work), default=0)
    buffers = [np.empty(longest, letter) for letter in scratch]
    # Overflow and NaN are values here, as they are on the GPU; numpy's warnings are per thread.
    with np.errstate(all="ignore"):
        for span in work:
            length = span[2] - span[1]
            body(span, [b[:length] for b in buffers])


def _threads() -> ThreadPoolExecutor:
    global _pool
    if _pool is None:
        _pool = ThreadPoolExecutor(_MOST_THREADS, thread_name_prefix="rumus-optim")
    return _pool


def _forget_pool() -> None:
    global _pool
    _pool = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)


def add_scaled(x: F32, y: F32, alpha: float, wide: npt.NDArray[np.float64], out: F32) -> F32:
    """``out = x + alpha · y`` rounded once, as a fused multiply-add does; ``wide`` is scratch."""
    # dtype is said: in threads numpy 2.1.0 promotes as numpy 1 did, and would multiply in float32
    np.multiply(y, np.float64(np.float32(alpha)), out=wide, dtype=np.float64)
    np.add(x, wide, out=out, casting="same_kind")
    return out


def blend(x: F32, y: F32, keep: float, share: float, scratch: F32) -> None:
    """``x ← keep · x + share · y``; ``scratch`` may be ``y``."""
    np.multiply(x, keep, out=x)
    np.multiply(y, share, out=scratch)
    np.add(x, scratch, out=x)


def blend_squares(x: F32, y: F32, keep: float, share: float, scratch: F32) -> None:
    """``x ← keep · x + share · y²``, the share first: it keeps squares from overflowing."""
    np.multiply(x, keep, out=x)
    np.multiply(y, share, out=scratch)
    np.multiply(scratch, y, out=scratch)
    np.add(x, scratch, out=x)


def flat(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A contiguous array as one axis, without a copy."""
    return array.reshape(array.size)


def read_block(source: npt.NDArray[Any], start: int, stop: int, scale: float, out: F32) -> None:
    """Write elements ``start … stop`` of an array, in row-major order and scaled, to ``out``."""
    factor = np.float32(scale)
    if source.flags.c_contiguous:
        np.multiply(flat(source)[start:stop], factor, out=out, dtype=np.float32)
        return
    for position, chunk in _gather(source, start, stop):
        np.multiply(chunk, factor, out=out[position : position + chunk.size], dtype=np.float32)


def _gather(
    source: npt.NDArray[Any], start: int, stop: int
) -> Iterator[tuple[int, npt.NDArray[Any]]]:
    iterator: Any = np.nditer(
        source, flags=["external_loop", "buffered", "ranged"], order="C", buffersize=8192
    )
    iterator.iterrange = (start, stop)
    position = 0
    for chunk in iterator:
        values = np.asarray(chunk)
        yield position, values
        position += values.size
