"""Checks of what a user gives."""

from __future__ import annotations

from numbers import Integral

import numpy as np

from rumus.tensor import ArgumentError

_SEEDS = 1 << 64


def checked_number(name: str, value: int, least: int) -> int:
    """The value, if it is an integer of at least some size.

    Raises:
        ArgumentError: It is something else.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise ArgumentError(f"{name} must be an integer of at least {least}, not {value!r}")
    return int(value)


def checked_seed(value: int) -> int:
    """The value, if it is a seed.

    Raises:
        ArgumentError: It is no integer, negative, or longer than 64 bits.
    """
    seed = checked_number("seed", value, 0)
    if seed >= _SEEDS:
        raise ArgumentError(f"seed must be an integer from 0 to 2**64 - 1, not {seed}")
    return seed


def checked_flag(name: str, value: bool) -> bool:
    """The value, if it is True or False.

    Raises:
        ArgumentError: It is something else, which would count as one of them.
    """
    if not isinstance(value, bool | np.bool_):
        raise ArgumentError(f"{name} must be True or False, not {value!r}")
    return bool(value)


def type_name(value: object) -> str:
    """The name of a value's class, behind its package if that is another framework's."""
    cls = type(value)
    package = cls.__module__.partition(".")[0]
    named = package in ("rumus", "builtins", "numpy", "__main__")
    return cls.__name__ if named else f"{package}.{cls.__name__}"
