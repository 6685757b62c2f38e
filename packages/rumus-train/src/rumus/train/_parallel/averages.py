"""Averaged weights of which each rank keeps a part."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import accumulate
from typing import Any

import numpy as np

from rumus.nn import Parameter
from rumus.optim import WeightAverage
from rumus.tensor import from_numpy, no_grad

from .._group.contract import Array, Group


class SharedAverage:
    """A :class:`rumus.optim.WeightAverage` over several ranks, with the calls of one.

    Each rank keeps and moves the averages of some parameters, which follow each other; of all of
    them at most its share of the elements and one parameter more.

    Args:
        average: Keeps this rank's part until :meth:`end`.
        group: The ranks.
    """

    def __init__(self, average: WeightAverage, group: Group) -> None:
        self._average, self._group = average, group
        self._owned = _owned(average.params, group.size)
        average.keep(self._owned[group.rank])

    def update(self) -> None:
        """Move the averages of this rank."""
        self._average.update()

    def state_dict(self) -> dict[str, Any]:
        """The state of this rank's part."""
        return self._average.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state of all parameters, or of this rank's."""
        self._average.load_state_dict(state)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Let all parameters have the averages' values for a while; all ranks call it."""
        own = self._owned[self._group.rank]
        others = [p for owned in self._owned if owned is not own for p in owned]
        with no_grad():
            before = [p.detach() * 1.0 for p in others]
        with self._average.applied():
            try:
                self._put(self._gathered([p.numpy() for p in own]))
                yield
            finally:
                with no_grad():
                    for parameter, value in zip(others, before, strict=True):
                        parameter.copy_(value)

    def end(self) -> None:
        """Let every rank have the averages of all parameters; all ranks call it."""
        state = self._average.state_dict()
        found = self._gathered(list(state["averages"].values()))
        self._average.keep(self._average.params)
        keys = self._average.state_dict()["averages"]
        arrays = [array for of_rank in found for array in of_rank]
        self._average.load_state_dict({**state, "averages": dict(zip(keys, arrays, strict=True))})

    def _gathered(self, mine: Sequence[Array]) -> list[list[Array]]:
        """An array for each parameter, of the ranks that own them."""
        flat = [np.empty(sum(p.size for p in owned), np.float32) for owned in self._owned]
        own = flat[self._group.rank]
        np.concatenate([a.reshape(-1) for a in mine] or [own], out=own, casting="same_kind")
        self._group.allgatherv(own, flat).wait()
        return [
            [part.reshape(p.shape) for p, part in zip(owned, np.split(values, ends), strict=False)]
            for owned, values in zip(self._owned, flat, strict=True)
            for ends in [list(accumulate(p.size for p in owned))]
        ]

    def _put(self, found: Sequence[Sequence[Array]]) -> None:
        with no_grad():
            for rank, (owned, arrays) in enumerate(zip(self._owned, found, strict=True)):
                for parameter, array in zip(owned, arrays, strict=True):
                    if rank != self._group.rank:
                        value = from_numpy(array).to(parameter.device)
                        parameter.copy_(value.to(parameter.dtype))


def _owned(params: Sequence[Parameter], size: int) -> list[list[Parameter]]:
    """Parameters, in their order, for each rank: by where the middle of one lies among all."""
    owned: list[list[Parameter]] = [[] for _ in range(size)]
    total, before = sum(p.size for p in params), 0
    for parameter in params:
        middle = before + parameter.size / 2
        owned[min(int(middle * size / max(total, 1)), size - 1)].append(parameter)
        before += parameter.size
    return owned
