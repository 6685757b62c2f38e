"""An optimizer's state as a dictionary, and back."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, Protocol

import numpy as np

from rumus.optim import _checks
from rumus.optim._contract import F32, Part, Rule, Snapshot, state_shapes
from rumus.optim._errors import (
    HyperparameterError,
    OptimizerStateError,
    ParameterListError,
)
from rumus.optim._groups import Options, ParamGroup
from rumus.optim._range import whole_parts

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
    parts: Sequence[Part],
    range_: tuple[int, int] | None,
    snapshot: Snapshot | None,
) -> dict[str, Any]:
    """The dictionary of :meth:`Optimizer.state_dict`."""
    left = iter(keys)
    own = part_keys(groups, keys, parts)
    states = [] if snapshot is None else snapshot.states
    result = {
        "optimizer": type(optimizer).__name__,
        "step": 0 if snapshot is None else snapshot.step,
        "skipped": 0 if snapshot is None else snapshot.skipped,
        "steps": dict(zip(own, snapshot.counts, strict=True)) if snapshot is not None else {},
        "lr": lr,
        "groups": [
            {"params": [next(left) for _ in g.params], **g.options, _SCALE: g.lr_scale}
            for g in groups
        ],
        "state": dict(zip(own, states, strict=True)) if states else {},
    }
    if range_ is not None:
        result["range"] = list(range_)
        result["segments"] = {
            key: {"start": p.start, "stop": p.stop, "shape": list(p.parameter.shape)}
            for key, p in zip(own, parts, strict=True)
        }
    return result


def join_states(states: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One state of all elements from the states of optimizers that own ranges of them.

    For a checkpoint that any number of processes can go on with: :meth:`Optimizer.load_state_dict`
    of an optimizer that owns a range takes its part of it.

    Args:
        states: from :meth:`Optimizer.state_dict`, after the same steps; in any order.

    Raises:
        OptimizerStateError: they are not of one optimizer and step, or do not make up everything.

    Example:
        >>> from rumus.nn import Parameter
        >>> from rumus.optim import SGD
        >>> parts = [SGD([("w", Parameter([0.0] * 100))], 0.1, momentum=0.9) for _ in range(2)]
        >>> parts[0].own_range(0, 64)
        >>> parts[1].own_range(64, 128)
        >>> joined = join_states([part.state_dict() for part in parts])
        >>> "segments" in joined
        False
    """
    ordered = sorted(states, key=lambda state: state.get("range", [0])[0])
    if not ordered or any("segments" not in state for state in ordered):
        raise OptimizerStateError("join_states takes states of optimizers that own ranges")
    first = ordered[0]
    shared = ("optimizer", "step", "skipped", "lr", "groups")
    for name in shared:
        if any(state[name] != first[name] for state in ordered):
            raise OptimizerStateError(f"the states are not of one step: their {name} differs")
    joined: dict[str, Any] = {name: first[name] for name in shared}
    joined["steps"], joined["state"] = {}, {}
    for key in [key for group in first["groups"] for key in group["params"]]:
        parts = [state for state in ordered if key in state["segments"]]
        places = [state["segments"][key] for state in parts]
        ends = [0, *(place["stop"] for place in places)]
        shape = tuple(places[0]["shape"]) if places else ()
        if [place["start"] for place in places] != ends[:-1] or ends[-1] != math.prod(shape):
            raise OptimizerStateError(f"the states do not make up all of {key}")
        if first["step"] or any(state["state"] for state in ordered):
            joined["steps"][key] = parts[0]["steps"][key]
            joined["state"][key] = _joined([state["state"][key] for state in parts], shape)
    return joined


def _joined(parts: Sequence[Mapping[str, F32]], shape: tuple[int, ...]) -> dict[str, F32]:
    if len(parts) == 1 or not math.prod(shape):
        return dict(parts[0])
    return {
        name: np.concatenate([part[name].reshape(-1) for part in parts]).reshape(shape)
        for name in parts[0]
    }


def part_keys(
    groups: Sequence[ParamGroup], keys: Sequence[str], parts: Sequence[Part]
) -> list[str]:
    """The key of each part's parameter."""
    params = [p for group in groups for p in group.params]
    by_id = dict(zip((p.id for p in params), keys, strict=True))
    return [by_id[part.parameter.id] for part in parts]


def cut_snapshot(whole: Snapshot, before: Sequence[Part], after: Sequence[Part]) -> Snapshot:
    """The state of other parts, which are parts of those before.

    Raises:
        ParameterListError: one is not.
    """
    at = {part.parameter.id: i for i, part in enumerate(before)}
    chosen = []
    for part in after:
        i = at.get(part.parameter.id)
        if i is None or before[i].start > part.start or before[i].stop < part.stop:
            raise ParameterListError(
                "the optimizer has no state of a part of the range; load a state of all of it "
                "into an optimizer that was made anew"
            )
        chosen.append(i)
    counts = [whole.counts[i] for i in chosen]
    states = []
    if whole.states:
        for part, i in zip(after, chosen, strict=True):
            states.append(
                {name: _cut(a, part, before[i].start) for name, a in whole.states[i].items()}
            )
    return Snapshot(whole.step, whole.skipped, counts, states)


def _cut(array: F32, part: Part, start: int) -> F32:
    """A part of the state array of a parameter that begins with element ``start`` of it."""
    if part.is_whole:
        return array
    return array.reshape(-1)[part.start - start : part.stop - start]


def read_state(
    optimizer: CheckedRule,
    groups: Sequence[ParamGroup],
    keys: Sequence[str],
    parts: Sequence[Part],
    state: Mapping[str, Any],
) -> Contents:
    """Check a dictionary against an optimizer, and take what it keeps.

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
    if not state["state"] and state.get("segments") != {}:
        if step:
            raise OptimizerStateError(f"the state of {name} says step {step} but holds no arrays")
        return Contents(lr, scales, options, Snapshot(0, skipped, [0] * len(parts), []))
    given = _given_parts(groups, keys, parts, state)
    own = part_keys(groups, keys, given)
    if set(state["state"]) != set(own):
        raise OptimizerStateError(_difference(set(state["state"]), set(own)))
    arrays = [
        _read_arrays(key, state_shapes(optimizer, part), state["state"][key])
        for key, part in zip(own, given, strict=True)
    ]
    snapshot = Snapshot(step, skipped, _read_counts(state, own, step), arrays)
    try:
        return Contents(lr, scales, options, cut_snapshot(snapshot, given, parts))
    except ParameterListError:
        raise OptimizerStateError(
            f"the state is one of the elements {state.get('range')}, which are not all that this "
            f"optimizer keeps: join_states() makes one state of several"
        ) from None


def _given_parts(
    groups: Sequence[ParamGroup],
    keys: Sequence[str],
    parts: Sequence[Part],
    state: Mapping[str, Any],
) -> list[Part]:
    """What a state has arrays of."""
    everything = dict(zip(keys, whole_parts(groups), strict=True))
    if "segments" not in state:
        return list(everything.values())
    given = []
    for key, place in state["segments"].items():
        if key not in everything or list(everything[key].parameter.shape) != place["shape"]:
            raise OptimizerStateError(
                f"the state has a segment of {key!r} of shape {tuple(place['shape'])}, which is no "
                f"parameter here"
            )
        stop = _checks.count("stop", place["stop"], least=0, most=everything[key].stop)
        start = _checks.count("start", place["start"], least=0, most=stop)
        given.append(replace(everything[key], start=start, stop=stop))
    return given


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
