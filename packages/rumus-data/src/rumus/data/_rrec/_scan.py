"""Finding the records of version 2 without the index."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ._crc import crc32c
from ._file import Bytes
from ._format import RunTable
from ._layout import Layout
from ._mapped import MappedFile
from ._v2 import ALIGNMENT, RUN_MAGIC, parse_run, run_size
from ._v2_format import trailers_of

_STEP_BYTES = 1 << 20


@dataclass
class Found:
    """What a scan found.

    Attributes:
        runs: First record, offset and tag of each run.
        records: The number of records, damaged ones among them included.
        damaged: The numbers of records that cannot be read.
        end: Where the last good record ends.
    """

    end: int
    runs: list[tuple[int, int, int]] = field(default_factory=list)
    records: int = 0
    damaged: list[int] = field(default_factory=list)

    def table(self) -> RunTable:
        """The runs as the index is made of."""
        return np.array(self.runs, np.uint64).reshape(-1, 3)


@dataclass(frozen=True)
class _Run:
    first: int
    start: int  # of the description
    rows_start: int
    layout: Layout
    tag: int


def scan(file: MappedFile, start: int) -> Found:
    """Every record from the first run on that matches its checksum.

    Behind damage it goes on with the next record or run that is good; what was between them is
    counted as damaged.

    Args:
        file: A file of version 2, finished or not.
        start: Where the first run begins.
    """
    found = Found(start)
    run = _next_run(file, start, 0)
    while run is not None:
        found.damaged.extend(range(found.records, run.first))
        run = _scan_run(file, run, found)
    return found


def _scan_run(file: MappedFile, run: _Run, found: Found) -> _Run | None:
    """Count the records of a run; the run behind it, if there is one."""
    stride = run.layout.stride
    slots = (file.size - run.rows_start) // stride
    rows = file.view(run.rows_start, slots * stride).reshape(slots, stride)
    good = 0
    while True:
        before, good = good, _good_until(rows, run, good)
        if good > before:
            if not found.runs or found.runs[-1][0] != run.first:
                found.runs.append((run.first, run.start, run.tag))
            found.records = run.first + good
            found.end = run.rows_start + good * stride
        end = run.rows_start + good * stride
        number = run.first + good
        behind = _run_at(file, end, range(number, number + 1))
        if behind is not None:
            return behind
        again = _next_good(rows, run, good)
        if again is None:
            # What looks like a run within a record that was cut off is a part of that record.
            return None if good == slots else _next_run(file, end, number)
        found.damaged.extend(range(run.first + good, run.first + again))
        good = again


def _good_until(rows: Bytes, run: _Run, start: int) -> int:
    """The first row from ``start`` on that is no good record of the run."""
    step = max(_STEP_BYTES // rows.shape[1], 1)
    while start < len(rows):
        part = rows[start : start + step]
        if crc32c(part) or not _numbered(part, run, start).all():
            break
        start += len(part)
    while start < len(rows) and _is_good(rows, run, start):
        start += 1
    return start


def _next_good(rows: Bytes, run: _Run, start: int) -> int | None:
    """The next good row of the run, or None."""
    for row in np.flatnonzero(_numbered(rows[start:], run, start)) + start:
        if _is_good(rows, run, int(row)):
            return int(row)
    return None


def _is_good(rows: Bytes, run: _Run, row: int) -> bool:
    one = rows[row : row + 1]
    return bool(_numbered(one, run, row)[0]) and crc32c(one) == 0


def _numbered(rows: Bytes, run: _Run, start: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which rows end in the trailer that their place asks for."""
    trailers = trailers_of(rows)
    first = run.first + start
    result: np.ndarray[tuple[int], np.dtype[np.bool_]] = (trailers["tag"] == run.tag) & (
        trailers["number"] == np.arange(first, first + len(rows), dtype=np.uint64)
    )
    return result


def _next_run(file: MappedFile, start: int, least_first: int) -> _Run | None:
    """The first run from a place on whose records are numbered from ``least_first``, or higher.

    Higher only by as many records as may have been lost on the way.
    """
    run = _run_at(file, start, range(least_first, least_first + 1))
    if run is not None or start >= file.size:
        return run
    blocks = (file.size - start) // ALIGNMENT
    starts = file.view(start, blocks * ALIGNMENT).view("<u4")[:: ALIGNMENT // 4]
    for block in np.flatnonzero(starts == int.from_bytes(RUN_MAGIC, "little")):
        firsts = range(least_first, least_first + int(block) + 1)
        run = _run_at(file, start + int(block) * ALIGNMENT, firsts)
        if run is not None:
            return run
    return None


def _run_at(file: MappedFile, start: int, firsts: range) -> _Run | None:
    size = run_size(file.view(start, ALIGNMENT))
    description = file.view(start, size)
    if not size or len(description) < size or crc32c(description):
        return None
    try:
        layout, first = parse_run(description)
    except ValueError:
        return None
    if first not in firsts:
        return None
    tag = int.from_bytes(description[-4:].tobytes(), "little")
    return _Run(first, start, start + size, layout, tag)
