"""A number that changes when recorded GPU steps become stale.

A captured step bakes in where parameters live and which of them take part. Whatever changes that
(moving a parameter, freezing it, ``train()`` and ``eval()``, another number among a module's
attributes) bumps the number.
"""

from __future__ import annotations

import itertools

_counter = itertools.count(1)
_current = 0


def structure_version() -> int:
    """The number now.

    Example:
        >>> before = structure_version()
        >>> structure_version() == before
        True
    """
    return _current


def bump() -> None:
    """Make every captured step record anew before its next use."""
    global _current
    _current = next(_counter)
