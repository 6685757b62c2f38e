"""Which processes train together with this one."""

from __future__ import annotations

import os
from functools import cache
from typing import Literal

from rumus.tensor import ArgumentError

from .._errors import GroupError
from .alone import Alone
from .contract import Group
from .launcher import launch
from .mpi import MpiGroup


def find_group(group: Group | Literal["auto"] = "auto") -> Group:
    """The processes that train together with this one.

    Args:
        group: A group, which is returned, or ``"auto"``: the processes that an MPI launcher has
            started together with this one, or this process alone.

    Returns:
        The group; with ``"auto"`` the same one each time.

    Raises:
        ArgumentError: ``group`` is neither.
        MissingExtraError: There is a launcher, and mpi4py is not installed.
        GroupError: The processes of the launcher do not see each other.

    Example:
        >>> find_group().size
        1
    """
    if isinstance(group, Group):
        return group
    if group == "auto":
        return _found()
    raise ArgumentError(f'group is "auto" or a Group, such as Alone(), not {group!r}')


@cache
def _found() -> Group:
    found = launch(os.environ)
    if found is not None and found.size != 1:
        group = MpiGroup()
        return group if group.size > 1 else Alone()
    if "TORCHELASTIC_RUN_ID" in os.environ and os.environ.get("WORLD_SIZE", "1") != "1":
        raise GroupError(
            "torchrun started several processes, and each would train all by itself: rumus trains "
            "on the processes of an MPI launcher; start it with mpiexec -n N python SCRIPT"
        )
    return Alone()
