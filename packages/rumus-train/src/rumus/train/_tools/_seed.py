"""One seed for everything that draws random numbers."""

from __future__ import annotations

import random

import numpy as np

from rumus.tensor import ArgumentError, manual_seed


def seed_everything(seed: int) -> int:
    """Seed rumus (weights, dropout, loaders made without a seed), numpy and Python's ``random``.

    Set ``PYTHONHASHSEED`` before Python starts if the order of sets of strings matters.

    Args:
        seed: From 0 to 2**32 - 1, which is what numpy takes.

    Returns:
        The seed.

    Raises:
        ArgumentError: It is out of range.

    Example:
        >>> from rumus import tensor
        >>> values = [seed_everything(1) and tensor.rand(1).item() for _ in range(2)]
        >>> values[0] == values[1]
        True
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 1 << 32:
        raise ArgumentError(f"a seed is a whole number from 0 to 2**32 - 1, not {seed!r}")
    manual_seed(seed)
    np.random.seed(seed)
    random.seed(seed)
    return seed
