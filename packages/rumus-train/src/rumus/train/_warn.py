"""Warnings that name the line of whoever called this package."""

from __future__ import annotations

import sys
import warnings

_PASSED = ("rumus", "contextlib")
"""Packages whose lines say nothing to whoever reads a warning."""


def warn(message: str) -> None:
    """A ``RuntimeWarning`` at the innermost line that is not this project's."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and _package(frame.f_globals.get("__name__")) in _PASSED:
        level, frame = level + 1, frame.f_back
    warnings.warn(message, RuntimeWarning, stacklevel=level)


def _package(module: object) -> str:
    return str(module).partition(".")[0]
