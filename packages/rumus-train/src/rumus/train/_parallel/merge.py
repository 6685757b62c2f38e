"""What ranks have measured, as one."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from rumus.tensor import ArgumentError

from .._checkpoint.split import join_state, split_state
from .._group.agree import gather_text
from .._group.contract import Group
from .._means import Means, Totals

_NEEDED = ("state_dict", "load_state_dict", "merge")


def check_mergeable(metrics: Sequence[Any], group: Group) -> None:
    """Raise for a metric that several processes cannot measure together.

    Raises:
        ArgumentError: It has no ``merge`` or no state.
    """
    if group.size == 1:
        return
    for metric in metrics:
        missing = [name for name in _NEEDED if not callable(getattr(metric, name, None))]
        if missing:
            raise ArgumentError(
                f"the metric {metric.name!r} is measured by {group.size} processes, each on its "
                f"part of the data, and has no {missing[0]}() to put the parts together: derive it "
                "from rumus.train.Metric, or add state_dict, load_state_dict and merge(other)"
            )


def merge(means: Means, metrics: Sequence[Any], group: Group) -> None:
    """Let means and metrics have seen what all ranks have; those of rumus.train exactly."""
    if group.size == 1:
        return
    mine = [means.read().state_dict(), *(metric.state_dict() for metric in metrics)]
    arrays, rest = split_state({"all": mine})
    listed = {
        name: [str(array.dtype), np.asarray(array).tolist(), list(array.shape)]
        for name, array in arrays.items()
    }
    told = [_state(text) for text in gather_text(group, json.dumps([listed, rest]))]
    totals = Totals()
    for state in told:
        totals = totals.plus(Totals.from_state(state[0]))
    means.load(totals)
    for k, metric in enumerate(metrics, start=1):
        metric.load_state_dict(told[0][k])
        for state in told[1:]:
            other = copy.deepcopy(metric)
            other.load_state_dict(state[k])
            metric.merge(other)


def _state(text: str) -> Any:
    listed, rest = json.loads(text)
    arrays = {
        name: np.array(values, dtype).reshape(shape)
        for name, (dtype, values, shape) in listed.items()
    }
    return join_state(arrays, rest)["all"]
