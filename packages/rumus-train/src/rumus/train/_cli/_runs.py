"""What a run's folder says: its settings, and the curves of its values."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .._errors import RunFileError

METRICS = "metrics.jsonl"
METRICS_AS_TABLE = "metrics.csv"
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


def read_run(path: Path) -> RunFiles:
    """Read a run's folder, or the file of a logger alone.

    Raises:
        RunFileError: It is none, or a file in it cannot be read.
    """
    if path.is_dir():
        files = [path / METRICS, path / METRICS_AS_TABLE]
        file = next((file for file in files if file.exists()), None)
        curves = {} if file is None else _curves(file)
        return RunFiles(path.resolve().name, _settings(path), curves)
    if path.exists() and path.suffix in (".jsonl", ".csv"):
        return RunFiles(path.stem, {}, _curves(path))
    what = "is no folder of a run" if path.exists() else "does not exist"
    raise RunFileError(
        f"{path} {what}; a run is a folder with {METRICS} or {METRICS_AS_TABLE}, or such a file"
    )


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
    curves: dict[str, Curve] = {}
    for line in _rows(path) if path.suffix == ".csv" else _lines(path):
        for name, value in line.items():
            if name not in _AXES and not isinstance(value, dict | list | bool | type(None)):
                _add(curves.setdefault(name, Curve()), int(line["step"]), value)
    return {name: curve for name, curve in curves.items() if curve.steps}


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a table."""
    with path.open(newline="", encoding="utf-8") as file:
        table = csv.DictReader(file)
        if "step" not in (table.fieldnames or ()):
            raise RunFileError(f"{path} has no column 'step', and so is no file of a logger")
        yield from (row for row in table if row["step"].isdigit())


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a file of JSON."""
    lines = path.read_text(encoding="utf-8").splitlines()
    for number, text in enumerate(lines, 1):
        try:
            line = json.loads(text)
            int(line["step"])
        except (ValueError, KeyError, TypeError) as error:
            if number == len(lines):  # a run that is being written, or was killed
                continue
            raise RunFileError(
                f'{path}, line {number}: expected {{"step": 12, "loss": 0.5}}, and it is '
                f"{text[:80]!r}"
            ) from error
        yield line


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
