"""Which processes train together with this one."""

from __future__ import annotations

from typing import Literal

from rumus.tensor import ArgumentError

from .alone import Alone
from .contract import Group


def find_group(group: Group | Literal["auto"] = "auto") -> Group:
    """The group that a trainer was given.

    Args:
        group: A group, or ``"auto"``: this process alone.

    Raises:
        ArgumentError: It is neither.
    """
    if isinstance(group, Group):
        return group
    if group == "auto":
        return Alone()
    raise ArgumentError(f'group is "auto" or a Group, such as Alone(), not {group!r}')
