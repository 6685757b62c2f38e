"""CSV: the kind of a column is what all of its cells are."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rumus.tensor import ArgumentError

from .._rrec._file import check_regular
from ._options import Options
from ._table import Piece, Values

_AT_ONCE = 4096  # rows
_DELIMITERS = ",;\t|"
_SENTINELS = frozenset(("", "NA", "N/A", "NaN", "nan", "NULL", "null"))  # among numbers
_WHOLE = r"[+-]?(?:0|[1-9]\d*)"  # a leading zero makes it a code, of a post office for example
_KINDS = {
    "bool": re.compile("true|false", re.IGNORECASE),
    "int": re.compile(_WHOLE, re.ASCII),
    "float": re.compile(
        rf"(?:{_WHOLE}(?:\.\d*)?|[+-]?\.\d+)(?:[eE][+-]?\d+)?|[+-]?inf", re.ASCII | re.IGNORECASE
    ),
}
_DTYPES = {"bool": np.dtype(bool), "int": np.dtype(np.int64), "float": np.dtype(np.float64)}


class _Lines(NamedTuple):
    """Rows of one file, with the numbers of the lines that they end on."""

    path: Path
    numbers: list[int]
    rows: list[list[str]]


class CsvTable:
    """CSV files of the same columns, which are read twice: first for what is in the columns."""

    exact = False

    def __init__(self, paths: Sequence[Path], options: Options) -> None:
        self.path = paths[0]
        self._paths = paths
        self._encoding = {"utf-8": "utf-8-sig"}.get(options.encoding.lower(), options.encoding)
        self._header = options.header
        self._delimiter = options.delimiter or self._guessed(paths[0])
        self._names = self._names_of(paths[0])
        for path in paths[1:]:
            if self._names_of(path) != self._names:
                raise ArgumentError(f"{paths[0]} and {path} have different columns")
        self.rows, self.kinds = self._surveyed()

    def pieces(self, names: Sequence[str]) -> Iterator[Piece]:
        """All rows, with the columns of those names."""
        wanted = [(name, self._names.index(name)) for name in names]
        for lines in self._lines():
            broken = {
                k: f"{len(row)} cells, where the header has {len(self._names)}"
                for k, row in enumerate(lines.rows)
                if len(row) != len(self._names)
            }
            blank = [""] * len(self._names)
            rows = [blank if k in broken else row for k, row in enumerate(lines.rows)]
            cells = list(zip(*rows, strict=True))
            columns = {name: _values(cells[k], self.kinds[name]) for name, k in wanted}
            yield Piece([f"{lines.path}, line {n}" for n in lines.numbers], columns, broken)

    def _guessed(self, path: Path) -> str:
        head = next(self._text(path), "")
        return next((d for d in _DELIMITERS if d in head), ",")

    def _names_of(self, path: Path) -> list[str]:
        row = next(self._rows(path), (0, None))[1]
        if row is None:
            raise ArgumentError(f"{path} is empty")
        if not self._header:
            return [f"column {k}" for k in range(1, len(row) + 1)]
        if all(_KINDS["float"].fullmatch(name) for name in row):
            raise ArgumentError(
                f"the first row of {path} has numbers where the names of the columns should be; "
                "--no-header (header=False) calls them column 1, column 2, ..."
            )
        names = [name or f"column {k}" for k, name in enumerate(row, 1)]
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise ArgumentError(f"{path} has two columns {twice[0]!r}; their names must differ")
        return names

    def _surveyed(self) -> tuple[int, dict[str, np.dtype[Any] | str]]:
        """The number of rows, and the kind of each column."""
        possible = [set(_KINDS) for _ in self._names]
        filled = [False] * len(self._names)
        count = 0
        for lines in self._lines():
            count += len(lines.rows)
            whole = [row for row in lines.rows if len(row) == len(self._names)]
            for k, cells in enumerate(zip(*whole, strict=True)):
                there = set(cells) - _SENTINELS
                filled[k] |= bool(there)
                for kind in list(possible[k]):
                    if not all(map(_KINDS[kind].fullmatch, there)):
                        possible[k].discard(kind)
        kinds: dict[str, np.dtype[Any] | str] = {}
        for name, kept, any_cell in zip(self._names, possible, filled, strict=True):
            found = next((kind for kind in _KINDS if kind in kept), "text")
            kinds[name] = _DTYPES.get(found if any_cell else "float", "text")
        return count, kinds

    def _lines(self) -> Iterator[_Lines]:
        for path in self._paths:
            rows = self._rows(path)
            next(islice(rows, 1), None) if self._header else None
            while chunk := list(islice(rows, _AT_ONCE)):
                yield _Lines(path, [number for number, _ in chunk], [row for _, row in chunk])

    def _rows(self, path: Path) -> Iterator[tuple[int, list[str]]]:
        """The rows of a file without those that are blank, with the number of their last line."""
        reader = csv.reader(
            self._text(path), delimiter=self._delimiter, skipinitialspace=True, strict=True
        )
        while True:
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                raise ArgumentError(
                    f"{path}, line {reader.line_num}: this is no CSV ({error})"
                ) from error
            if row:
                yield reader.line_num, [cell.strip() for cell in row]

    def _text(self, path: Path) -> Iterator[str]:
        check_regular(path)
        try:
            with open(path, newline="", encoding=self._encoding) as file:
                yield from file
        except UnicodeDecodeError as error:
            raise ArgumentError(
                f"{path} is not {self._encoding.removesuffix('-sig')} ({error.reason} at byte "
                f"{error.start} of a block); --encoding (encoding=) says what it is, latin-1 or "
                "utf-16 for example"
            ) from None
        except LookupError:
            raise ArgumentError(f"{self._encoding!r} is no encoding that Python knows") from None


def _values(cells: Sequence[str], kind: np.dtype[Any] | str) -> Values:
    if not isinstance(kind, np.dtype):
        array = np.empty(len(cells), object)
        array[:] = cells
        return Values(array, array == "")
    missing = np.zeros(len(cells), bool)
    if not _SENTINELS.isdisjoint(cells):
        missing[:] = [cell in _SENTINELS for cell in cells]
        cells = ["0" if cell in _SENTINELS else cell for cell in cells]
    return Values(_numbers(cells, kind), missing)


def _numbers(cells: Sequence[str], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    if dtype.kind == "b":
        return np.array([cell.lower() == "true" for cell in cells], bool)
    if dtype.kind == "f":
        return np.array(list(map(float, cells)), dtype)
    try:
        return np.array(list(map(int, cells)), dtype)
    except (OverflowError, ValueError):  # beyond 64 bits, where only a float is left
        return np.array(list(map(float, cells)))
