"""Options of PyTorch's loaders, and what is done instead."""

from __future__ import annotations

from collections.abc import Iterable

from rumus.tensor import ArgumentError

_THREADS = "leave it out: workers are threads of this process"
HINTS = {
    "collate_fn": "collate",
    "pin_memory": 'device="gpu" brings batches to the GPU ahead',
    "persistent_workers": _THREADS,
    "multiprocessing_context": _THREADS,
    "worker_init_fn": f"{_THREADS}; a transform with a parameter rng gets numbers of its own",
    "timeout": _THREADS,
    "generator": "seed",
}


def refuse_foreign(given: Iterable[str]) -> None:
    """Refuse an option that PyTorch's loader has.

    Raises:
        ArgumentError: There is one; the message says what to do.
    """
    for option in given:
        if option in HINTS:
            raise ArgumentError(f"DataLoader has no option {option!r}; here: {HINTS[option]}")
