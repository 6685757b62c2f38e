"""`rumus-train plot`: comparable curves."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from pathlib import Path

from .._errors import RunFileError
from .._extras import matplotlib_figure
from ._runs import METRICS, RunFiles, read_run
from ._sketch import fitting, sketch
from ._text import say


def plot(folders: Sequence[Path], names: Sequence[str] | None, out: Path | None) -> int:
    """Draw the curves of runs on the same axes: in the terminal, and as a PNG."""
    runs = [read_run(folder) for folder in folders]
    chosen = _names(runs, names)
    for name in chosen:
        _draw(name, runs)
    first = folders[0]
    target = out or (first / "curves.png" if first.is_dir() else first.with_suffix(".png"))
    _picture(runs, chosen, target)
    say(f"the picture is {target}")
    return 0


def _names(runs: Sequence[RunFiles], names: Sequence[str] | None) -> list[str]:
    there = list(dict.fromkeys(name for run in runs for name in run.curves))
    if not there:
        raise RunFileError(
            f"no run has values: {METRICS} is missing or empty. Among the callbacks of fit, "
            f'Log(JsonLinesLogger("{runs[0].name}/{METRICS}"), every=Every(steps=10)) writes it'
        )
    for name in names or ():
        if name not in there:
            raise RunFileError(f"no run has {name!r}; there are {', '.join(there)}")
    return list(names or there)


def _draw(name: str, runs: Sequence[RunFiles]) -> None:
    curves = {i: run.curves[name] for i, run in enumerate(runs) if name in run.curves}
    values = [v for curve in curves.values() for v in curve.values if math.isfinite(v)]
    if not values:
        say(f"{name}: no value is finite")
        return
    steps = [step for curve in curves.values() for step in curve.steps]
    span = (min(steps), max(steps), min(values), max(values))
    say(f"{name}: {span[2]:.4g} to {span[3]:.4g}, steps {span[0]} to {span[1]}")
    for i, curve in curves.items():
        say(f"  {runs[i].name}, last {curve.values[-1]:.6g}")
        for line in sketch(curve.steps, curve.values, span):
            print(f"  |{fitting(line, sys.stdout.encoding)}")


def _picture(runs: Sequence[RunFiles], names: Sequence[str], target: Path) -> None:
    columns = min(len(names), 3)
    rows = -(-len(names) // columns)
    figure = matplotlib_figure(4.8 * columns, 3.4 * rows)
    for k, name in enumerate(names):
        axes = figure.add_subplot(rows, columns, k + 1)
        for i, run in enumerate(runs):
            if name in run.curves:
                curve = run.curves[name]
                marker = "o" if len(curve.steps) < 30 else None
                color = f"C{i % 10}"  # one color a run, on all axes
                axes.plot(
                    curve.steps, curve.values, label=run.name, color=color, marker=marker, ms=3
                )
        axes.set(title=name, xlabel="step")
        axes.grid(alpha=0.3)
        if len(runs) > 1:
            axes.legend()
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, format="png")
