"""One optimizer's update by all ranks: sums, owners, one decision, weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from rumus.autograd import GradientStore
from rumus.nn import Parameter
from rumus.optim import Optimizer
from rumus.tensor import ArgumentError, MissingGradError, Tensor, structure_version

from .._group.contract import Group
from .device_vectors import DeviceVectors
from .exchange import Exchange
from .layout import Layout, Span
from .sums import ShardSums
from .tree import Node
from .vectors import HostVectors, Vector, Vectors

_EPS = 1e-6
"""Added to a norm before dividing by it, as :func:`rumus.optim.clip_grad_norm_` does."""


class Update:
    """The gradients of one optimizer, from backward passes over shards to new weights.

    Args:
        group: The ranks.
        owned: The shards of each rank.
        optimizer: Keeps the state of this rank's segment from now on.
    """

    def __init__(self, group: Group, owned: Sequence[range], optimizer: Optimizer) -> None:
        self._group, self._owned, self._optimizer = group, owned, optimizer
        self._own = owned[group.rank]
        self._layout: Layout | None = None
        self._places: list[tuple[Any, Tensor]] = []
        """Each parameter, and its gradient in the arenas."""
        self._structure = -1
        self._spans: list[Span] = []
        self._held: GradientStore | None = None
        self._taken: dict[Node, Vector] | None = None
        self.samples = 0
        """Of the shards of this rank that were added."""
        self._lay_out()

    def settle(self, grads: GradientStore) -> None:
        """Bring a backward pass's gradients to their places in the arenas; a capture records it.

        They are held until :meth:`release`, so that no other backward pass takes their places.

        Raises:
            MissingGradError: A parameter that requires a gradient has none.
            ArgumentError: One has a hook on its gradient.
        """
        self._lay_out()
        for parameter, place in self._places:
            if not parameter.requires_grad:
                continue
            grad = grads.get(parameter.id)
            if grad is None:
                raise MissingGradError(
                    f"{parameter.label} of shape {parameter.shape} has no gradient; the loss "
                    "does not depend on it"
                )
            if parameter.hooks:
                raise ArgumentError(
                    f"{parameter.label} has a hook on its gradient, which would see that of "
                    "one shard; with shards gradients are whole only after the fold, each in "
                    "the process that owns it. To clip them there is fit(clip=...)"
                )
            if not _shares(grad.array, place.array):
                place.copy_(grad)
        self._held = grads

    def clear(self) -> None:
        """Forget the shards that were added since the last step."""
        self._held, self.samples = None, 0
        self._sums.clear()

    def release(self) -> None:
        """There is no other backward pass before :meth:`add`."""
        self._held = None

    def add(self, shard: int, samples: int, is_last: bool) -> None:
        """Take the gradients in the arenas as a shard's.

        Args:
            shard: Whose.
            samples: That they are the mean of.
            is_last: Whether the step has no further batch.
        """
        if not self.samples:
            self._spans = self._lay_out().trained()
        value = self._vectors.weighted(self._spans, float(samples))
        self.samples += samples
        self._sums.add(shard, value, is_last)

    def begin(self) -> None:
        """Send the first sums, while ranks still tell each other how many samples there were."""
        layout = self._lay_out()
        if not self.samples:
            self._spans = layout.trained()
        self.samples = 0
        self._taken = self._sums.take()
        if self._group.size > 1:
            self._exchange.begin_sums(self._spans, self._taken)

    def step(self, samples: int, max_norm: float | None) -> None:
        """Update the weights of all ranks.

        Args:
            samples: Of all shards; 0 leaves the weights as they are.
            max_norm: The norm to clip to.
        """
        if self._taken is None:
            self.begin()
        self._put_means(samples)
        if not samples:
            return
        optimizer, rank = self._optimizer, self._group.rank
        grads = self._gradients()
        finite = None
        if max_norm is not None or optimizer.skip_nonfinite:
            norm = self._norm(grads)
            finite = math.isfinite(norm)
            if finite and max_norm is not None and norm + _EPS > max_norm:
                grads.scale_by(list(grads), max_norm / (norm + _EPS))
        if self._group.size == 1:
            optimizer.step(grads)
            return
        first, last = self._lay_out().cuts[rank : rank + 2]
        optimizer.step_range(first, last, grads, finite=finite)
        self._exchange.gather_weights(self._spans)

    def _put_means(self, samples: int) -> None:
        """Let the gradients of this rank's segment be the means over all shards."""
        assert self._taken is not None, "the step has begun"
        sums, self._taken = self._taken, None
        if self._group.size > 1:
            self._exchange.gather_sums(samples)
        elif samples:
            (total,) = sums.values()
            for span, values in zip(self._spans, total, strict=True):
                self._vectors.put_mean(span, values, 1.0 / samples)
        for vector in sums.values():
            self._vectors.free(vector)

    def _norm(self, grads: GradientStore) -> float:
        """The norm over all segments: sums over blocks, in an order of their own."""
        mine = self._optimizer.block_squares(grads)
        if self._group.size == 1:
            return math.sqrt(math.fsum(mine))
        squares = [np.empty(count) for count in self._lay_out().blocks()]
        self._group.allgatherv(mine, squares).wait()
        return math.sqrt(math.fsum(np.concatenate(squares)))

    def _gradients(self) -> GradientStore:
        """The arenas' gradients, of which this rank's segment is looked at."""
        grads = GradientStore()
        for parameter, place in self._places:
            if parameter.requires_grad:
                grads.replace(parameter.id, place)
        return grads

    def _lay_out(self) -> Layout:
        """Where everything is; anew where the parameters have moved."""
        structure = structure_version()
        if self._layout is not None and structure == self._structure:
            return self._layout
        self._structure = structure
        if self._layout is not None and self._layout.is_current():
            return self._layout
        optimizer, group = self._optimizer, self._group
        params: list[Parameter] = optimizer.params
        self._layout = layout = Layout(params, group.size, optimizer.elementwise)
        on_cpu = params[0].device.kind == "cpu"
        kind = HostVectors if on_cpu else DeviceVectors
        self._vectors: Vectors = kind(layout.arenas)
        slots = [slot for arena in layout.arenas for slot in arena.slots]
        self._places = [(slot.parameter, self._vectors.gradient(slot)) for slot in slots]
        self._exchange = Exchange(group, self._owned, layout, self._vectors)
        self._sums = ShardSums(self._own, self._owned[-1].stop, self._vectors.added, self._zeros)
        if group.size > 1:
            optimizer.own_range(*layout.cuts[group.rank : group.rank + 2])
        return layout

    def _zeros(self) -> Vector:
        return self._vectors.zeros(self._spans)


def _shares(a: Any, b: Any) -> bool:
    if isinstance(b, np.ndarray):
        return bool(np.may_share_memory(a, b))
    return a.storage is b.storage
