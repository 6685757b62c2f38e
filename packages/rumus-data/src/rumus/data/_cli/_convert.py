"""``rumus-data convert``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .._convert._conversion import written
from .._convert._options import Options
from .._convert._target import Target
from ._text import complain, say

_SHOWN = 20  # lines about what was left out


def convert(sources: Sequence[Path], target: Target, options: Options) -> None:
    """Write record files of others, and say which, and what was left out."""
    done = written(sources, target, options)
    for line in done.skipped[:_SHOWN]:
        complain(f"skipped: {line}")
    if len(done.skipped) > _SHOWN:
        complain(f"skipped: {len(done.skipped) - _SHOWN} more")
    for path, records in zip(done.paths, done.records, strict=True):
        say(f"{path}: {records} records")
    if done.skipped:
        say(f"{len(done.skipped)} left out")
