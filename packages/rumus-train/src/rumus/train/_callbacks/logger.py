"""Loggers to a file: JSON lines and CSV."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Mapping
from io import TextIOBase
from pathlib import Path
from typing import Any

from .._every import Every, Timer
from .._means import Totals
from .._run import Run

Row = dict[str, Any]
_EACH_50 = Every(steps=50)


class Logger:
    """The base of loggers: a row at each trigger, one at each validation and epoch.

    A row has ``step``, ``epoch`` and ``samples``; at the trigger the means of the outputs since the
    row before, and what else has changed in ``run.metrics``. Only the trigger and an epoch's end
    wait for the device, and several loggers with one trigger wait once.

    Args:
        every: The trigger (default: each 50 steps).
    """

    def __init__(self, every: Every = _EACH_50) -> None:
        self._timer = Timer(every)
        self._before = Totals()
        self._known: dict[str, Any] = {}

    def write(self, row: Row) -> None:
        """Take a row; a subclass has the sink."""
        raise NotImplementedError(f"{type(self).__name__} has no write")

    def on_fit_start(self, run: Run) -> None:
        """Open the sink."""
        if run.progress.step == 0:
            self._before = run.read()

    def on_step_end(self, run: Run) -> None:
        """A row, if it is time."""
        if self._timer.is_due(run.progress):
            now = run.read()
            self._row(run, now.since(self._before))
            self._before = now

    def on_validation_end(self, run: Run) -> None:
        """A row of what was measured."""
        self._row(run, {n: v for n, v in run.metrics.items() if n.startswith("val_")})

    def on_epoch_end(self, run: Run) -> None:
        """A row of the epoch's means, as ``epoch_loss``."""
        means = run.read().since(run.epoch_start)
        self._row(run, {f"epoch_{name}": value for name, value in means.items()})

    def state_dict(self) -> dict[str, Any]:
        """What the next row's means are counted from."""
        return {"before": self._before.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where another one was."""
        self._before = Totals.from_state(state["before"])

    def _row(self, run: Run, values: Mapping[str, Any]) -> None:
        at = {n: getattr(run.progress, n) for n in ("step", "epoch", "samples")}
        numbers = {n: v for n, v in run.metrics.items() if isinstance(v, (int, float))}
        changed = {
            n: v
            for n, v in numbers.items()
            if self._known.get(n) != v and n not in run.averaged and not n.startswith("val_")
        }
        self._known = numbers
        given = {n: v for n, v in values.items() if isinstance(v, (int, float))}
        self.write({**at, **changed, **given})


class JsonLines(Logger):
    """A line of JSON for each row; NaN and infinities are ``null``.

    Where a run goes on, lines behind its checkpoint are cut off first.

    Args:
        path: The file.
        every: The trigger (default: each 50 steps).
    """

    def __init__(self, path: str | os.PathLike[str], every: Every = _EACH_50) -> None:
        super().__init__(every)
        self._path = Path(path)
        self._file: TextIOBase | None = None

    def on_fit_start(self, run: Run) -> None:
        """Open the file."""
        super().on_fit_start(run)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        kept = []
        if self._path.exists() and run.progress.samples:
            lines = self._path.read_text().splitlines()
            kept = [line for line in lines if _samples(line) <= run.progress.samples]
        self._file = self._path.open("w", buffering=1)
        self._file.writelines(f"{line}\n" for line in kept)

    def write(self, row: Row) -> None:
        """Write a line."""
        if self._file is not None:
            self._file.write(json.dumps({n: _finite(v) for n, v in row.items()}) + "\n")

    def on_fit_end(self, run: Run) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def on_exception(self, run: Run) -> None:
        """Close the file."""
        self.on_fit_end(run)


class Csv(Logger):
    """A table of all rows: a column for each name, in the order in which they came.

    A name that comes later adds a column, for which the file is written anew.

    Args:
        path: The file.
        every: The trigger (default: each 50 steps).
    """

    def __init__(self, path: str | os.PathLike[str], every: Every = _EACH_50) -> None:
        super().__init__(every)
        self._path = Path(path)
        self._columns: list[str] = []

    def on_fit_start(self, run: Run) -> None:
        """Read what is there of the run, up to its checkpoint."""
        super().on_fit_start(run)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        rows = []
        if self._path.exists() and run.progress.samples:
            with self._path.open(newline="") as file:
                rows = [r for r in csv.DictReader(file) if _count(r) <= run.progress.samples]
        self._columns = list(rows[0]) if rows else []
        self._rewrite(rows)

    def write(self, row: Row) -> None:
        """Write a line."""
        new = [name for name in row if name not in self._columns]
        if new:
            rows: list[Row] = []
            if self._columns:
                with self._path.open(newline="") as file:
                    rows = list(csv.DictReader(file))
            self._columns += new
            self._rewrite(rows)
        with self._path.open("a", newline="") as file:
            csv.DictWriter(file, self._columns, restval="").writerow(row)

    def _rewrite(self, rows: list[Row]) -> None:
        with self._path.open("w", newline="") as file:
            writer = csv.DictWriter(file, self._columns, restval="")
            if self._columns:
                writer.writeheader()
            writer.writerows(rows)


def _count(row: Row) -> int:
    return int(row["samples"]) if (row.get("samples") or "").isdigit() else 0


def _samples(line: str) -> float:
    try:
        return float(json.loads(line)["samples"])
    except (ValueError, KeyError, TypeError):  # a line that a kill has cut short
        return float("inf")


def _finite(value: Any) -> Any:
    ok = not isinstance(value, float) or value - value == 0
    return value if ok else None
