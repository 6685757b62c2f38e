"""``rumus-data verify`` and ``rumus-data recover``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from .. import RecordDataset, RecordError, recover
from ._files import for_each
from ._text import printable, say


def verify(paths: Sequence[Path]) -> int:
    """Compare every record of each file with its checksum.

    Returns:
        1 if a file is damaged or cannot be used, else 0.
    """
    console = Console(soft_wrap=True, highlight=False)
    columns = TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn()
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as progress:

        def check(path: Path) -> int:
            try:
                # without a map: a disk that fails is an error here, and no end of the process
                dataset = RecordDataset(path, mapped=False)
                task = progress.add_task(printable(path.name), total=len(dataset))
                dataset.verify(lambda done: progress.update(task, completed=done))
            except RecordError as error:
                console.print(f"[red]DAMAGED[/] {escape(printable(error))}")
                return 1
            console.print(f"[green]good[/] {escape(printable(path))}: {len(dataset):,} records")
            return 0

        return for_each(paths, check)


def recover_all(paths: Sequence[Path]) -> int:
    """Complete each file.

    Returns:
        1 if records of a file are damaged or it cannot be recovered, else 0.
    """
    return for_each(paths, _recover)


def _recover(path: Path) -> int:
    recovery = recover(path)
    text = f"{path}: {recovery.records:,} records"
    if recovery.changed:
        text += (
            f", {len(recovery.damaged):,} of them damaged; "
            f"{recovery.dropped_bytes:,} bytes behind the last one dropped"
        )
    else:
        text += ", complete already (verify compares the records)"
    say(text)
    if recovery.damaged:
        print("  damaged:", ", ".join(map(str, recovery.damaged[:20])))
    return 1 if recovery.damaged else 0
