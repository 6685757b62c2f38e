"""Whether more of a metric is better, or less."""

from __future__ import annotations

import re
from typing import Literal, TypeAlias

from rumus.tensor import ArgumentError

Mode: TypeAlias = Literal["min", "max"]

_MORE_IS_BETTER = re.compile(
    r"(val_)?(accuracy|top\d+|precision|recall|f1|mean_iou|r2|roc_auc|average_precision)"
)
"""The names of this package's metrics, in a run's metrics."""


def mode_of(metric: str, mode: Mode | None) -> Mode:
    """``mode``; where it is None, what the metric's name says, and ``"min"`` for other names.

    Raises:
        ArgumentError: It is something else.
    """
    if mode is None:
        return "max" if _MORE_IS_BETTER.fullmatch(metric) else "min"
    if mode not in ("min", "max"):
        raise ArgumentError(f'mode is "min" or "max", not {mode!r}')
    return mode
