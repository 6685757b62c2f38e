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
Kind: TypeAlias = tuple[object, ...]  # the shapes and dtypes of a record


class RowBuffer:
    """A piece of the file in memory, filled record by record and then written at once.

    Args:
        sink: The file; what stands before its first record is written already.
        format: The bytes of the file's version.

    Attributes:
        whole: False if a change of the buffer did not come to its end: Ctrl-C may come anywhere,
            and nothing may follow then.
    """

    def __init__(self, sink: Sink, format: Format) -> None:
        self.whole = True
        self._sink = sink
        self._format = format
        self._runs = array("Q")
        self._memory = np.empty(_BLOCK, np.uint8)
        self._used = 0  # bytes of the memory in front of the open rows
        self._layout: Layout | None = None
        self._kind: Kind | None = None  # what ``takes`` compares a record with
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

    @property
    def begun(self) -> bool:
        """Whether anything was given that stands at its place in the file."""
        return bool(self._runs)

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
        kind = self._begin_change()
        self._seal()
        self._write(self._used)
        self._end_change(kind)

    def close(self) -> None:
        """Take no more records."""
        self._layout = self._kind = None

    def runs(self) -> RunTable:
        """The runs of neighbouring records of one layout, without those that got no record."""
        table = np.frombuffer(self._runs, np.uint64).reshape(-1, 3)
        lengths = np.diff(table[:, 0], append=np.uint64(self.count))
        return table[lengths > 0]

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
        before = self._used, self._layout, self._tag
        runs, place = len(self._runs), self._place()
        kind = self._begin_change()
        try:
            self._reserve(len(head))
            self._memory[self._used : self._used + len(head)] = np.frombuffer(head, np.uint8)
            self._used += len(head)
            self._open_rows(layout)
            self._layout, self._tag = layout, tag
            self._runs.extend((self.count, place, tag))
        except BaseException:  # no memory for a record: go on as if it had not been given
            self._used, self._layout, self._tag = before
            del self._runs[runs:]
            if self._layout is not None:
                self._open_rows(self._layout)
            self._end_change(kind)
            raise
        self._end_change((input.shape, target.shape, input.dtype, target.dtype))

    def _begin_change(self) -> Kind | None:
        """Take no record until the change has come to its end; what records were like before."""
        kind, self._kind = self._kind, None
        self.whole = False
        return kind

    def _end_change(self, kind: Kind | None) -> None:
        self.whole = True
        self._kind = kind

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
        kind = self._begin_change()
        self._seal()
        complete = self._place() // _BLOCK * _BLOCK - self._sink.position
        if complete > 0:
            self._write(complete)
        self._end_change(kind)

    def _write(self, nbytes: int) -> None:
        self._sink.write(self._memory[:nbytes])
        rest = self._used - nbytes
        self._memory[:rest] = self._memory[nbytes : self._used]
        self._used = rest
        if self._layout is not None:
            self._open_rows(self._layout)

    def _seal(self) -> None:
        """Complete the open rows that are filled."""
        if self._layout is None or not self._filled:
            return
        rows = self._rows[: self._filled]
        self._layout.clear_padding(rows)
        self._format.seal(rows, self._layout, self._sealed, self._tag)
        self._used += rows.nbytes
        self._sealed += self._filled
        self._rows = self._rows[self._filled :]
        self._room, self._filled = self._room - self._filled, 0
