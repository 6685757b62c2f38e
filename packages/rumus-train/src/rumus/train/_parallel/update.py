"""One optimizer's update by all ranks: sums, owners, one decision, weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np

from rumus.autograd import GradientStore, following
from rumus.gpu import in_between
from rumus.nn import Parameter
from rumus.optim import Optimizer
from rumus.tensor import ArgumentError, MissingGradError, Tensor, structure_version

from .._errors import GroupError
from .._group.contract import Group
from .device_vectors import DeviceVectors
from .exchange import Exchange
from .host_vectors import HostVectors
from .layout import Layout, Span
from .parcels import Completion, ParcelSums, Part, shares
from .vectors import Vectors

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
        self._exchange: Exchange
        self._places: dict[Any, Tensor] = {}
        """Each parameter's gradient in the arenas."""
        self._structure = self._looked = -1
        """The model's when it was laid out, and when it was looked what is trained."""
        self._spans: list[Span] = []
        """What is trained."""
        self._sums: list[ParcelSums] | None = None
        """Of what is trained, while it lies where it did."""
        self._step: list[ParcelSums] | None = None
        """The same, in a step."""
        self._part: Part | None = None
        self._has_begun = False
        self._sent = 0
        """Parcels of the step that are on their way to the other ranks."""
        self._held: GradientStore | None = None
        self._lay_out()

    @property
    def vectors(self) -> Vectors:
        """The device of the sums."""
        return self._vectors

    def expect(self, part: Part) -> None:
        """The next backward pass is that of a part.

        Raises:
            GroupError: An earlier step has failed when its gradients were on their way.
        """
        if self._sent:
            raise GroupError(
                "an earlier step has failed when the other ranks had some of its gradients: it "
                "cannot be taken again. Start again from a checkpoint"
            )
        self._part = part
        self._open()

    @contextmanager
    def following(self) -> Iterator[None]:
        """Sum and read gradients while the backward pass goes on, where that is of use.

        A capture that records the pass has each replay do so.
        """
        if self._group.size == 1 or not self._vectors.is_apart:
            yield
            return
        follower = self._completion.follower(lambda k: in_between(partial(self._complete, k)))
        with following(follower):
            yield

    def _complete(self, k: int) -> None:
        """Nothing is added to a parcel's gradients any more."""
        assert self._step is not None and self._part is not None, "a pass is expected"
        self._step[k].add(self._part)
        while self._sent < len(self._step) and self._step[self._sent].is_taken:
            self._send_next()

    def _send_next(self) -> None:
        assert self._step is not None, "there is a step"
        parcel = self._step[self._sent]
        self._exchange.send_sums(parcel.parcel, *parcel.take())
        self._sent += 1

    def settle(self, grads: GradientStore) -> None:
        """Bring a backward pass's gradients to their places in the arenas; a capture records it.

        They are held until :meth:`release`, so that no other backward pass takes their places.

        Raises:
            MissingGradError: A parameter that requires a gradient has none.
            ArgumentError: One has a hook on its gradient.
        """
        self._lay_out()
        for parameter, place in self._places.items():
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
            if not shares(grad.array, place.array):
                place.copy_(grad)
        self._held = grads

    def clear(self) -> None:
        """Forget the parts that were added since the last step."""
        for parcel in self._step or ():
            parcel.clear()
        self._held = self._step = self._part = None

    def release(self) -> None:
        """There is no other backward pass before :meth:`add`."""
        self._held = None

    def add(self) -> None:
        """Take the gradients in the arenas as those of the part that was expected."""
        assert self._step is not None and self._part is not None, "a pass was expected"
        for parcel in self._step:
            parcel.add(self._part)

    def begin(self) -> None:
        """Send the sums, while ranks still tell each other how many samples there were."""
        parcels = self._open()
        self._has_begun = True
        if self._group.size > 1:
            self._exchange.arrivals.bring()
            while self._sent < len(parcels):
                self._send_next()

    def step(self, samples: int, max_norm: float | None, settled: Callable[[], object]) -> None:
        """Update the weights of all ranks.

        Args:
            samples: Of all shards; 0 leaves the weights as they are.
            max_norm: The norm to clip to.
            settled: Waits for this rank's gradients, and raises what went wrong with them.
        """
        if not self._has_begun:
            self.begin()
        grads = self._gradients()  # before anything is waited for
        try:
            self._put_means(samples)
        finally:
            settled()
        if samples:
            self._update(grads, max_norm)
        self._sent = 0

    def _update(self, grads: GradientStore, max_norm: float | None) -> None:
        """Update this rank's segment, and send it to the others."""
        optimizer, rank = self._optimizer, self._group.rank
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

    def end(self) -> None:
        """Let the weights of all ranks be in their places."""
        self._exchange.arrivals.bring()
        self._exchange.finish_sums()

    def _put_means(self, samples: int) -> None:
        """Let the gradients of this rank's segment be the means over all shards."""
        assert self._step is not None, "the step has begun"
        if self._group.size > 1:
            self._exchange.gather_sums(samples)
        elif samples:
            for parcel in self._step:
                self._exchange.put_means(parcel.parcel, parcel.take()[0], {}, 1.0 / samples)
        for parcel in self._step:
            parcel.clear()
        self._step, self._has_begun = None, False

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
        for parameter, place in self._places.items():
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
        if self._layout is not None:
            self._exchange.arrivals.bring()
        optimizer, group = self._optimizer, self._group
        params: list[Parameter] = optimizer.params
        self._layout = layout = Layout(params, group.size, optimizer.elementwise)
        self._vectors: Vectors = (
            HostVectors(layout.arenas, group.empty)
            if params[0].device.kind == "cpu"
            else DeviceVectors(layout.arenas, group.empty, group.wake)
        )
        slots = [slot for arena in layout.arenas for slot in arena.slots]
        self._places = {slot.parameter: self._vectors.gradient(slot) for slot in slots}
        self._exchange = Exchange(group, self._owned, layout, self._vectors)
        self._sums = None
        if group.size > 1:
            self._exchange.guard_weights()
            optimizer.own_range(*layout.cuts[group.rank : group.rank + 2])
        return layout

    def _open(self) -> list[ParcelSums]:
        """The parcels of this step, for which the memory of the last one is free."""
        if self._step is None:
            self._exchange.finish_sums()
            self._step = self._parcels()
        return self._step

    def _parcels(self) -> list[ParcelSums]:
        """What a step sums: other parcels where parameters have moved, or others are trained."""
        layout, structure = self._lay_out(), self._structure
        if self._sums is not None and structure == self._looked:
            return self._sums
        self._looked, spans = structure, layout.trained()
        if self._sums is None or spans != self._spans:
            self._spans, parcels = spans, layout.parcels(spans)
            self._completion = Completion(parcels, layout, self._places)
            exchange, shards = self._exchange, self._owned[-1].stop
            self._sums = [
                ParcelSums(p, self._own, shards, self._vectors, exchange) for p in parcels
            ]
        return self._sums
