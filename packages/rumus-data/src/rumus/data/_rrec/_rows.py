"""Records on their way into the file."""

from __future__ import annotations

from array import array
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ._format import Format, RunTable
from ._layout import Field, Layout
from ._sink import Sink

_BLOCK = 1 << 21  # bytes; whole aligned blocks get large pages in the page cache: faster to map


Element: TypeAlias = npt.NDArray[Any] | np.generic


class RowBuffer:
    """A piece of the file in memory, filled record by record and then written at once.

    Args:
        sink: The file; what stands before its first record is written already.
        format: The bytes of the file's version.
    """

    def __init__(self, sink: Sink, format: Format) -> None:
        self._sink = sink
        self._format = format
        self._runs = array("Q")
        self._memory = np.empty(_BLOCK, np.uint8)
        self._used = 0  # bytes of the memory in front of the open rows
        self._layout: Layout | None = None
        self._kind: tuple[object, ...] | None = None  # what ``takes`` compares a record with
        self._tag = 0
        self._rows = np.empty((0, 0), np.uint8)
        self._inputs: npt.NDArray[Any] = self._rows
        self._targets: npt.NDArray[Any] = self._rows
        self._room = 0  # records that fit into the open rows
        self._filled = 0  # records that are in them
        self._sealed = 0  # records in front of them

    @property
    def count(self) -> int:
        """The number of records appended so far."""
        return self._sealed + self._filled

    def takes(self, input: Element, target: Element) -> bool:
        """Whether a record has the layout of the one before it."""
        return (input.shape, target.shape, input.dtype, target.dtype) == self._kind

    def append(self, input: Element, target: Element) -> bool:
        """Add a record if it has the layout of the one before it; False if it has not."""
        if (input.shape, target.shape, input.dtype, target.dtype) != self._kind:
            return False
        if self._filled == self._room:
            self._write_blocks()
        row = self._filled
        self._inputs[row] = input
        self._targets[row] = target
        self._filled = row + 1
        return True

    def extend(self, inputs: npt.NDArray[Any], targets: npt.NDArray[Any]) -> None:
        """Add records of the layout of the one before them; they lie along the first axis."""
        done = 0
        while done < len(inputs):
            if self._filled == self._room:
                self._write_blocks()
            step = min(len(inputs) - done, self._room - self._filled)
            filled = slice(self._filled, self._filled + step)
            self._inputs[filled] = inputs[done : done + step]
            self._targets[filled] = targets[done : done + step]
            self._filled += step
            done += step

    def drain(self) -> None:
        """Give everything to the file."""
        self._seal()
        self._write(self._used)

    def close(self) -> None:
        """Take no more records."""
        self._layout = self._kind = None

    def runs(self) -> RunTable:
        """The runs of neighbouring records of one layout."""
        return np.frombuffer(self._runs, np.uint64).reshape(-1, 3)

    def begin_run(self, input: Field, target: Field) -> None:
        """Make room for records of another layout.

        Raises:
            DTypeError: The format cannot hold a dtype.
            ShapeError: The format cannot hold a shape.
            MemoryError: There is no room for a record; the buffer is as before.
        """
        layout = self._format.layout(input, target)
        head, tag = self._format.begin_run(layout, self.count)
        self._write_blocks()
        start, place = self._used, self._place()
        try:
            self._reserve(len(head))
            self._memory[start : start + len(head)] = np.frombuffer(head, np.uint8)
            self._used += len(head)
            self._open_rows(layout)
        except BaseException:  # no memory for a record: go on as if it had not been given
            self._used = start
            if self._layout is not None:
                self._open_rows(self._layout)
            raise
        self._runs.extend((self.count, place, tag))
        self._layout, self._tag = layout, tag
        self._kind = (input.shape, target.shape, input.dtype, target.dtype)

    def _open_rows(self, layout: Layout) -> None:
        """Make room for the records that begin before the end of the file's block."""
        rows = max(-(-(_BLOCK - self._place() % _BLOCK) // layout.stride), 1)
        self._reserve(rows * layout.stride)
        end = self._used + rows * layout.stride
        opened = self._memory[self._used : end].reshape(rows, layout.stride)
        self._inputs, self._targets = layout.split(opened)
        self._rows, self._room, self._filled = opened, rows, 0

    def _place(self) -> int:
        """Where the next byte belongs in the file."""
        return self._sink.position + self._used

    def _reserve(self, nbytes: int) -> None:
        """Make the memory large enough for further bytes."""
        if self._used + nbytes > len(self._memory):
            memory = np.empty(self._used + nbytes, np.uint8)
            memory[: self._used] = self._memory[: self._used]
            self._memory = memory

    def _write_blocks(self) -> None:
        """Give the file's complete blocks to the file, and keep what is behind them."""
        self._seal()
        complete = self._place() // _BLOCK * _BLOCK - self._sink.position
        if complete > 0:
            self._write(complete)

    def _write(self, nbytes: int) -> None:
        layout, kind = self._layout, self._kind
        self._layout = self._kind = None  # if writing fails, no record is taken any more
        self._sink.write(self._memory[:nbytes])
        rest = self._used - nbytes
        self._memory[:rest] = self._memory[nbytes : self._used]
        self._used = rest
        self._layout, self._kind = layout, kind
        if layout is not None:
            self._open_rows(layout)

    def _seal(self) -> None:
        """Complete the open rows that are filled."""
        if self._layout is None or not self._filled:
            return
        rows = self._rows[: self._filled]
        self._format.seal(rows, self._layout, self._sealed, self._tag)
        self._used += rows.nbytes
        self._sealed += self._filled
        self._rows = self._rows[self._filled :]
        self._room, self._filled = self._room - self._filled, 0
