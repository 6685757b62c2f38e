"""``rumus-data inspect``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from .. import Field, RecordDataset
from .._rrec._reader import open_reader


def inspect(paths: Sequence[Path]) -> None:
    """Show the size, the records, the schema and the metadata of each file."""
    table = Table("file", "version", "records", "bytes", "input", "target", "metadata")
    for path in paths:
        reader = open_reader(path)
        schema = RecordDataset(path).schema
        table.add_row(
            str(path),
            str(reader.version),
            f"{len(reader):,}",
            f"{reader.file.size:,}",
            described(schema.input),
            described(schema.target),
            json.dumps(reader.metadata, ensure_ascii=False) if reader.metadata else "",
        )
    Console().print(table)


def described(field: Field | None) -> str:
    """A field of the schema, in words."""
    return "varies" if field is None else str(field)
