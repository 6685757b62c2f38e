"""Elementwise functions of arrays, in blocks: they stay in cache, or go to threads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rumus._core.pool import in_parallel
from rumus._core.threads import threads_for

Array = npt.NDArray[Any]

BLOCK = 1 << 15  # elements: 128 KB of float32, so that a row's temporaries fit a core's cache
_STEP = 16
"""Multiplications of a matrix product that take as long as an element of one numpy call."""


def applied(
    row: Callable[..., Any], arrays: list[Any], answer: np.dtype[Any], one_step: bool
) -> Array:
    """Apply a row of the elementwise table, in blocks.

    One call of numpy is shared by threads. A row of several steps goes on one, block by block so
    that its steps stay in cache: a step of a block is shorter than a thread's turn at the
    interpreter.

    Args:
        row: the function.
        arrays: what it is applied to, arrays and scalars.
        answer: the result's dtype.
        one_step: whether it is one call of numpy, which takes ``out``.
    """
    size = max(a.size for a in arrays if isinstance(a, np.ndarray))
    threads = threads_for(size * _STEP) if one_step else 1
    cut = _cut(arrays) if size > BLOCK and (threads > 1 or not one_step) else None
    if cut is None:
        return np.asarray(row(*arrays), answer)
    out = np.empty(cut.shape, answer)
    into = out.reshape(-1) if cut.flat else out
    step = max(1, (size // threads if one_step else BLOCK) * len(into) // size)

    def run(number: int) -> None:
        part = slice(number * step, (number + 1) * step)
        given = [a[part] if own else a for a, own in zip(cut.arrays, cut.own, strict=True)]
        with np.errstate(all="ignore"):
            if one_step:
                row(*given, out=into[part])
            else:
                into[part] = row(*given)

    in_parallel(run, -(-len(into) // step), threads)
    return out


class _Cut(NamedTuple):
    """The arguments of a row that goes block by block along the first axis."""

    arrays: list[Any]
    own: list[bool]
    """Which of them have a part for each block."""
    shape: tuple[int, ...]
    """That of the result."""
    flat: bool
    """Whether all elements are in one axis."""


def _cut(arrays: list[Any]) -> _Cut | None:
    """None where no argument lies as the result does."""
    given = [a for a in arrays if isinstance(a, np.ndarray)]
    shape = np.broadcast_shapes(*(a.shape for a in given))
    lines = [_line(a, shape) if isinstance(a, np.ndarray) else a for a in arrays]
    if not any(a is None for a in lines):
        return _Cut(lines, [np.ndim(a) == 1 for a in lines], shape, True)
    if not any(a.shape == shape and a.flags.c_contiguous for a in given) or shape[0] == 1:
        return None
    own = [np.ndim(a) == len(shape) and len(a) > 1 for a in arrays]
    return _Cut(arrays, own, shape, False)


def _line(a: Array, shape: tuple[int, ...]) -> Any:
    """The elements in a line, one where all are the same; None where they do not lie so."""
    if not any(a.strides):
        return a[(0,) * a.ndim]
    return a.reshape(-1) if a.shape == shape and a.flags.c_contiguous else None
