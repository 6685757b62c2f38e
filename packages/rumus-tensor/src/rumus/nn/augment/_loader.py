"""Augmentation by a loader's workers, with the loader's random numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from rumus._core.errors import ArgumentError
from rumus._core.mode import no_grad
from rumus._core.tree import flatten, unflatten
from rumus.tensor._creation import from_numpy
from rumus.tensor._tensor import Tensor

from .._containers import Sequential
from .._module import Module
from ._base import Augmentation, check_images


def by_sample(*layers: Module, part: int = 0) -> Callable[..., Any]:
    """A transform of batches for ``rumus.data.MapDataset(dataset, transform, batched=True)``.

    Each image has the random numbers of its sample in this epoch, so that an epoch is the same for
    any number of workers and after a resume. Layers act whether they are in training or not: give
    the loader of validation others.

    Args:
        layers: Augmentations, and other layers of images, one after the other.
        part: Which leaf of a batch is images, in their order: the input of a ``DataItem`` is the
            first, 0.

    Returns:
        A function of a batch and ``rngs``, a numpy generator for each of its samples.

    Raises:
        ArgumentError: There is no layer.

    Example:
        >>> from rumus.nn.augment import RandomCrop, RandomHorizontalFlip
        >>> from rumus.tensor import zeros
        >>> transform = by_sample(RandomCrop(4), RandomHorizontalFlip())
        >>> rngs = [np.random.default_rng(k) for k in range(2)]
        >>> transform(zeros(2, 3, 6, 6, dtype="uint8"), rngs=rngs).shape
        (2, 3, 4, 4)
    """
    chain = list(_flat(layers))
    if not chain or not all(isinstance(layer, Module) for layer in chain):
        raise ArgumentError(f"by_sample takes layers, not {layers}")

    def transform(batch: Any, *, rngs: Sequence[np.random.Generator] | None = None) -> Any:
        if rngs is None:
            raise ArgumentError(
                "by_sample makes a transform of batches, which is given random numbers: "
                "MapDataset(dataset, transform, batched=True)"
            )
        leaves, structure = flatten(batch)
        if not -len(leaves) <= part < len(leaves):
            raise ArgumentError(f"by_sample: a batch has {len(leaves)} parts, not {part}")
        given = leaves[part]
        x = given if isinstance(given, Tensor) else from_numpy(np.asarray(given))
        with no_grad():
            for layer in chain:
                x = _applied(layer, x, rngs)
        leaves[part] = x
        return unflatten(structure, leaves)

    return transform


def _flat(layers: Iterable[Module]) -> Iterable[Module]:
    for layer in layers:
        if isinstance(layer, Sequential):
            yield from _flat(layer)
        else:
            yield layer


def _applied(layer: Module, x: Tensor, rngs: Sequence[np.random.Generator]) -> Tensor:
    if not isinstance(layer, Augmentation):
        y: Tensor = layer(x)
        return y
    check_images(layer, x)
    drawn = np.array([rng.random(layer.draws, np.float32) for rng in rngs], np.float32)
    return layer.changed(x, from_numpy(drawn.reshape(len(rngs), layer.draws), x.device))
