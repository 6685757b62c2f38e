"""``rumus-data verify`` and ``rumus-data recover``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from .. import RecordDataset, RecordError, recover


def verify(paths: Sequence[Path]) -> int:
    """Compare every record of each file with its checksum.

    Returns:
        1 if a file is damaged, else 0.
    """
    console = Console(soft_wrap=True)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    bad = 0
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as progress:
        for path in paths:
            try:
                dataset = RecordDataset(path)
                task = progress.add_task(path.name, total=len(dataset))
                dataset.verify(lambda done, task=task: progress.update(task, completed=done))  # type: ignore[misc]
            except RecordError as error:
                console.print(f"[red]DAMAGED[/] {error}", highlight=False)
                bad += 1
            else:
                console.print(f"[green]good[/] {path}: {len(dataset):,} records", highlight=False)
    return 1 if bad else 0


def recover_all(paths: Sequence[Path]) -> int:
    """Complete each file.

    Returns:
        1 if records of a file are damaged, else 0.
    """
    console = Console(soft_wrap=True)
    damaged = 0
    for path in paths:
        recovery = recover(path)
        damaged += len(recovery.damaged)
        text = f"{path}: {recovery.records:,} records"
        if recovery.changed:
            text += (
                f", {len(recovery.damaged):,} of them damaged; "
                f"{recovery.dropped_bytes:,} bytes behind the last one dropped"
            )
        else:
            text += ", complete already"
        console.print(text, highlight=False)
        if recovery.damaged:
            numbers = ", ".join(map(str, recovery.damaged[:20]))
            console.print(f"  damaged: {numbers}", highlight=False)
    return 1 if damaged else 0
