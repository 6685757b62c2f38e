"""A trace for chrome://tracing and Perfetto."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rumus import gpu

from ._operations import Span


def write_trace(
    path: str | os.PathLike[str], spans: Sequence[Span], kernels: Sequence[gpu.KernelTime]
) -> None:
    """Write calls by thread, and kernels on a line of their own.

    The GPU has a clock of its own: its first kernel is put where the first call is.
    """
    events: list[dict[str, Any]] = []
    zero = min((span.began for span in spans), default=0.0)
    for span in spans:
        events.append(_event(span.name, span.thread, span.began - zero, span.seconds))
    first = min((kernel.began for kernel in kernels), default=0.0)
    for kernel in kernels:
        events.append(_event(kernel.name, 0, kernel.began - first, kernel.seconds))
    names = {0: "GPU kernels", **{span.thread: f"Python {span.thread}" for span in spans}}
    for thread, name in names.items():
        events.append(
            {"name": "thread_name", "ph": "M", "pid": 1, "tid": thread, "args": {"name": name}}
        )
    content = {"traceEvents": events, "displayTimeUnit": "ms"}
    Path(path).write_text(json.dumps(content), encoding="utf-8")


def _event(name: str, thread: int, began: float, seconds: float) -> dict[str, Any]:
    times = {"ts": began * 1e6, "dur": seconds * 1e6}
    return {"name": name, "ph": "X", "pid": 1, "tid": thread, **times}
