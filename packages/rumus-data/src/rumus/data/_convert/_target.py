"""The record files to write."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from rumus.tensor import ArgumentError

_MOST_SHARDS = 99_999  # their names have five digits


@dataclass(frozen=True)
class Target:
    """What to write.

    Attributes:
        path: The file; of several, the pattern ``NAME-00000-of-00004.rrec`` is made of it.
        shards: The number of files.
        version: The version of the format.
        overwrite: Whether files that exist are replaced.
    """

    path: Path
    shards: int
    version: int
    overwrite: bool

    def paths(self) -> list[Path]:
        """The files to write.

        Raises:
            ArgumentError: There are too few or too many, or one exists and is not to be replaced.
        """
        paths = self._names()
        for path in paths:
            if os.path.lexists(path) and not path.is_file():
                raise ArgumentError(f"{path} exists, and is no regular file")
            if path.exists() and not self.overwrite:
                raise ArgumentError(f"{path} exists; --overwrite (overwrite=True) replaces it")
        return paths

    def _names(self) -> list[Path]:
        if not 1 <= self.shards <= _MOST_SHARDS:
            raise ArgumentError(f"--shards must be from 1 to {_MOST_SHARDS}, not {self.shards}")
        if self.shards == 1:
            return [self.path]
        stem, suffix = self.path.stem, self.path.suffix
        return [
            self.path.with_name(f"{stem}-{k:05}-of-{self.shards:05}{suffix}")
            for k in range(self.shards)
        ]
