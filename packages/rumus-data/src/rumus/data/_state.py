"""Where a loader is, as a few numbers that JSON can hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from ._errors import LoaderStateError
from ._random import CURRENT

_VERSION = 2
_MEANINGS = {"batch_size": " (batch_size × world_size)"}

Identity: TypeAlias = Mapping[str, int | bool | None]
"""What a position is a position in."""


class Place(NamedTuple):
    """How far a part of a stream has come.

    Attributes:
        taken: The samples taken of it.
        position: What the stream said of its position behind them; None if it says nothing.
        ended: Whether it has no more.
    """

    taken: int = 0
    position: Any = None
    ended: bool = False


class Position(NamedTuple):
    """How far an epoch has come.

    Attributes:
        epoch: Its number.
        batch: The batches taken by the loop, or left out because none of their samples was good.
        skipped: The samples left out in them.
        streams: In which way the epoch's random numbers are made.
        parts: Of a stream, how far each part of this rank has come, by its number.
    """

    epoch: int = 0
    batch: int = 0
    skipped: int = 0
    streams: int = CURRENT
    parts: Mapping[int, Place] | None = None

    def behind(self, failures: int) -> Position:
        """The position one batch later, of which so many samples were left out."""
        return self._replace(batch=self.batch + 1, skipped=self.skipped + failures)


class Progress:
    """Where a loop is, for the loader and for the loop.

    Args:
        position: Where it begins.
        last: The number behind the last batch of all ranks together.

    Attributes:
        position: Where it is.
        running: Whether it may go on.
        ended: Whether it came to the end of its epoch.
    """

    def __init__(self, position: Position, last: int) -> None:
        self.position = position
        self.running = True
        self.ended = False
        self._last = last

    def at_end(self) -> bool:
        """Whether the epoch has no batch left."""
        parts = self.position.parts
        if parts is not None and all(place.ended for place in parts.values()):
            return True
        return self.ended or self.position.batch >= self._last


def saved_state(position: Position, identity: Identity) -> dict[str, Any]:
    """A position together with what it is a position in."""
    return {
        "version": _VERSION,
        "epoch": position.epoch,
        "batch": position.batch,
        "skipped": position.skipped,
        "streams": position.streams,
        **({} if position.parts is None else {"parts": _plain(position.parts)}),
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
    if state.get("version") == 1:
        state = _from_version_1(state)
    missing = sorted({"version", "epoch", "batch", "skipped", "streams", *identity} - set(state))
    if missing or state["version"] != _VERSION:
        raise LoaderStateError(
            f"this is no state of version {_VERSION} of a loader"
            + (f": it lacks {', '.join(missing)}" if missing else f": {state['version']!r}")
        )
    for name, here in identity.items():
        if state[name] != here:
            raise LoaderStateError(
                f"the state was saved with {name}={state[name]!r} and this loader has "
                f"{name}={here!r}{_MEANINGS.get(name, '')}; it cannot go on exactly"
            )
    numbers = [state["epoch"], state["batch"], state["skipped"], state["streams"]]
    if any(type(n) is not int or n < 0 for n in numbers) or state["batch"] > batches:
        raise LoaderStateError(
            f"the state's epoch, batch, skipped and streams are {numbers}; they must be integers "
            f"from 0, and an epoch has {batches} batches"
        )
    if not 1 <= state["streams"] <= CURRENT:
        raise LoaderStateError(
            f"the state's random streams are of way {state['streams']}, and this version of "
            f"rumus-data knows those up to {CURRENT}"
        )
    return Position(*numbers)


def loaded_parts(position: Position, state: Mapping[str, Any], owned: Sequence[int]) -> Position:
    """A position with those of a stream's parts that a rank owns.

    Raises:
        LoaderStateError: The state lacks one, or says of it what cannot be.
    """
    if not position.batch:
        return position
    given = state.get("parts")
    if not isinstance(given, Mapping):
        raise LoaderStateError("this state was not saved within a stream: it lacks parts")
    places = {}
    for part in owned:
        place = given.get(str(part))
        if not isinstance(place, Mapping) or set(place) != set(Place._fields):
            raise LoaderStateError(
                f"the state does not say where part {part} of the stream is; each rank saves its "
                "own parts, and the union of their dicts under 'parts' goes on anywhere"
            )
        if type(place["taken"]) is not int or place["taken"] < 0:
            raise LoaderStateError(f"part {part} of the stream cannot be behind {place['taken']!r}")
        places[part] = Place(**place)
    return position._replace(parts=places)


def _plain(parts: Mapping[int, Place]) -> dict[str, dict[str, Any]]:
    return {str(part): place._asdict() for part, place in parts.items()}


def _from_version_1(state: Mapping[str, Any]) -> dict[str, Any]:
    """A state of rumus-data 0.1, which counted each rank's batches by itself.

    An epoch that it began has the order and the random numbers of 0.1 to its end.
    """
    missing = sorted({"epoch", "batch", "skipped", "batch_size", "world_size"} - set(state))
    if missing:
        raise LoaderStateError(f"this is no state of a loader: it lacks {', '.join(missing)}")
    sizes = [state["batch_size"], state["world_size"]]
    if any(type(n) is not int for n in sizes):
        raise LoaderStateError(f"the state's batch_size and world_size are {sizes}, no integers")
    return {
        **state,
        "version": _VERSION,
        "streams": 1 if state["batch"] else CURRENT,
        "batch_size": sizes[0] * sizes[1],
    }
