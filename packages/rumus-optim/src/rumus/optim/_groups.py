"""Parameters of an optimizer, in groups that have their own hyperparameters."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rumus.nn import Module, Parameter
from rumus.optim import _checks
from rumus.optim._errors import HyperparameterError, ParameterListError

Options = dict[str, Any]
ParamsLike = Iterable[Parameter | tuple[str, Parameter] | Mapping[str, Any]]
"""Parameters, ``(name, parameter)`` pairs, or groups: mappings with ``"params"`` and options."""


@dataclass(slots=True)
class ParamGroup:
    """Parameters that share their hyperparameters.

    Attributes:
        params: the parameters.
        names: the names they were given with.
        options: hyperparameters by name.
        lr_scale: the group's learning rate ÷ that of the optimizer.
    """

    params: list[Parameter]
    names: list[str | None]
    options: Options = field(default_factory=dict)
    lr_scale: float = 1.0


def make_groups(params: ParamsLike, defaults: Options) -> list[ParamGroup]:
    """Sort what an optimizer was given into groups.

    Raises:
        ParameterListError: nothing was given, an empty group, a parameter twice, something that is
            no parameter, or a mix of groups and parameters.
        HyperparameterError: a group names an option that the optimizer does not have.
    """
    items = as_list(params)
    if not items:
        raise ParameterListError("the optimizer was given no parameters")
    mappings = [isinstance(item, Mapping) for item in items]
    if any(mappings) and not all(mappings):
        raise ParameterListError("give either parameters or groups of them, not both")
    given = items if all(mappings) else [{"params": items}]
    if "lr" in defaults:
        defaults = {**defaults, "lr": _checks.non_negative("lr", defaults["lr"])}
    groups = [_make_group(i, entry, defaults) for i, entry in enumerate(given)]
    _refuse_duplicates(groups)
    return groups


def flat_params(params: Iterable[Parameter | tuple[str, Parameter]]) -> list[ParamGroup]:
    """Parameters of something that has no groups, as one.

    Raises:
        ParameterListError: groups were given, or what :func:`make_groups` does not take.
    """
    listed = as_list(params)
    if any(isinstance(item, Mapping) for item in listed):
        raise ParameterListError("expected parameters, not groups of them")
    return make_groups(listed, {})


def _make_group(index: int, entry: Any, defaults: Options) -> ParamGroup:
    options = dict(entry)
    if "params" not in options:
        raise ParameterListError(f'group {index} has no "params"')
    given = options.pop("params")
    pairs = [_named(item) for item in ([given] if isinstance(given, Parameter) else as_list(given))]
    if not pairs:
        raise ParameterListError(f"group {index} is empty")
    scale = _read_scale(index, options, defaults)
    unknown = sorted(set(options) - set(defaults))
    if unknown:
        raise HyperparameterError(
            f"group {index} sets {', '.join(unknown)}; options are {', '.join(sorted(defaults))}"
        )
    if "lr" in defaults and "lr" not in options:
        options["lr"] = defaults["lr"] * scale
    params, names = [p for _, p in pairs], [n for n, _ in pairs]
    return ParamGroup(params, names, {**defaults, **options}, scale)


def _read_scale(index: int, options: Options, defaults: Options) -> float:
    """What a group says of its learning rate: a scale, or a rate of its own, or nothing."""
    given, own = options.pop("lr_scale", None), options.get("lr")
    if "lr" not in defaults or (given is None and own is None):
        return 1.0
    if given is None:
        return lr_scale(_checks.non_negative("lr", own), defaults["lr"])
    if own is not None:
        raise HyperparameterError(f"group {index} sets lr and lr_scale; give one of them")
    return _checks.non_negative("lr_scale", given)


def lr_scale(own: float, base: float) -> float:
    """The scale of a group with a learning rate of its own.

    Raises:
        HyperparameterError: the optimizer's rate is 0, or too small beside the group's.
    """
    scale = own / base if base else math.inf
    if not math.isfinite(scale):
        raise HyperparameterError(
            f"a group's own learning rate, {own}, is kept as a multiple of the optimizer's, which "
            f"is {base}: give the group an lr_scale, or the optimizer a rate"
        )
    return scale


def as_list(params: Iterable[Any]) -> list[Any]:
    """What an optimizer was given, as a list.

    Raises:
        ParameterListError: it cannot be one.
    """
    single = isinstance(params, Parameter | Module | str | Mapping)
    if single or not isinstance(params, Iterable):
        raise ParameterListError(
            f"expected a list of parameters or groups, such as model.parameters(), "
            f"got a {_checks.type_name(params)}"
        )
    return list(params)


def _named(item: Any) -> tuple[str | None, Parameter]:
    name, parameter = item if isinstance(item, tuple) and len(item) == 2 else (None, item)
    if not isinstance(parameter, Parameter):
        raise ParameterListError(f"expected a Parameter, got a {_checks.type_name(parameter)}")
    return name, parameter


def _refuse_duplicates(groups: list[ParamGroup]) -> None:
    seen: dict[Any, int] = {}
    for index, group in enumerate(groups):
        for parameter in group.params:
            if parameter.id in seen:
                raise ParameterListError(
                    f"a parameter of shape {parameter.shape} (name {parameter.name!r}) is listed "
                    f"twice, in group {seen[parameter.id]} and in group {index}"
                )
            seen[parameter.id] = index


def state_keys(groups: list[ParamGroup]) -> list[str]:
    """One key a parameter, in order: its name, or its index where names are missing or repeat."""
    names = [
        name if name is not None else parameter.name
        for group in groups
        for name, parameter in zip(group.names, group.params, strict=True)
    ]
    known = [name for name in names if name is not None]
    if len(known) == len(names) == len(set(known)):
        return known
    return [str(i) for i in range(len(names))]


def no_decay_groups(
    model: Module, weight_decay: float, no_decay: str | None = None
) -> list[dict[str, Any]]:
    """Split a model's parameters into a group with weight decay and one without.

    Biases and the weights of normalisation layers have fewer than two axes; those, and any whose
    name matches, go into the group with ``weight_decay=0``.

    Args:
        model: whose ``named_parameters()`` are split.
        weight_decay: decay of the other group, at least 0.
        no_decay: regular expression searched in the names, for further ones without decay, such as
            ``"embedding"`` (default: none).

    Returns:
        Groups for any optimizer; an empty one is left out.

    Raises:
        HyperparameterError: ``weight_decay`` is negative or not finite, or ``no_decay`` is no
            regular expression.
        ParameterListError: ``model`` is no module.

    Example:
        >>> from rumus.nn import Linear
        >>> [len(g["params"]) for g in no_decay_groups(Linear(2, 3), weight_decay=0.1)]
        [1, 1]
    """
    if not isinstance(model, Module):
        raise ParameterListError(f"expected a Module, got a {_checks.type_name(model)}")
    decay = _checks.non_negative("weight_decay", weight_decay)
    pattern = None if no_decay is None else _compiled(no_decay)
    decayed: list[tuple[str, Parameter]] = []
    plain: list[tuple[str, Parameter]] = []
    for name, parameter in model.named_parameters():
        exempt = parameter.ndim < 2 or (pattern is not None and pattern.search(name) is not None)
        (plain if exempt else decayed).append((name, parameter))
    groups: list[dict[str, Any]] = [
        {"params": decayed, "weight_decay": decay},
        {"params": plain, "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except (re.error, TypeError) as error:
        raise HyperparameterError(
            f"no_decay must be a regular expression, got {pattern!r}: {error}"
        ) from None


def described(name: str, lr: float, groups: Sequence[ParamGroup]) -> str:
    """An optimizer in words: a line, or one for each group."""
    lines = []
    for group in groups:
        options = [f"{n}={value!r}" for n, value in group.options.items() if n != "lr"]
        rate = f"lr={lr * group.lr_scale:g}"
        lines.append(f"{len(group.params)} parameters: " + ", ".join([rate, *options]))
    inside = lines[0] if len(lines) == 1 else "".join(f"\n  {line}" for line in lines) + "\n"
    return f"{name}({inside})"
