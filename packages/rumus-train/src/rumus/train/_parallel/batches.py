"""Whole batches, of which each rank takes its parts: whether all ranks have the same."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rumus.tensor import Tensor, tree

from .._batches import samples_of
from .._group.agree import agreed
from .._group.contract import Group

_LOOKED_AT = 256
"""Numbers of an array that its mark depends on: enough to tell samples from others."""


class Mark(NamedTuple):
    """What tells a batch from another.

    Attributes:
        samples: How many there are; -1 where there is no batch.
        checksum: Of its structure, its shapes and some of its numbers, from 0.
    """

    samples: int
    checksum: int


NONE = Mark(-1, 0)


def samples_in(part: Any) -> int:
    """The samples of a part of a batch, in which tensors without an axis are settings."""
    leaves = tree.flatten(part)[0]
    return samples_of([x for x in leaves if isinstance(x, Tensor) and x.ndim])


def mark_of(batch: Any) -> Mark:
    """The mark of a batch; numbers on a GPU are not looked at, as that would wait for it."""
    leaves, structure = tree.flatten(batch)
    checksum = zlib.crc32(repr(structure).encode())
    for leaf in leaves:
        if isinstance(leaf, Tensor):
            checksum = zlib.crc32(f"{leaf.shape} {leaf.dtype}".encode(), checksum)
        if isinstance(leaf, Tensor) and leaf.device.kind == "cpu":
            checksum = zlib.crc32(some_of(leaf.detach().numpy()), checksum)
    return Mark(samples_in(batch), checksum)


def some_of(array: npt.NDArray[Any]) -> bytes:
    """Numbers from all over an array."""
    return np.asarray(array.flat[:: max(array.size // _LOOKED_AT, 1)]).tobytes()


def check_same(group: Group, name: str, marks: Sequence[Mark], batch: Any) -> None:
    """Raise if ranks have other batches.

    Args:
        group: The ranks.
        name: What the batch is called.
        marks: Those of all ranks, or the least and the largest; the same on every rank.
        batch: That of this rank; None if it has none.

    Raises:
        GroupError: On every rank, with what each has.
    """
    if len(set(marks)) > 1:
        agreed(group, {f"{name}, of which each rank takes its part": _described(batch)})


def _described(batch: Any) -> str:
    if batch is None:
        return "none"
    mark, leaves = mark_of(batch), tree.flatten(batch)[0]
    shapes = ", ".join(f"{x.shape} {x.dtype}" for x in leaves if isinstance(x, Tensor))
    return f"{mark.samples} samples in {shapes} with the checksum {mark.checksum:08x}"
