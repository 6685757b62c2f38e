"""Gradients of several batches as those of one, by a tree whose shape their number decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from rumus import gpu
from rumus.autograd import GradientStore
from rumus.nn import Parameter
from rumus.tensor import Keyed, Tensor, from_numpy

from ._errors import CheckpointError

Sums = dict[str, Tensor]


class Fold:
    """The mean of the gradients of batches, each weighted by its samples.

    With the gradients ``g`` of means over ``n`` samples, the result is ``Σ n g / Σ n``: that of one
    batch of all samples, also where the last one is smaller. The sum is a binary tree over the
    batches, as if there were further empty ones up to a power of two: what lies in aligned halves
    is added first, so that any contiguous runs of batches can be summed elsewhere and joined to the
    same bits. Sums are float32, and rounded once. At most a sum for each level is kept.

    A captured step may add a batch: it has a recording for each number of halves that a batch
    completes, and from then on the sum of a level stays in one place.

    Args:
        params: Whose gradients, in order.
    """

    def __init__(self, params: Sequence[Parameter]) -> None:
        self._params = list(params)
        self._levels: list[tuple[int, Sums]] = []
        self._places: dict[int, Sums] | None = None
        """Of each level, once a captured step knows them."""
        self._halves = Keyed(())
        """What the next batch is added to, for captured steps to choose their recordings by."""
        self.samples = 0

    def add(self, grads: GradientStore, samples: int) -> None:
        """Add a batch's gradients, and take them out of their store."""
        is_recorded = gpu.is_recording()
        if is_recorded and self._places is None:
            self._places = {}
            self._settle()
        if is_recorded:
            self._halves.get()
        sums: Sums = {}
        for k, parameter in enumerate(self._params):
            grad = grads.pop(parameter)
            if grad is not None:
                sums[str(k)] = grad.to(np.float32) * float(samples)
        halves = self._completed()
        for left in halves:
            sums = _added(left, sums)
        if self._places is not None:
            sums = self._placed(len(halves), sums)
        gpu.when_replayed(partial(self._push, len(halves), sums, samples))

    def take(self) -> GradientStore:
        """The mean; the fold is empty then."""
        _, total = self._levels.pop()
        while self._levels:
            total = _added(self._levels.pop()[1], total)
        store: GradientStore = GradientStore()
        for name, value in total.items():
            parameter = self._params[int(name)]
            store.replace(parameter, (value * (1.0 / self.samples)).to(parameter.dtype))
        self.samples = 0
        self._note()
        return store

    def state_dict(self) -> dict[str, Any]:
        """The sums of the tree so far, by level and the parameter's number."""
        sums = [{"level": level, "sums": dict(sums)} for level, sums in self._levels]
        return {"samples": self.samples, "levels": sums}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where another fold of the same parameters was.

        Raises:
            CheckpointError: It is of other parameters.
        """
        levels = []
        for entry in state["levels"]:
            sums: Sums = {}
            for name, array in entry["sums"].items():
                known = int(name) < len(self._params)
                if not known or self._params[int(name)].shape != np.shape(array):
                    raise CheckpointError("the open accumulation is of other parameters")
                value = from_numpy(np.asarray(array))
                sums[name] = value.to(self._params[int(name)].device)
            levels.append((int(entry["level"]), sums))
        self._levels, self.samples = levels, int(state["samples"])
        if self._places is not None:
            self._settle()
        self._note()

    def _completed(self) -> list[Sums]:
        """The halves that a batch completes, the smallest first."""
        found: list[Sums] = []
        for level, sums in reversed(self._levels):
            if level != len(found):
                break
            found.append(sums)
        return found

    def _push(self, level: int, sums: Sums, samples: int) -> None:
        """Be where a batch was added."""
        del self._levels[len(self._levels) - level :]
        self._levels.append((level, sums))
        self.samples += samples
        self._note()

    def _note(self) -> None:
        if self._places is not None:
            self._halves.set(tuple(tuple(half) for half in self._completed()))

    def _settle(self) -> None:
        """Move the sums that are there to their places."""
        with gpu.outside_capture():
            self._levels = [(level, self._placed(level, sums)) for level, sums in self._levels]
        self._note()

    def _placed(self, level: int, sums: Sums) -> Sums:
        """The sums in the places of a level."""
        assert self._places is not None
        places = self._places.setdefault(level, {})
        for name, value in sums.items():
            if name not in places or places[name].device is not value.device:
                places[name] = _room(value)
            places[name].copy_(value)
        return {name: places[name] for name in sums}


def _added(left: Sums, right: Sums) -> Sums:
    """The sums of two neighbours, the earlier one first."""
    names = [*left, *(name for name in right if name not in left)]
    both = left.keys() & right.keys()
    return {n: left[n] + right[n] if n in both else left.get(n, right.get(n)) for n in names}  # type: ignore[misc]


def _room(like: Tensor) -> Tensor:
    """Memory that recordings may use for ever."""
    if like.device.kind == "cpu":
        return from_numpy(np.zeros(like.shape, np.float32))
    with gpu.outside_capture():
        return Tensor.from_array(gpu.persist(gpu.zeros(like.shape, np.float32, like.device.index)))
