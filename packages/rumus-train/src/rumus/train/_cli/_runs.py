"""What a run's folder says: its settings, and the curves of its values."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .._errors import RunFileError

METRICS = "metrics.jsonl"
_AXES = ("step", "epoch", "samples")


@dataclass
class Curve:
    """The values of one name, by step."""

    steps: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)


@dataclass
class RunFiles:
    """A run as its files tell it.

    Attributes:
        name: Of its folder.
        settings: Text by dotted name.
        curves: By name.
    """

    name: str
    settings: dict[str, str]
    curves: dict[str, Curve]


def read_run(folder: Path) -> RunFiles:
    """Read a run's folder.

    Raises:
        RunFileError: It is none, or a file in it cannot be read.
    """
    if not folder.is_dir():
        raise RunFileError(f"{folder} is no folder of a run; it would hold {METRICS}")
    return RunFiles(folder.resolve().name, _settings(folder), _curves(folder / METRICS))


def _settings(folder: Path) -> dict[str, str]:
    for name in ("settings.json", "run.json"):
        path = folder / name
        if path.exists():
            try:
                return dict(_flat(json.loads(path.read_text(encoding="utf-8"))))
            except ValueError as error:
                raise RunFileError(f"{path} is no JSON: {error}") from error
    return {}


def _flat(value: Any, prefix: str = "") -> list[tuple[str, str]]:
    if isinstance(value, dict) and value:
        return [
            row
            for key, inner in value.items()
            for row in _flat(inner, f"{prefix}.{key}" if prefix else str(key))
        ]
    return [(prefix, value if isinstance(value, str) else json.dumps(value))]


def _curves(path: Path) -> dict[str, Curve]:
    if not path.exists():
        return {}
    curves: dict[str, Curve] = {}
    lines = path.read_text(encoding="utf-8").splitlines()
    for number, text in enumerate(lines, 1):
        try:
            line = json.loads(text)
            step = int(line["step"])
        except (ValueError, KeyError, TypeError) as error:
            if number == len(lines):  # a run that is being written, or was killed
                continue
            raise RunFileError(
                f'{path}, line {number}: expected {{"step": 12, "loss": 0.5}}, and it is '
                f"{text[:80]!r}"
            ) from error
        for name, value in line.items():
            if name in ("step", "epoch", "samples") or isinstance(
                value, dict | list | bool | type(None)
            ):
                continue
            _add(curves.setdefault(name, Curve()), step, value)
    return {name: curve for name, curve in curves.items() if curve.steps}


def _add(curve: Curve, step: int, value: Any) -> None:
    try:
        number = float(value)  # also "nan" and "inf", which JSON has no numbers for
    except ValueError:
        return
    while curve.steps and curve.steps[-1] >= step:  # the run went on from an earlier step
        curve.steps.pop()
        curve.values.pop()
    curve.steps.append(step)
    curve.values.append(number)
