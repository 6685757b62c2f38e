"""Values as a table of comma-separated values."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

from ._sink import Logger, numbers


class CsvLogger(Logger):
    """A table with a row for each call of :meth:`log` and a column for each name.

    A name that comes later is a new column, empty in the rows before; the file is then written
    anew.

    Args:
        path: The file; one that exists is continued.

    Example:
        >>> from pathlib import Path
        >>> with CsvLogger("metrics.csv") as logger:
        ...     logger.log(1, {"loss": 0.5})
        >>> Path("metrics.csv").read_text().splitlines()
        ['step,loss', '1,0.5']
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._names = ["step"]
        self._file: TextIO | None = None

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Append a row."""
        row = {"step": step, **numbers(values)}
        file = self._opened()
        new = [name for name in row if name not in self._names]
        if new or self._path.stat().st_size == 0:
            file = self._rewritten(file, self._names + new, self._rows())
        csv.writer(file).writerow(row.get(name, "") for name in self._names)
        file.flush()

    def resume(self, step: int) -> None:
        """Remove the rows of later steps."""
        file = self._opened()
        kept = [row for row in self._rows() if int(row["step"]) <= step]
        self._rewritten(file, self._names, kept)

    def flush(self) -> None:
        """Hand all rows to the system."""
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
            if self._path.exists() and self._path.stat().st_size:
                with self._path.open(newline="", encoding="utf-8") as file:
                    self._names = next(csv.reader(file))
            self._file = self._path.open("a", newline="", encoding="utf-8")
        return self._file

    def _rows(self) -> list[dict[str, str]]:
        """The rows that are whole."""
        with self._path.open(newline="", encoding="utf-8") as file:
            return [row for row in csv.DictReader(file) if None not in row.values()]

    def _rewritten(self, before: TextIO, names: list[str], rows: list[dict[str, str]]) -> TextIO:
        """The file, anew with other columns or rows."""
        before.close()
        under = self._path.with_name(f".{self._path.name}.tmp")
        try:
            with under.open("w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, names, restval="")
                writer.writeheader()
                writer.writerows(rows)
            os.replace(under, self._path)
        except BaseException:  # a full disk
            under.unlink(missing_ok=True)
            raise
        self._names = names
        self._file = self._path.open("a", newline="", encoding="utf-8")
        return self._file
