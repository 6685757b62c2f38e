"""Random numbers that belong to a sample, and not to the thread that happens to fetch it."""

from __future__ import annotations

import threading
from types import TracebackType

import numpy as np

from ._order import generator


class _Epoch(threading.local):
    seed: int = 0
    epoch: int = 0


_epoch = _Epoch()


def sample_generator(index: int, nested: int = 0) -> np.random.Generator:
    """The random numbers of one sample in the current epoch.

    Inside a loader they depend on (seed, epoch, index) alone: the same for any number of workers
    and after a resume. Outside of a loader the seed and the epoch are 0.

    Args:
        index: The number of the sample.
        nested: Which of several independent streams of that sample.

    Returns:
        ``Generator(PCG64(SeedSequence([seed, epoch, index])))``; with ``nested`` above 0, the
        sequence also has the spawn key ``(nested,)``.
    """
    key = (nested,) if nested else ()
    return generator(_epoch.seed, _epoch.epoch, index, spawn_key=key)


class FetchingEpoch:
    """A with block in which this thread fetches samples for an epoch.

    Args:
        seed: The seed of the loader.
        epoch: The number of the epoch.
    """

    __slots__ = ("_before", "_now")

    def __init__(self, seed: int, epoch: int) -> None:
        self._now = (seed, epoch)

    def __enter__(self) -> None:
        self._before = (_epoch.seed, _epoch.epoch)
        _epoch.seed, _epoch.epoch = self._now

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _epoch.seed, _epoch.epoch = self._before
