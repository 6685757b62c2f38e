"""What the writer asks of version 2."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from rumus.tensor import ArgumentError, ShapeError

from ._crc import MASK, check_of, crc32c
from ._file import Bytes
from ._format import RunTable, check_size
from ._layout import Field, Layout
from ._sink import Sink
from ._v2 import ENTRY, MAX_NDIM, TRAILER, pack_footer, pack_header, pack_run, record_layout


class Version2Format:
    """Version 2; see :mod:`rumus.data._rrec._v2`.

    Args:
        metadata: What to store about the data set.

    Raises:
        ArgumentError: JSON cannot hold the metadata.
    """

    def __init__(self, metadata: Mapping[str, Any]) -> None:
        self.metadata = dict(metadata)
        try:
            _check_keys(metadata)
            self._header = pack_header(self.metadata)
        except (TypeError, ValueError, RecursionError) as error:
            raise ArgumentError(f"the metadata cannot be stored as JSON: {error}") from error

    def as_stored(self, array: npt.NDArray[Any], what: str) -> npt.NDArray[Any]:
        """Every array as it is.

        Raises:
            ShapeError: It has too many axes.
        """
        if array.ndim > MAX_NDIM:
            raise ShapeError(f"the {what} has {array.ndim} axes; a record holds {MAX_NDIM}")
        return array

    def layout(self, input: Field, target: Field) -> Layout:
        """The input, the target and a trailer, aligned to 64 bytes.

        Raises:
            ShapeError: One is larger than any file.
        """
        check_size(input, target)
        return record_layout(input, target)

    def begin_file(self) -> bytes:
        """The header and the metadata."""
        return self._header

    def begin_run(self, layout: Layout, first: int) -> tuple[bytes, int]:
        """The description of the run; the tag is its check field."""
        description = pack_run(layout, first)
        return description, int.from_bytes(description[-4:], "little")

    def seal(self, rows: Bytes, layout: Layout, first: int, tag: int) -> None:
        """Write zeros between the fields, and the trailers."""
        rows[:, layout.input.nbytes : layout.target_offset] = 0
        rows[:, layout.target_offset + layout.target.nbytes : -TRAILER.itemsize] = 0
        trailers = trailers_of(rows)
        trailers["number"] = np.arange(first, first + len(rows))
        trailers["tag"] = tag
        checks = np.fromiter(map(crc32c, rows[:, :-4]), np.uint32, len(rows))
        trailers["check"] = checks ^ np.uint32(MASK)

    def finish(self, sink: Sink, runs: RunTable, count: int) -> None:
        """Write the index and the footer."""
        index_offset = sink.position
        sink.write(pack_index(runs))
        sink.write(pack_footer(count, len(runs), index_offset))


def _check_keys(value: Any) -> None:
    """Refuse keys that JSON would turn into strings.

    Raises:
        TypeError: One is no string.
    """
    inner: Iterable[Any] = ()
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"the key {key!r} would become a string; give {str(key)!r}")
        inner = value.values()
    elif isinstance(value, list | tuple):
        inner = value
    for one in inner:
        _check_keys(one)


def trailers_of(rows: Bytes) -> npt.NDArray[Any]:
    """The trailers of whole records, as a view of shape (n,)."""
    return rows[:, -TRAILER.itemsize :].view(TRAILER)[:, 0]


def pack_index(runs: RunTable) -> bytes:
    """The index: an entry per run."""
    entries = np.zeros(len(runs), ENTRY)
    for column, name in enumerate(("first", "offset", "tag")):
        entries[name] = runs[:, column]
    entry_bytes = entries.view(np.uint8).reshape(len(runs), ENTRY.itemsize)
    entries["check"] = [check_of(entry[:-4]) for entry in entry_bytes]
    return entries.tobytes()
