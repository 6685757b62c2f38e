"""An optimizer's state as a dictionary, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from rumus.optim import _checks
from rumus.optim._contract import F32, Rule, Snapshot, state_shapes
from rumus.optim._errors import HyperparameterError, OptimizerStateError
from rumus.optim._groups import Options, ParamGroup

_SCALE = "lr_scale"


class CheckedRule(Rule, Protocol):
    """A rule whose options have ranges."""

    def check(self, options: Options) -> Options:
        """A group's options with every range checked."""
        ...


class Contents(NamedTuple):
    """What a state dict says.

    Attributes:
        lr: the optimizer's learning rate.
        scales: each group's multiple of it.
        options: each group's hyperparameters.
        snapshot: the state of the parameters.
    """

    lr: float
    scales: list[float]
    options: list[Options]
    snapshot: Snapshot


def write_state(
    optimizer: CheckedRule,
    lr: float,
    groups: Sequence[ParamGroup],
    keys: Sequence[str],
    snapshot: Snapshot | None,
) -> dict[str, Any]:
    """The dictionary of :meth:`Optimizer.state_dict`."""
    left = iter(keys)
    states = [] if snapshot is None else snapshot.states
    return {
        "optimizer": type(optimizer).__name__,
        "step": 0 if snapshot is None else snapshot.step,
        "skipped": 0 if snapshot is None else snapshot.skipped,
        "steps": dict(zip(keys, snapshot.counts, strict=True)) if snapshot is not None else {},
        "lr": lr,
        "groups": [
            {"params": [next(left) for _ in g.params], **g.options, _SCALE: g.lr_scale}
            for g in groups
        ],
        "state": dict(zip(keys, states, strict=True)) if states else {},
    }


def read_state(
    optimizer: CheckedRule,
    groups: Sequence[ParamGroup],
    keys: Sequence[str],
    state: Mapping[str, Any],
) -> Contents:
    """Check a dictionary against an optimizer.

    Raises:
        OptimizerStateError: it belongs to another optimizer or other parameters.
    """
    name = type(optimizer).__name__
    if state.get("optimizer") != name:
        raise OptimizerStateError(
            f"expected the state of {name}, got that of {state.get('optimizer')!r}"
        )
    missing = [k for k in ("step", "skipped", "groups", "state") if k not in state]
    if missing:
        raise OptimizerStateError(f"the state of {name} lacks {', '.join(missing)}")
    options = _read_options(optimizer, groups, keys, state["groups"])
    lr, scales = _read_rates(groups, options, state)
    step = _checks.count("step", state["step"], least=0)
    skipped = _checks.count("skipped", state["skipped"], least=0)
    if not state["state"]:
        if step:
            raise OptimizerStateError(f"the state of {name} says step {step} but holds no arrays")
        return Contents(lr, scales, options, Snapshot(0, skipped, [0] * len(keys), []))
    if set(state["state"]) != set(keys):
        raise OptimizerStateError(_difference(set(state["state"]), set(keys)))
    params = [p for group in groups for p in group.params]
    arrays = [
        _read_arrays(key, state_shapes(optimizer, p), state["state"][key])
        for key, p in zip(keys, params, strict=True)
    ]
    snapshot = Snapshot(step, skipped, _read_counts(state, keys, step), arrays)
    return Contents(lr, scales, options, snapshot)


def _read_rates(
    groups: Sequence[ParamGroup], options: Sequence[Options], state: Mapping[str, Any]
) -> tuple[float, list[float]]:
    """The optimizer's learning rate and each group's multiple of it.

    States of 0.1 have the groups' rates alone. They stay as they are: the first group keeps the
    scale that it has here, and the others follow.
    """
    if "lr" in state:
        scales = [_checks.non_negative(_SCALE, entry[_SCALE]) for entry in state["groups"]]
        return _checks.non_negative("lr", state["lr"]), scales
    own, rates = [g.lr_scale for g in groups], [o.get("lr", 0.0) for o in options]
    lr: float = rates[0] / own[0] if own[0] and rates[0] else max(rates)
    return lr, [rate / lr for rate in rates] if lr else own


def _read_counts(state: Mapping[str, Any], keys: Sequence[str], step: int) -> list[int]:
    """Each parameter's own updates; states of 0.1 have one number for all of them."""
    given = state.get("steps", dict.fromkeys(keys, step))
    if set(given) != set(keys):
        raise OptimizerStateError("steps: " + _difference(set(given), set(keys)))
    return [_checks.count(f"{key}'s steps", given[key], least=0, most=step) for key in keys]


def _read_options(
    optimizer: CheckedRule, groups: Sequence[ParamGroup], keys: Sequence[str], given: Any
) -> list[Options]:
    left = iter(keys)
    own = [[next(left) for _ in group.params] for group in groups]
    theirs = [list(entry.get("params", ())) for entry in given]
    if [sorted(names) for names in own] != [sorted(names) for names in theirs]:
        raise OptimizerStateError(
            f"the state's groups hold the parameters {theirs}, this optimizer's {own}"
        )
    result = []
    for index, (group, entry) in enumerate(zip(groups, given, strict=True)):
        values = {k: v for k, v in entry.items() if k not in ("params", _SCALE)}
        if set(values) != set(group.options):
            raise OptimizerStateError(
                f"group {index}'s options: " + _difference(set(values), set(group.options))
            )
        try:
            result.append(optimizer.check(values))
        except HyperparameterError as error:
            raise OptimizerStateError(f"group {index} of the state: {error}") from error
    return result


def _read_arrays(
    key: str, shapes: Mapping[str, tuple[int, ...]], given: Mapping[str, Any]
) -> dict[str, F32]:
    if set(given) != set(shapes):
        raise OptimizerStateError(f"{key}'s state: " + _difference(set(given), set(shapes)))
    result = {}
    for name, shape in shapes.items():
        array = np.asarray(given[name], np.float32)
        if array.shape != shape:
            raise OptimizerStateError(
                f"{key}'s {name} has shape {array.shape} in the state, here {shape}"
            )
        result[name] = array
    return result


def _difference(given: set[str], expected: set[str]) -> str:
    parts = []
    if expected - given:
        parts.append("missing " + ", ".join(sorted(expected - given)))
    if given - expected:
        parts.append("unexpected " + ", ".join(sorted(given - expected)))
    return "; ".join(parts)
