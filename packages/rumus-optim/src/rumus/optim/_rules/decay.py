"""Weight decay through the gradient."""

from __future__ import annotations

import numpy as np

from rumus.optim._contract import F32


def decayed(g: F32, decay: float, p: F32, out: F32) -> F32:
    """``g + decay · p`` in ``out``, or the gradient itself where nothing decays."""
    if not decay:
        return g
    np.multiply(p, decay, out=out)
    return np.add(g, out, out=out)
