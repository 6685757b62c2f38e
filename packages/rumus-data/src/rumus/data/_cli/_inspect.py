"""``rumus-data inspect``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from .. import Field, RecordDataset, RecordSchema
from .._rrec._fields import KEY
from .._rrec._reader import open_reader
from ._files import for_each
from ._text import say


def inspect(paths: Sequence[Path]) -> int:
    """Show the size, the records, the schema and the metadata of each file.

    Returns:
        1 if a file cannot be used, else 0.
    """
    return for_each(paths, _show)


def _show(path: Path) -> int:
    reader = open_reader(path, mapped=False)
    schema = RecordDataset(path, mapped=False).schema
    say(f"{path}: {len(reader):,} records, {reader.file.size:,} bytes, version {reader.version}")
    for name, field in _parts(schema):
        say(f"  {name}: {field or 'varies'}")
    known = {name: value for name, value in reader.metadata.items() if name != KEY}
    if known:
        say("metadata:")
    for name, value in known.items():
        say(f"  {name}: {json.dumps(value, ensure_ascii=False)}")
    return 0


def _parts(schema: RecordSchema) -> Iterator[tuple[str, Field | None]]:
    """What a sample consists of: its parts, or an input and a target."""
    input, target = schema.input, schema.target
    no_target = target is not None and 0 in target.shape
    if input is None or not input.dtype.names or not no_target:
        yield from (("input", input), ("target", target))
        return
    for name in input.dtype.names:
        part = input.dtype[name]
        yield name, Field(part.base, part.shape)
