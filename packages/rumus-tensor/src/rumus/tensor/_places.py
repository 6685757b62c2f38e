"""Positions of elements, and elements at all positions that go together."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from rumus._backends.registry import backend_of
from rumus._core.devices import CPU, Device, DeviceLike
from rumus._core.errors import ArgumentError

from ._counting import nonzero
from ._creation import zeros
from ._gathering import take
from ._joining import stack
from ._tensor import Tensor


def cartesian_prod(*tensors: Tensor) -> Tensor:
    """All choices of one element of each vector, a row each; the vector itself, if there is one.

    Example:
        >>> from rumus.tensor import tensor
        >>> cartesian_prod(tensor([1, 2]), tensor([3, 4])).tolist()
        [[1, 3], [1, 4], [2, 3], [2, 4]]
    """
    if len(tensors) == 1:
        return tensors[0]
    shape = [x.size for x in tensors]
    wide = [
        x.reshape([-1 if k == axis else 1 for k in range(len(shape))]).expand(shape).reshape(-1)
        for axis, x in enumerate(tensors)
    ]
    return stack(wide, 1)


def combinations(x: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """All choices of ``r`` elements of a vector, a row each, in the order of their places.

    Raises:
        ArgumentError: ``r`` is negative.

    Example:
        >>> from rumus.tensor import tensor
        >>> combinations(tensor([1, 2, 3])).tolist()
        [[1, 2], [1, 3], [2, 3]]
    """
    if r < 0:
        raise ArgumentError(f"combinations: r is from 0 on, not {r}")
    chosen = (
        itertools.combinations_with_replacement if with_replacement else itertools.combinations
    )(range(x.size), r)
    rows = list(chosen)
    places = np.array(rows, np.int32).reshape(len(rows), r)
    return take(x, fixed(places, x.device))


def tril_indices(row: int, col: int, offset: int = 0, device: DeviceLike = CPU) -> Tensor:
    """The rows and columns of the places on and below a diagonal, int32 of shape (2, n).

    Example:
        >>> tril_indices(2, 2).tolist()
        [[0, 1, 1], [0, 0, 1]]
    """
    return fixed(np.stack(np.tril_indices(row, offset, col)), device)


def triu_indices(row: int, col: int, offset: int = 0, device: DeviceLike = CPU) -> Tensor:
    """The rows and columns of the places on and above a diagonal, int32 of shape (2, n).

    Example:
        >>> triu_indices(2, 2).tolist()
        [[0, 0, 1], [0, 1, 1]]
    """
    return fixed(np.stack(np.triu_indices(row, offset, col)), device)


def argwhere(x: Tensor) -> Tensor:
    """The positions of elements that are not 0, a row each; see :func:`nonzero`.

    Example:
        >>> from rumus.tensor import tensor
        >>> argwhere(tensor([[0, 1], [2, 0]])).tolist()
        [[0, 1], [1, 0]]
    """
    if not x.ndim:
        return zeros((nonzero(x.reshape(1))[0].size, 0), dtype=np.int32, device=x.device)
    found: tuple[Tensor, ...] = nonzero(x)
    return stack(found, 1)


def unravel_index(index: Tensor, shape: int | Sequence[int]) -> tuple[Tensor, ...]:
    """The positions along each axis of flat positions in a shape.

    Example:
        >>> from rumus.tensor import tensor
        >>> [t.tolist() for t in unravel_index(tensor([1, 5]), (2, 3))]
        [[0, 1], [1, 2]]
    """
    lengths = (shape,) if isinstance(shape, int) else tuple(shape)
    steps = [math.prod(lengths[axis + 1 :]) for axis in range(len(lengths))]
    return tuple(index // step % length for step, length in zip(steps, lengths, strict=True))


def fixed(index: npt.NDArray[Any], device: DeviceLike) -> Tensor:
    """Positions that depend on shapes alone, so that a captured step may keep them."""
    device = Device(device)
    return Tensor._wrap(backend_of(device).constant(index.astype(np.int32)), device)
