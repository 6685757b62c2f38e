"""A look at the other ranks' processes on this host, which notices at once when one dies."""

from __future__ import annotations

import os
import select
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path


def place() -> str:
    """Equal for processes that see each other by their ids; empty where none can be watched."""
    if sys.platform != "linux" or not hasattr(os, "pidfd_open"):
        return ""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("utf-8").strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def watch(processes: Mapping[int, int], died: Callable[[int], None]) -> None:
    """Call ``died(rank)`` from a thread when a process ends.

    Args:
        processes: Their ids, by rank.
        died: What is called.
    """
    if sys.platform == "linux" and processes:
        arguments = (dict(processes), died)
        threading.Thread(target=_watch, args=arguments, name="rumus watch", daemon=True).start()


def _watch(processes: Mapping[int, int], died: Callable[[int], None]) -> None:
    ranks: dict[int, int] = {}
    poll = select.poll()
    for rank, process in processes.items():
        try:
            handle = os.pidfd_open(process)
        except ProcessLookupError:
            died(rank)
        except OSError:  # an old kernel, or a sandbox: the deadline is what is left
            continue
        else:
            ranks[handle] = rank
            poll.register(handle, select.POLLIN)
    while ranks:
        for handle, _ in poll.poll():
            poll.unregister(handle)
            os.close(handle)
            died(ranks.pop(handle))
