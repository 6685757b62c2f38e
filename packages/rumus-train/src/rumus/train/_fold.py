"""Gradients of several batches as those of one, by a tree whose shape their number decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rumus.autograd import GradientStore
from rumus.nn import Parameter
from rumus.tensor import Tensor, from_numpy

from ._errors import CheckpointError

Sums = dict[str, Tensor]


class Fold:
    """The mean of the gradients of batches, each weighted by its samples.

    With the gradients ``g`` of means over ``n`` samples, the result is ``Σ n g / Σ n``: that of one
    batch of all samples, also where the last one is smaller. The sum is a binary tree over the
    batches, as if there were further empty ones up to a power of two: what lies in aligned halves
    is added first, so that any contiguous runs of batches can be summed elsewhere and joined to the
    same bits. Sums are float32, and rounded once. At most a sum for each level is kept.

    Args:
        params: Whose gradients, in order.
    """

    def __init__(self, params: Sequence[Parameter]) -> None:
        self._params = list(params)
        self._levels: list[tuple[int, Sums]] = []
        self.samples = 0

    def add(self, grads: GradientStore, samples: int) -> None:
        """Add a batch's gradients, and take them out of their store."""
        sums: Sums = {}
        for k, parameter in enumerate(self._params):
            grad = grads.pop(parameter)
            if grad is not None:
                sums[str(k)] = grad.to(np.float32) * float(samples)
        level = 0
        while self._levels and self._levels[-1][0] == level:
            sums = _added(self._levels.pop()[1], sums)
            level += 1
        self._levels.append((level, sums))
        self.samples += samples

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


def _added(left: Sums, right: Sums) -> Sums:
    """The sums of two neighbours, the earlier one first."""
    names = [*left, *(name for name in right if name not in left)]
    both = left.keys() & right.keys()
    return {n: left[n] + right[n] if n in both else left.get(n, right.get(n)) for n in names}  # type: ignore[misc]
