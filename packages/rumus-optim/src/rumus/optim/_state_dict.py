"""An optimizer's state as a dictionary, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from rumus.optim import _checks
from rumus.optim._contract import F32, Rule, Snapshot, state_shapes
from rumus.optim._errors import HyperparameterError, OptimizerStateError
from rumus.optim._groups import Options, ParamGroup


class CheckedRule(Rule, Protocol):
    """A rule whose options have ranges."""

    def check(self, options: Options) -> Options:
        """A group's options with every range checked."""
        ...


def write_state(
    optimizer: CheckedRule,
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
        "groups": [{"params": [next(left) for _ in g.params], **g.options} for g in groups],
        "state": dict(zip(keys, states, strict=True)) if states else {},
    }


def read_state(
    optimizer: CheckedRule,
    groups: Sequence[ParamGroup],
    keys: Sequence[str],
    state: Mapping[str, Any],
) -> tuple[list[Options], Snapshot]:
    """Check a dictionary against an optimizer: each group's options, and the state.

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
    step = _checks.count("step", state["step"], least=0)
    skipped = _checks.count("skipped", state["skipped"], least=0)
    if not state["state"]:
        if step:
            raise OptimizerStateError(f"the state of {name} says step {step} but holds no arrays")
        return options, Snapshot(0, skipped, [0] * len(keys), [])
    if set(state["state"]) != set(keys):
        raise OptimizerStateError(_difference(set(state["state"]), set(keys)))
    params = [p for group in groups for p in group.params]
    arrays = [
        _read_arrays(key, state_shapes(optimizer, p), state["state"][key])
        for key, p in zip(keys, params, strict=True)
    ]
    return options, Snapshot(step, skipped, _read_counts(state, keys, step), arrays)


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
        values = {k: v for k, v in entry.items() if k != "params"}
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
