"""Where ranks print: rank 0 on the terminal, each of the others into a file of its own."""

from __future__ import annotations

import os
import platform
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

from .contract import Group

FOLDER = "ranks"


@contextmanager
def own_log(group: Group, run: Path) -> Iterator[None]:
    """What a rank above 0 prints meanwhile is appended to ``RUN/ranks/rank-K.log``.

    Its first line says which process it is; an exception that leaves the block is written there,
    too.

    Args:
        group: The ranks.
        run: The run's folder.
    """
    if group.rank == 0:
        yield
        return
    folder = run / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"rank-{group.rank}.log"
    with path.open("a", encoding="utf-8", errors="backslashreplace", buffering=1) as log:
        process = f"process {os.getpid()} on {platform.node()}"
        print(f"rank {group.rank} of {group.size}: {process}", file=log)
        try:
            with redirect_stdout(log), redirect_stderr(log):
                yield
        except BaseException:
            traceback.print_exc(file=log)
            raise
