"""`rumus-train compare`: two runs side by side."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

from ._runs import Curve, read_run
from ._text import say


def compare(a: Path, b: Path) -> int:
    """Print the settings that differ, and of each curve the last, lowest and highest value."""
    first, second = read_run(a), read_run(b)
    names = dict.fromkeys([*first.settings, *second.settings])
    differ = [
        (name, first.settings.get(name, "-"), second.settings.get(name, "-"))
        for name in names
        if first.settings.get(name) != second.settings.get(name)
    ]
    same = len(names) - len(differ)
    say(f"settings: {same} equal, {len(differ)} different")
    _table([("", first.name, second.name), *differ] if differ else [])
    rows = [("", first.name, second.name, "difference")]
    for name in dict.fromkeys([*first.curves, *second.curves]):
        rows += _rows(name, first.curves.get(name), second.curves.get(name))
    say("curves")
    _table(rows)
    return 0


def _rows(name: str, a: Curve | None, b: Curve | None) -> list[tuple[str, str, str, str]]:
    rows = []
    for label, pick in (("last", lambda v: v[-1]), ("lowest", min), ("highest", max)):
        values = []
        for curve in (a, b):
            finite = [v for v in curve.values if math.isfinite(v)] if curve else []
            values.append(pick(finite) if finite else None)
        x, y = values
        difference = f"{y - x:+.4g}" if x is not None and y is not None else ""
        rows.append((f"{name}, {label}", _text(x), _text(y), difference))
    return rows


def _text(value: float | None) -> str:
    return "-" if value is None else f"{value:.6g}"


def _table(rows: Iterable[tuple[str, ...]]) -> None:
    lines = list(rows)
    widths = (
        [min(48, max(len(row[k]) for row in lines)) for k in range(len(lines[0]))] if lines else []
    )
    for row in lines:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        say("  " + "  ".join(cells).rstrip())
