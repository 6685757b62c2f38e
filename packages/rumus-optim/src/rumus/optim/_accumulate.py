"""Gradients of several batches as one step's."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from rumus.autograd import GradientStore
from rumus.optim import _checks


class GradientAccumulator:
    """Averages the gradients of several backward passes, so that one step sees a larger batch.

    The average divides by the number of passes that were really added, so the last window of an
    epoch, which may be shorter, is scaled right.

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
        self._store = GradientStore()
        self._added = 0

    @property
    def added(self) -> int:
        """Passes in the window so far."""
        return self._added

    def add(self, grads: GradientStore) -> GradientStore | None:
        """Add the gradients of a pass.

        Args:
            grads: stays as it is.

        Returns:
            The averaged gradients if this pass completes a window, for the optimizer; else None.

        Raises:
            ShapeError, DTypeError, DeviceError: a gradient differs from that of an earlier pass;
                nothing was added then.
        """
        self._store.merge_from(grads)
        self._added += 1
        return self.flush() if self._added == self.steps else None

    def flush(self) -> GradientStore | None:
        """The averaged gradients of a window that may be incomplete; None if it is empty."""
        if not self._added:
            return None
        store, count = self._store, self._added
        self._store, self._added = GradientStore(), 0
        if count > 1:
            by_device: dict[Any, list[Any]] = {}
            for id, grad in store.items():
                by_device.setdefault(grad.device, []).append(id)
            for device, ids in by_device.items():
                on_gpu = device.kind == "gpu"
                store.scale_by(ids, _device_share(count, device.index) if on_gpu else 1 / count)
        return store


@cache
def _device_share(count: int, index: int) -> Any:
    from rumus import gpu
    from rumus.optim._gpu_step import SCALE

    with gpu.outside_capture():
        return gpu.persist(gpu.full(SCALE, 1 / count, np.float32, index))
