"""Lengths that layers are made with."""

from __future__ import annotations

import operator

from rumus._core.errors import ArgumentError


def check_lengths(owner: str, **lengths: object) -> None:
    """Refuse what is no whole number from 1 on.

    Raises:
        ArgumentError: One of them is not; the message says which.
    """
    for name, given in lengths.items():
        try:
            whole = operator.index(given) >= 1  # type: ignore[arg-type]
        except TypeError:
            whole = False
        if not whole:
            raise ArgumentError(f"{owner}: {name} is a whole number of at least 1, not {given!r}")
