"""What the writer asks of a version of the format, and version 1's answers."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from rumus.tensor import DTypeError, ShapeError

from ._file import Bytes
from ._layout import Field, Layout
from ._sink import Sink
from ._v1 import DTYPES, ENTRY, HEADER, MAGIC, MAX_NDIM, layout_headers

RunTable = npt.NDArray[np.uint64]  # a row per run: first record, offset in the file, tag


class Format(Protocol):
    """The bytes of one version."""

    def as_stored(self, array: npt.NDArray[Any], what: str) -> npt.NDArray[Any]:
        """The array in a dtype that the version can hold."""
        ...

    def layout(self, input: Field, target: Field) -> Layout:
        """How a record of these fields is divided."""
        ...

    def begin_file(self) -> bytes:
        """What stands before the first record."""
        ...

    def begin_run(self, layout: Layout, first: int) -> tuple[bytes, int]:
        """What stands before a run of records of one layout, and the tag of the run's table row."""
        ...

    def seal(self, rows: Bytes, layout: Layout, first: int, tag: int) -> None:
        """Fill in everything of some records that is neither input nor target."""
        ...

    def finish(self, sink: Sink, runs: RunTable, count: int) -> None:
        """Write what makes the file complete.

        Args:
            sink: The file, with all records written.
            runs: A row per run of neighbouring records of one layout.
            count: The number of records.
        """
        ...


def check_size(*fields: Field) -> None:
    """Refuse arrays that no file can hold.

    Raises:
        ShapeError: One is too large.
    """
    for field in fields:
        if field.too_large:
            raise ShapeError(f"{field} is larger than any file")


class Version1Format:
    """Version 1; see :mod:`rumus.data._rrec._v1`."""

    def as_stored(self, array: npt.NDArray[Any], what: str) -> npt.NDArray[Any]:
        """float32 and float16 as they are, float64 as float32.

        Raises:
            DTypeError: The array holds something else.
            ShapeError: It has too many axes.
        """
        if array.ndim > MAX_NDIM:
            raise ShapeError(f"the {what} has {array.ndim} axes; version 1 holds {MAX_NDIM}")
        if array.dtype in DTYPES:
            return array
        if array.dtype.kind == "f":
            return array.astype("<f2" if array.dtype.itemsize == 2 else "<f4")
        raise DTypeError(
            f"the {what} has dtype {array.dtype}; version 1 holds float32 and float16, version 2 "
            "holds all"
        )

    def layout(self, input: Field, target: Field) -> Layout:
        """Header, elements and padding to 4 bytes, twice.

        Raises:
            ShapeError: An axis is too long, or the whole.
        """
        check_size(input, target)
        longest = max((*input.shape, *target.shape), default=0)
        if longest >= 1 << 32:
            raise ShapeError(f"an axis of {longest} is too long; version 1 holds below 2**32")
        input_offset = 8 + 4 * len(input.shape)
        middle = input_offset + input.nbytes + -input.nbytes % 4
        target_offset = middle + 8 + 4 * len(target.shape)
        end = target_offset + target.nbytes + -target.nbytes % 4
        return Layout(input, target, input_offset, target_offset, end)

    def begin_file(self) -> bytes:
        """The header of an unfinished file."""
        return HEADER.pack(MAGIC, 1, 0, 0)

    def begin_run(self, layout: Layout, first: int) -> tuple[bytes, int]:
        """Nothing, for each record describes itself; the tag is the length of a record."""
        return b"", layout.stride

    def seal(self, rows: Bytes, layout: Layout, first: int, tag: int) -> None:
        """Write the tensors' headers and zeros between them."""
        before, between = layout_headers(layout)
        rows[:, : layout.input_offset] = before
        rows[:, layout.target_offset - len(between) : layout.target_offset] = between
        rows[:, layout.target_offset + layout.target.nbytes :] = 0

    def finish(self, sink: Sink, runs: RunTable, count: int) -> None:
        """Write the index, then the header that points to it."""
        index_offset = sink.position
        ends = [*runs[1:, 0].tolist(), count]
        for (first, offset, stride), end in zip(runs.tolist(), ends, strict=False):
            entries = np.empty(end - first, ENTRY)
            entries["offset"] = offset + np.arange(end - first) * stride
            entries["length"] = stride
            sink.write(entries.view(np.uint8))
        sink.sync()
        sink.rewrite(0, HEADER.pack(MAGIC, 1, count, index_offset))
