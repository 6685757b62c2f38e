"""Parquet, Arrow and Feather: the kinds of columns are in the file (``rumus-data[arrow]``)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rumus.tensor import ArgumentError

from .._rrec._file import check_regular
from ._naming import decoded, decoding
from ._table import Piece, Values

PARQUET = frozenset((".parquet", ".pq"))
ARROW = frozenset((".arrow", ".feather", ".ipc"))
_AT_ONCE = 4096  # rows


class ArrowTable:
    """Files of one schema."""

    exact = True

    def __init__(self, paths: Sequence[Path]) -> None:
        self.path = paths[0]
        self._paths = paths
        self.rows = 0
        schemas = []
        for path in paths:
            check_regular(path)
            with decoding(path, "Parquet or Arrow file that can be read"):
                schema, rows = _opened(path)
            schemas.append(schema)
            self.rows += rows
        for path, schema in zip(paths, schemas, strict=True):
            if not schema.equals(schemas[0]):
                raise ArgumentError(f"{paths[0]} and {path} have different columns")
        twice = [name for name in schemas[0].names if schemas[0].names.count(name) > 1]
        if twice:
            raise ArgumentError(f"{self.path} has two columns {twice[0]!r}; names must differ")
        self.kinds = {field.name: _kind(field.type) for field in schemas[0]}

    def pieces(self, names: Sequence[str]) -> Iterator[Piece]:
        """All rows, with the columns of those names."""
        for path in self._paths:
            first = 0
            for batch in decoded(path, "Parquet or Arrow file", _batches(path, names)):
                places = [f"{path}, row {first + k}" for k in range(len(batch))]
                with decoding(path, "table of regular arrays"):
                    columns = {n: _values(batch.column(n), self.kinds[n]) for n in names}
                first += len(batch)
                yield Piece(places, columns, {})


def _opened(path: Path) -> tuple[Any, int]:
    if path.suffix.lower() in PARQUET:
        from pyarrow import parquet

        with parquet.ParquetFile(path) as file:
            return file.schema_arrow, file.metadata.num_rows
    with _arrow_file(path) as reader:
        return reader.schema, sum(len(batch) for batch in _in_order(reader))


def _batches(path: Path, names: Sequence[str]) -> Iterator[Any]:
    if path.suffix.lower() in PARQUET:
        from pyarrow import parquet

        with parquet.ParquetFile(path) as file:
            yield from file.iter_batches(_AT_ONCE, columns=list(names))
        return
    with _arrow_file(path) as reader:
        for batch in _in_order(reader):
            for start in range(0, len(batch), _AT_ONCE):
                yield batch.slice(start, _AT_ONCE)


def _arrow_file(path: Path) -> Any:
    """A reader of either form: with an index at the end, or a mere stream."""
    import pyarrow

    mapped = pyarrow.memory_map(str(path))
    try:
        return pyarrow.ipc.open_file(mapped)
    except pyarrow.ArrowInvalid:
        mapped.seek(0)
        return pyarrow.ipc.open_stream(mapped)


def _in_order(reader: Any) -> Iterator[Any]:
    if hasattr(reader, "num_record_batches"):
        return (reader.get_batch(k) for k in range(reader.num_record_batches))
    return iter(reader)


def _kind(of: Any) -> np.dtype[Any] | str:
    from pyarrow import types

    if types.is_dictionary(of):
        return _kind(of.value_type)
    if types.is_boolean(of) or types.is_integer(of) or types.is_floating(of):
        dtype: np.dtype[Any] = np.dtype(of.to_pandas_dtype())
        return dtype
    if types.is_decimal(of):
        return np.dtype(np.float64)
    if types.is_string(of) or types.is_large_string(of) or types.is_string_view(of):
        return "text"
    if types.is_list(of) or types.is_large_list(of) or types.is_fixed_size_list(of):
        inner = _kind(of.value_type)
        return "array" if inner == "array" or isinstance(inner, np.dtype) else f"holds {of}"
    return f"holds {of}"


def _values(column: Any, kind: np.dtype[Any] | str) -> Values:
    from pyarrow import types

    if types.is_dictionary(column.type):
        column = column.dictionary_decode()
    missing: npt.NDArray[np.bool_] = column.is_null().to_numpy(zero_copy_only=False)
    if isinstance(kind, np.dtype):
        filled = column.fill_null(False if kind.kind == "b" else 0) if column.null_count else column
        return Values(filled.to_numpy(zero_copy_only=False).astype(kind), missing)
    cells = np.empty(len(column), object)
    if kind == "text":
        cells[:] = ["" if cell is None else cell for cell in column.to_pylist()]
        return Values(cells, missing)
    dtype = _element(column.type)
    for k, cell in enumerate(column.to_pylist()):
        missing[k] |= _has_none(cell)
        cells[k] = np.empty(0, dtype) if missing[k] else np.array(cell, dtype)
    return Values(cells, missing)


def _element(of: Any) -> Any:
    while hasattr(of, "value_type"):
        of = of.value_type
    return _kind(of)


def _has_none(cell: Any) -> bool:
    return cell is None or (isinstance(cell, list) and any(map(_has_none, cell)))
