"""Tables: columns of one kind each, read from front to back in pieces."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt


class Values(NamedTuple):
    """Cells of a column under each other.

    Attributes:
        array: Numbers; or objects, each a str or an array. What is missing is 0, "" or empty.
        missing: Which of them are missing.
    """

    array: npt.NDArray[Any]
    missing: npt.NDArray[np.bool_]


class Piece(NamedTuple):
    """Some rows of a table.

    Attributes:
        places: Where each of them is, for errors.
        columns: The cells by the name of their column.
        broken: What is wrong with rows that have no cells, by number.
    """

    places: list[str]
    columns: dict[str, Values]
    broken: dict[int, str]


class Table(Protocol):
    """One file, or several of the same columns."""

    path: Path
    """The first file."""

    rows: int
    """How many there are, with those that are broken."""

    kinds: dict[str, np.dtype[Any] | str]
    """The dtype of each column of numbers; "text", "array"; else why it cannot be read."""

    exact: bool
    """Whether the dtypes are the file's own, rather than chosen for what is written there."""

    def pieces(self, names: Sequence[str]) -> Iterator[Piece]:
        """All rows, with the columns of those names."""
        ...
