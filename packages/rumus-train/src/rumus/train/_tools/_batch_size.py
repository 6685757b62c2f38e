"""The largest batch that fits."""

from __future__ import annotations

from collections.abc import Callable

from rumus import gpu
from rumus.nn import Module
from rumus.tensor import ArgumentError

from ._snapshot import TunedOptimizer, unchanged

_TOO_LARGE = (gpu.GpuOutOfMemoryError, gpu.GpuLimitError, MemoryError)
_MOST = 65_536


def find_batch_size(
    model: Module,
    optimizer: TunedOptimizer,
    step: Callable[[int], object],
    *,
    first: int = 1,
    most: int | None = None,
) -> int:
    """The largest power of two times ``first`` with which a training step fits the memory.

    For a GPU. On the CPU say ``most``: there an operating system promises a program more memory
    than there is, and ends it, or another one, when that is used. Model, optimizer and random
    stream are then as before.

    Args:
        model: That the step trains.
        optimizer: That the step uses.
        step: Takes a training step with so many samples; made-up ones will do.
        first: The size to begin with.
        most: The largest size to try (default, for a model on a GPU: 65,536).

    Raises:
        ArgumentError: The sizes are not positive and ascending; or a model is on the CPU and
            ``most`` is not given.
        GpuOutOfMemoryError: Not even the first size fits; so for the errors below.
        GpuLimitError: A tensor is larger than the adapter can bind.
        MemoryError: The host has no room.

    Example:
        >>> from rumus import nn, tensor
        >>> from rumus.optim import SGD
        >>> model = nn.Linear(2, 1)
        >>> optimizer = SGD(model.parameters(), lr=0.1)
        >>> def step(size):
        ...     optimizer.step(model(tensor.ones((size, 2))).mean().backward())
        >>> find_batch_size(model, optimizer, step, first=8, most=64)
        64
    """
    if most is None:
        if all(p.device.kind == "cpu" for p in model.parameters()):
            raise ArgumentError(
                "on the CPU a batch that is too large ends the program, not the search: say the "
                "largest size to try, such as most=256, or move the model to a GPU"
            )
        most = _MOST
    if not 0 < first <= most:
        raise ArgumentError(f"sizes are positive and ascending, not {first} to {most}")
    fits = 0
    with unchanged(model, optimizer):
        size = first
        while size <= most:
            try:
                step(size)
                gpu.synchronize()
            except _TOO_LARGE:
                if not fits:
                    raise
                break
            fits, size = size, 2 * size
    return fits
