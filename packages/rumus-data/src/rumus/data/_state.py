"""Where a loader is, as a few numbers that JSON can hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from ._errors import LoaderStateError

_VERSION = 1

Identity: TypeAlias = Mapping[str, int | bool | None]
"""What a position is a position in."""


@dataclass
class Position:
    """How far an epoch has come.

    Attributes:
        epoch: Its number.
        batch: The batches taken by the loop, or left out because none of their samples was good.
        skipped: The samples left out in them.
    """

    epoch: int = 0
    batch: int = 0
    skipped: int = 0


def saved_state(position: Position, identity: Identity) -> dict[str, Any]:
    """A position together with what it is a position in."""
    return {
        "version": _VERSION,
        "epoch": position.epoch,
        "batch": position.batch,
        "skipped": position.skipped,
        **identity,
    }


def loaded_position(state: Mapping[str, Any], identity: Identity, batches: int) -> Position:
    """The position in a saved state.

    Args:
        state: What :func:`saved_state` gave.
        identity: What a position is a position in, here.
        batches: The most batches that a rank has in an epoch, here.

    Raises:
        LoaderStateError: The state is none, or belongs to other data or another way to batch it.
    """
    if not isinstance(state, Mapping):
        raise LoaderStateError(
            f"the state of a loader is a dict that state_dict() made, not a {type(state).__name__}"
        )
    missing = sorted({"version", "epoch", "batch", "skipped", *identity} - set(state))
    if missing or state["version"] != _VERSION:
        raise LoaderStateError(
            f"this is no state of version {_VERSION} of a loader"
            + (f": it lacks {', '.join(missing)}" if missing else f": {state['version']!r}")
        )
    for name, here in identity.items():
        if state[name] != here:
            raise LoaderStateError(
                f"the state was saved with {name}={state[name]!r} and this loader has "
                f"{name}={here!r}; it cannot go on exactly"
            )
    numbers = [state["epoch"], state["batch"], state["skipped"]]
    if any(type(n) is not int or n < 0 for n in numbers) or state["batch"] > batches:
        raise LoaderStateError(
            f"the state's epoch, batch and skipped are {numbers}; they must be integers from 0, "
            f"and an epoch has {batches} batches"
        )
    return Position(*numbers)
