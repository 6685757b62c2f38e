"""``rumus-data inspect``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from .. import Field, RecordDataset
from .._rrec._reader import open_reader
from ._files import for_each
from ._text import printable


def inspect(paths: Sequence[Path]) -> int:
    """Show the size, the records, the schema and the metadata of each file.

    Returns:
        1 if a file cannot be used, else 0.
    """
    table = Table("file", "version", "records", "bytes", "input", "target", "metadata")

    def add(path: Path) -> int:
        reader = open_reader(path, mapped=False)
        schema = RecordDataset(path, mapped=False).schema
        cells = (
            str(path),
            str(reader.version),
            f"{len(reader):,}",
            f"{reader.file.size:,}",
            described(schema.input),
            described(schema.target),
            json.dumps(reader.metadata, ensure_ascii=False) if reader.metadata else "",
        )
        table.add_row(*(Text(printable(cell)) for cell in cells))
        return 0

    code = for_each(paths, add)
    if table.rows:
        Console().print(table)
    return code


def described(field: Field | None) -> str:
    """A field of the schema, in words."""
    return "varies" if field is None else str(field)
