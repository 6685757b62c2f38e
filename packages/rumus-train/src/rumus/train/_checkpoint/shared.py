"""A checkpoint that several ranks write: each its segment, and rank 0 all else and the manifest."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .._group.agree import gather_text
from .._group.contract import Group
from .._keep import Keep
from .._progress import Progress
from . import folder
from .files import Array, write_arrays
from .saver import host_copies
from .split import split_state

_OWN = ("range", "segments")
"""Entries of an optimizer's state that say which part of all it is."""


class SharedSaver:
    """Writes checkpoints together with other ranks, one at a time.

    A rank's thread writes its files while the ranks train on; the checkpoint has its name once all
    have said that theirs are on disk (:meth:`finish`, between two steps).

    Args:
        root: The folder, which all ranks see.
        keep: What stays once a newer one is on disk.
        group: The ranks.
    """

    def __init__(self, root: Path, keep: Keep, group: Group) -> None:
        self._root, self._keep, self._group = root, keep, group
        self._thread: threading.Thread | None = None
        self._told: dict[str, Any] = {}
        self._commit: tuple[Any, ...] = ()
        self.is_open = False
        """Whether a checkpoint has no name yet."""

    def save(
        self, state: Mapping[str, Any], progress: Progress, metrics: Mapping[str, float]
    ) -> None:
        """Take a snapshot, and let a thread write this rank's files.

        Args:
            state: Of the run; ranks other than 0 write of it alone what each has a part of.
            progress: Where the run is.
            metrics: What the manifest shows.
        """
        self.finish()
        own, rests, segments = _segments(state["optimizers"])
        averages, average = split_state({"average": state["average"]})
        own.update((name, np.asarray(array)) for name, array in averages.items())
        whole: dict[str, Any] = {}
        rest: Any = None
        error = ""
        target = under = self._root
        if self._group.rank == 0:
            arrays, rest = split_state({**state, "optimizers": {}, "average": None})
            whole = host_copies(arrays)
            try:
                folder.clean(self._root)
                target, under = folder.begin(self._root, progress)
            except OSError as failure:
                error = str(failure)
        error, name = json.loads(gather_text(self._group, json.dumps([error, under.name]))[0])
        if error:
            raise OSError(error)
        under = self._root / name
        self._told = {
            "optimizers": rests,
            **average,
            "segments": segments,
            "position": state["position"],
        }
        self._commit = target, under, progress, dict(metrics), rest
        self.is_open = True
        file = f"segment-{self._group.rank:04}.safetensors"
        self._thread = threading.Thread(
            target=self._write, args=(under, file, own, whole), name="rumus-checkpoint"
        )
        self._thread.start()

    def is_writing(self) -> bool:
        """Whether this rank's files are not on disk yet."""
        return self._thread is not None and self._thread.is_alive()

    def finish(self) -> None:
        """Wait until the checkpoint is on disk and has its name; all ranks call it.

        Raises:
            OSError: A rank could not write its files, or rank 0 the manifest.
        """
        if not self.is_open:
            return
        self.join()
        self.is_open = False
        told = [json.loads(text) for text in gather_text(self._group, json.dumps(self._told))]
        errors = [f"rank {k}: {t['error']}" for k, t in enumerate(told) if "error" in t]
        if self._group.rank == 0:
            try:
                if not errors:
                    self._name(told)
                folder.clean(self._root, self._keep if not errors else None)
            except OSError as error:
                errors = [f"rank 0: {error}"]
        errors = json.loads(gather_text(self._group, json.dumps(errors))[0])
        if errors:
            raise OSError("; ".join(errors))

    def join(self) -> None:
        """Wait for this rank's thread alone."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _write(
        self, under: Path, file: str, own: Mapping[str, Array], whole: Mapping[str, Array]
    ) -> None:
        try:
            files, arrays = folder.write_whole(under, whole) if whole else ({}, {})
            files[file], mine = write_arrays(under / file, own)
            self._told |= {"files": files, "arrays": arrays, "own": mine}
        except BaseException as error:  # told to all ranks in finish()
            self._told = {"error": f"{type(error).__name__}: {error}"}

    def _name(self, told: Sequence[Mapping[str, Any]]) -> None:
        """Put together what the ranks have written."""
        target, under, progress, metrics, rest = self._commit
        files = {name: entry for t in told for name, entry in t["files"].items()}
        arrays = {**told[0]["arrays"], **_joined_entries(told)}
        rest = {
            **rest,
            "optimizers": _joined_rests([t["optimizers"] for t in told]),
            "average": _joined_averages([t["average"] for t in told]),
            "position": _joined_positions([t["position"] for t in told]),
        }
        folder.commit(target, under, progress, metrics, files, arrays, rest)


def _segments(
    states: Mapping[str, Any],
) -> tuple[dict[str, Array], dict[str, Any], dict[str, Any]]:
    """The arrays of optimizers by path, the rest of their states, and where the arrays lie."""
    arrays, rest = split_state({"optimizers": states})
    places = {}
    for name, state in states.items():
        for key, place in state.get("segments", {}).items():
            paths = rest["optimizers"][name]["state"].get(key, {})
            for entry in paths.values():
                places[entry["$array"]] = place
    rests = {
        name: {k: v for k, v in state.items() if k not in _OWN}
        for name, state in rest["optimizers"].items()
    }
    own: Any = arrays
    return own, rests, places


def _joined_entries(told: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The entries of arrays whose parts lie in the files of several ranks."""
    found: dict[str, list[tuple[int, Any, Any]]] = {}
    for t in told:
        for name, entry in t["own"].items():
            place = t["segments"].get(name, {"start": 0, "shape": entry["shape"]})
            found.setdefault(name, []).append((place["start"], place["shape"], entry))
    joined = {}
    for name, parts in found.items():
        parts.sort(key=lambda part: part[0])
        _, shape, entry = parts[0]
        if len(parts) > 1:
            pieces = [piece for _, _, other in parts for piece in other["parts"]]
            entry = {**entry, "shape": shape, "parts": pieces}
        joined[name] = entry
    return joined


def _joined_rests(rests: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What JSON holds of the optimizers' states, of all segments."""
    joined = {}
    for name, first in rests[0].items():
        joined[name] = {**first, "steps": {}, "state": {}}
        for rest in rests:
            joined[name]["steps"] |= rest[name]["steps"]
            joined[name]["state"] |= rest[name]["state"]
    return joined


def _joined_averages(averages: Sequence[Any]) -> Any:
    """What JSON holds of averaged weights, of which each rank has some."""
    if averages[0] is None:
        return None
    found = {key: entry for average in averages for key, entry in average["averages"].items()}
    return {**averages[0], "averages": found}


def _joined_positions(positions: Sequence[Mapping[str, Any]]) -> Any:
    """Where the loader is; of a stream each rank knows it of its own parts."""
    furthest = max(positions, key=lambda p: p.get("loader", {}).get("batch", 0))
    parts: dict[str, Any] = {}
    for position in positions:
        parts |= position.get("loader", {}).get("parts", {})
    if not parts:
        return furthest
    return {**furthest, "loader": {**furthest["loader"], "parts": parts}}
