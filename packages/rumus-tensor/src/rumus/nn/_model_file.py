"""A model in one file: its weights, and the arguments that it was made with."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping
from typing import Any, TypeVar, overload

from rumus._core.devices import CPU, DeviceLike
from rumus._core.errors import ArgumentError, StateDictError

from ._files import load_file, read_metadata, save_file
from ._module import Module

ModuleT = TypeVar("ModuleT", bound=Module)

_KEY = "rumus.model"
_NAMES = {"class", "config"}


def save_model(model: Module, path: str | os.PathLike[str], config: Mapping[str, Any]) -> None:
    """Write a model's weights together with the arguments that made it, for :func:`load_model`.

    The file is one of :func:`save_file`, which every tool for safetensors reads; class and
    arguments lie in its metadata, as JSON. It holds no code.

    Args:
        model: The model.
        path: The file, usually ``….safetensors``; it is replaced whole, or not at all.
        config: The arguments by name, so that ``type(model)(**config)`` makes such a model: text,
            numbers, bools, None, lists of them, and dicts with text as keys. A tuple comes back as
            a list.

    Raises:
        ArgumentError: An argument cannot be held by JSON, or the class does not take it.
        StateDictError: As :func:`save_file`.

    Example:
        >>> from rumus.nn import Linear
        >>> config = {"in_features": 3, "out_features": 2}
        >>> save_model(Linear(**config), "line.safetensors", config)
        >>> load_model("line.safetensors", Linear)
        Linear(in_features=3, out_features=2, bias=True)
    """
    import json

    given = dict(config)
    _check_arguments("save_model", type(model), given)
    try:
        _check_names(given)
        text = json.dumps({"class": type(model).__name__, "config": given}, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ArgumentError(
            f"save_model: config holds text, numbers, bools, None, lists and dicts, which JSON "
            f"has: {error}"
        ) from None
    save_file(model, path, metadata={_KEY: text})


@overload
def load_model(
    path: str | os.PathLike[str], classes: type[ModuleT], device: DeviceLike = ...
) -> ModuleT: ...


@overload
def load_model(
    path: str | os.PathLike[str],
    classes: Mapping[str, type[Module]],
    device: DeviceLike = ...,
) -> Module: ...


def load_model(
    path: str | os.PathLike[str],
    classes: type[Module] | Mapping[str, type[Module]],
    device: DeviceLike = CPU,
) -> Module:
    """Make the model that a file of :func:`save_model` holds.

    Only a class that is given here is made: nothing in the file says what code runs.

    Args:
        path: The file.
        classes: The model's class; or classes by the name that the file may say, for a program that
            opens models of several, or whose class has another name now.
        device: Where the model goes.

    Returns:
        The model, in training mode, as a new one is.

    Raises:
        FileNotFoundError: There is no such file.
        StateDictError: The file is none of :func:`save_model`, or its weights are not those of the
            class; the message lists what differs.
        ArgumentError: The file is of another class, or the class does not take the arguments.

    Example:
        >>> from rumus.nn import Dropout, Linear
        >>> save_model(Linear(1, 1), "a.safetensors", {"in_features": 1, "out_features": 1})
        >>> load_model("a.safetensors", {"Linear": Linear, "Dropout": Dropout})
        Linear(in_features=1, out_features=1, bias=True)
    """
    name, config = _description(path)
    if isinstance(classes, Mapping):
        if name not in classes:
            known = ", ".join(sorted(classes)) or "none"
            raise ArgumentError(f"{os.fspath(path)} holds a {name}, and classes has {known}")
        cls = classes[name]
    else:
        cls = classes
        if cls.__name__ != name:
            raise ArgumentError(
                f"{os.fspath(path)} holds a {name} and not a {cls.__name__}; if that is its name "
                f"now, give {{{name!r}: {cls.__name__}}}"
            )
    _check_arguments(os.fspath(path), cls, config)
    model = cls(**config)
    try:
        model.load_state_dict(load_file(path))
    except StateDictError as error:
        raise StateDictError(f"{os.fspath(path)}: {error}") from None
    return model.to(device)


def _check_names(value: object) -> None:
    """Refuse dicts whose keys JSON would make texts of."""
    if isinstance(value, dict):
        wrong = next((name for name in value if not isinstance(name, str)), None)
        if wrong is not None:
            raise TypeError(f"keys are text, not {wrong!r}")
        value = list(value.values())
    if isinstance(value, list | tuple):
        for part in value:
            _check_names(part)


def _description(path: str | os.PathLike[str]) -> tuple[str, dict[str, Any]]:
    """The name of the class, and the arguments."""
    import json

    text = read_metadata(path).get(_KEY)
    if text is None:
        raise StateDictError(
            f"{os.fspath(path)} holds weights without the arguments of a model, which save_model "
            "writes; make the model, and give it load_file's weights by load_state_dict"
        )
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if (
        not isinstance(found, dict)
        or set(found) != _NAMES
        or not isinstance(found["class"], str)
        or not isinstance(found["config"], dict)
    ):
        raise StateDictError(f"{os.fspath(path)}: what describes the model is none of save_model")
    return found["class"], found["config"]


def _check_arguments(where: str, cls: type[Module], config: dict[str, Any]) -> None:
    """Refuse arguments that a class does not take, or that it misses, by name."""
    parameters = list(inspect.signature(cls).parameters.values())
    takes = {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters)
    needed = {p.name for p in parameters if p.default is p.empty} & takes
    wrong = [] if open_ended else [name for name in config if name not in takes]
    missing = [p.name for p in parameters if p.name in needed and p.name not in config]
    if not wrong and not missing:
        return
    parts = [f"does not take {', '.join(map(str, wrong))}"] if wrong else []
    parts += [f"needs {', '.join(missing)}"] if missing else []
    raise ArgumentError(
        f"{where}: {cls.__name__}{inspect.signature(cls)} {' and '.join(parts)}; config has "
        f"{', '.join(map(str, config)) or 'nothing'}"
    )
