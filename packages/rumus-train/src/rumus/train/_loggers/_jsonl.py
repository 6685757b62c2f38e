"""Values as JSON lines."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from ._sink import Logger, numbers


class JsonLinesLogger(Logger):
    r"""Appends a line ``{"step": 12, "loss": 0.5}`` for each call of :meth:`log`.

    Infinite values and NaN, which JSON lacks, are the strings ``"inf"``, ``"-inf"``, ``"nan"``.
    Texts are lines with ``"text"``. A line that a killed process left unfinished is removed.

    Args:
        path: The file, usually ``metrics.jsonl`` in the run's folder, where ``rumus-train plot``
            finds it.

    Example:
        >>> import tempfile, pathlib
        >>> path = pathlib.Path(tempfile.mkdtemp(), "metrics.jsonl")
        >>> with JsonLinesLogger(path) as logger:
        ...     logger.log(1, {"loss": 0.5})
        >>> path.read_text()
        '{"step": 1, "loss": 0.5}\n'
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._file: TextIO | None = None

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Append a line."""
        self._write({"step": step} | {k: _plain(v) for k, v in numbers(values).items()})

    def text(self, step: int, name: str, text: str) -> None:
        """Append a line with a text."""
        self._write({"step": step, "text": {name: text}})

    def resume(self, step: int) -> None:
        """Remove the lines of later steps."""
        self._opened().close()
        lines = self._path.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [line for line in lines if json.loads(line).get("step", 0) <= step]
        under = self._path.with_name(f".{self._path.name}.tmp")
        under.write_text("".join(kept), encoding="utf-8")
        os.replace(under, self._path)
        self._file = self._path.open("a", encoding="utf-8")

    def flush(self) -> None:
        """Hand all lines to the system."""
        if self._file is not None:
            self._file.flush()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

    def _opened(self) -> TextIO:
        """The file, which is not touched before: of several processes one alone writes to it."""
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            _cut_unfinished(self._path)
            self._file = self._path.open("a", encoding="utf-8")
        return self._file

    def _write(self, line: dict[str, Any]) -> None:
        file = self._opened()
        file.write(json.dumps(line, allow_nan=False) + "\n")
        file.flush()


def _plain(value: float) -> float | str:
    return value if math.isfinite(value) else str(value)


def _cut_unfinished(path: Path) -> None:
    if not path.exists():
        return
    with path.open("r+b") as file:
        content = file.read()
        if content and not content.endswith(b"\n"):
            file.truncate(content.rfind(b"\n") + 1)
