"""Into how many parts a batch must be cut to fit the memory."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable
from typing import Any

from rumus import gpu
from rumus.nn import Module
from rumus.tensor import ArgumentError, Tensor

from .._batches import input_and_target, placed
from .._fold import Fold
from .._group.alone import Alone
from .._parallel.batches import samples_in
from .._parallel.shards import Shards
from ._snapshot import TunedOptimizer, unchanged

_TOO_LARGE = (gpu.GpuOutOfMemoryError, gpu.GpuLimitError, MemoryError)


def find_shards(
    model: Module,
    optimizer: TunedOptimizer,
    loader: Iterable[Any],
    loss: Callable[[Any, Any], Tensor],
) -> int:
    """The smallest power of two of parts of a batch with which a training step fits the memory.

    For a GPU, as :func:`find_batch_size`, and for ``Trainer(optimizer, shards=...)``, which weighs
    parts by their samples: the gradients are those of the whole batch. ``shards="auto"`` calls it
    where a run begins. The first batch of the loader is tried; model, optimizer and random stream
    are then as before.

    Args:
        model: The model.
        optimizer: Its optimizer.
        loader: The batches; one that can ``peek()`` has not moved then.
        loss: ``loss(output, target)``, the mean over a part.

    Raises:
        ArgumentError: The loader has no batch, or one that is no input and target.
        GpuOutOfMemoryError: Not even single samples fit; so for the errors below.
        GpuLimitError: A tensor is larger than the adapter can bind.
        MemoryError: The host has no room.

    Example:
        >>> from rumus import nn
        >>> from rumus.data import ArrayDataset, DataLoader
        >>> from rumus.optim import SGD
        >>> import numpy as np
        >>> loader = DataLoader(ArrayDataset(np.ones((8, 2)), np.ones((8, 1))), batch_size=8)
        >>> model = nn.Linear(2, 1)
        >>> find_shards(model, SGD(model.parameters(), lr=0.1), loader, nn.mse_loss)
        1
    """
    batch = _first(loader)
    count, samples = 1, samples_in(batch)
    with unchanged(model, optimizer):
        while True:
            try:
                _step(model, optimizer, batch, loss, count)
                gpu.synchronize()
                return count
            except _TOO_LARGE:
                if count >= samples:
                    raise
            gc.collect()  # what the step left in cycles, and its traceback
            count *= 2


def _first(loader: Any) -> Any:
    if hasattr(loader, "peek"):
        return loader.peek()
    for batch in loader:
        return batch
    raise ArgumentError("the loader has no batch to try")


def _step(
    model: Module,
    optimizer: TunedOptimizer,
    batch: Any,
    loss: Callable[[Any, Any], Tensor],
    count: int,
) -> None:
    """A training step as one over shards takes it."""
    parameters = list(model.parameters())
    fold = Fold([p for p in parameters if p.requires_grad])
    for part in Shards(Alone(), count).cut(batch):
        if part is not None:
            input, target = input_and_target(placed(part, parameters[0].device), "a loss")
            fold.add(loss(model(input), target).backward(), samples_in(part))
    optimizer.step(fold.take())
