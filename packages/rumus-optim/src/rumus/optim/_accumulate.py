"""Gradients of several batches as one step's."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from rumus.autograd import GradientStore, ParamId, check_store
from rumus.optim import _checks
from rumus.tensor import Tensor

if TYPE_CHECKING:
    from rumus.optim._gpu.flats import Flat, Layout


class GradientAccumulator:
    """Averages the gradients of several backward passes, so that one step sees a larger batch.

    The average divides by the number of passes that were really added, so the last window of an
    epoch, which may be shorter, is scaled right. On a GPU, gradients in an optimizer's arenas are
    added in one dispatch for each arena.

    Args:
        steps: passes in a window, at least 1.

    Raises:
        HyperparameterError: ``steps`` is below 1.

    Example:
        >>> from rumus.nn import Parameter
        >>> from rumus.tensor import tensor
        >>> weight = Parameter([0.0])
        >>> accumulator = GradientAccumulator(steps=2)
        >>> for slope in (1.0, 3.0):
        ...     window = accumulator.add((weight * slope).sum().backward())
        >>> window.get(weight.id).item()
        2.0
    """

    def __init__(self, steps: int) -> None:
        self.steps = _checks.count("steps", steps)
        self._start()

    def _start(self) -> None:
        self._added = 0
        self._sums = GradientStore()
        self._totals: list[tuple[Layout, Tensor]] = []
        """Buffers that are summed as a whole; the store has views of them."""

    @property
    def added(self) -> int:
        """Passes in the window so far."""
        return self._added

    def add(self, grads: GradientStore) -> GradientStore | None:
        """Add the gradients of a pass, and take them out of their store.

        Returns:
            The averaged gradients if this pass completes a window, for the optimizer; else None.

        Raises:
            CaptureError: from a captured step that leaves a window incomplete, as its replays would
                add nothing.
            ShapeError, DTypeError, DeviceError: a gradient differs from that of an earlier pass;
                nothing was added or taken then.
        """
        check_store(grads)
        given = dict(grads.items())
        if any(grad.device.kind == "gpu" for grad in given.values()):
            _refuse_open_window(self)
        flats = [flat for flat in _flats(given) if self._fits(flat)]
        apart = GradientStore()
        for id in given.keys() - {id for flat in flats for id in flat.layout.places}:
            apart.replace(id, given[id])
        self._sums.merge_from(apart)
        self._totals = [t for t in self._totals if not any(id in apart for id in t[0].places)]
        for flat in flats:
            self._add_whole(flat)
        for id in given:
            grads.pop(id)
        self._added += 1
        return self.flush() if self._added == self.steps else None

    def flush(self) -> GradientStore | None:
        """The averaged gradients of a window that may be incomplete; None if it is empty."""
        if not self._added:
            return None
        sums, totals, count = self._sums, self._totals, self._added
        self._start()
        if count > 1:
            for _, total in totals:
                total.mul_(1 / count)
            scaled = {id for layout, _ in totals for id in layout.places}
            _scale(sums, [id for id in sums if id not in scaled], count)
        return sums

    def check_complete(self) -> None:
        """Forget a window that the captured step of its gradients left incomplete.

        Raises:
            CaptureError: there was one.
        """
        from rumus.gpu import CaptureError

        added = self._added
        self._start()
        if added:
            raise CaptureError(
                f"the captured step adds {added} of {self.steps} passes to a GradientAccumulator: "
                f"a replay starts from nothing again, so let one step do all passes of a window"
            )

    def _fits(self, flat: Flat) -> bool:
        """Whether a buffer can be added as a whole."""
        known = any(layout == flat.layout for layout, _ in self._totals)
        return known or not any(id in self._sums for id in flat.layout.places)

    def _add_whole(self, flat: Flat) -> None:
        for layout, total in self._totals:
            if layout == flat.layout:
                total.add_(flat.whole)
                return
        total = flat.whole * 1.0
        self._totals.append((flat.layout, total))
        for id, view in flat.views(total).items():
            self._sums.replace(id, view)


def _refuse_open_window(accumulator: GradientAccumulator) -> None:
    from rumus import gpu

    gpu.when_recorded(accumulator.check_complete)


def _flats(grads: dict[ParamId, Tensor]) -> list[Flat]:
    if not any(grad.device.kind == "gpu" for grad in grads.values()):
        return []
    from rumus.optim._gpu.flats import find_flats

    return find_flats(grads)


def _scale(store: GradientStore, ids: Iterable[ParamId], count: int) -> None:
    """Divide gradients by a number, in the optimizer's step if they are on a GPU."""
    by_device: dict[Any, list[ParamId]] = {}
    for id in ids:
        grad: Any = store.get(id)
        by_device.setdefault(grad.device, []).append(id)
    for device, group in by_device.items():
        on_gpu = device.kind == "gpu"
        store.scale_by(group, _device_share(count, device.index) if on_gpu else 1 / count)


@cache
def _device_share(count: int, index: int) -> Any:
    from rumus import gpu
    from rumus.optim._gpu.norm import Control

    with gpu.outside_capture():
        return Control(gpu.persist(gpu.full((4,), 1 / count, np.float32, index)))
