"""A run is a folder: settings, environment, checkpoints."""

from __future__ import annotations

import json
import os
import platform
import secrets
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

import numpy as np

from rumus.tensor import ArgumentError, Device

from ._checkpoint import folder
from ._checkpoint.files import sync_folder, write_json
from ._checkpoint.lock import FolderLock
from ._errors import CheckpointError, RunFolderError
from ._every import Every
from ._group.agree import agreed, gather_text, ranks
from ._group.contract import Group
from ._group.log import own_log
from ._keep import Keep, KeepLast, Saved, ranked
from ._mode import Mode, mode_of

_PACKAGES = ("rumus-tensor", "rumus-data", "rumus-optim", "rumus-train", "numpy", "wgpu")
_RUN = "run.json"


@dataclass(frozen=True)
class RunFolder:
    """Where a run is saved, when, what stays, and whether it goes on.

    Args:
        path: The folder; it is made. Checkpoints are ``step-00000012`` in it, ``run.json`` holds
            the settings and the environment.
        every: When a checkpoint is taken, besides the end of the run (default: each epoch).
        keep: Which stay (default: the last two).
        resume: Whether to go on from the newest checkpoint; without one the run begins. If it is
            False, a folder that has one is refused.
        on_error: Whether a save that fails, on a full disk for example, ends the run (``"raise"``,
            the default) or is said in a warning; checkpoints from before stay either way.

    Raises:
        ArgumentError: ``on_error`` is something else.

    Example:
        >>> from rumus import nn
        >>> from rumus.data import ArrayDataset, DataLoader
        >>> from rumus.optim import SGD
        >>> from rumus.train import Trainer
        >>> loader = DataLoader(ArrayDataset(np.ones((8, 2)), np.ones((8, 1))), batch_size=4)
        >>> model = nn.Linear(2, 1)
        >>> trainer = Trainer(SGD(model.parameters(), lr=0.1))
        >>> folder = RunFolder("first", resume=True)
        >>> run = trainer.fit(model, loader, nn.mse_loss, epochs=2, run=folder)
        >>> run = trainer.fit(model, loader, nn.mse_loss, epochs=3, run=folder)
        >>> run.progress.epoch
        3
    """

    path: str | os.PathLike[str]
    every: Every = Every(epochs=1)  # noqa: RUF009  it is frozen
    keep: Keep = field(default_factory=lambda: KeepLast(2))
    resume: bool = False
    on_error: Literal["raise", "warn"] = "raise"

    def __post_init__(self) -> None:
        if self.on_error not in ("raise", "warn"):
            raise ArgumentError(f'on_error is "raise" or "warn", not {self.on_error!r}')


class OpenFolder:
    """A run folder in use.

    Args:
        given: The folder.
        settings: What the run's numbers depend on.
        device: Where it runs.

    Raises:
        RunFolderError: Another process uses it; or it has a checkpoint and is not to go on; or it
            was begun with other settings.
    """

    def __init__(self, given: RunFolder, settings: Mapping[str, Any], device: Device) -> None:
        self.root = Path(given.path)
        if self.root.exists() and not self.root.is_dir():
            raise RunFolderError(f"{self.root} is a file, and a run is kept in a folder")
        self.root.mkdir(parents=True, exist_ok=True)
        self.newest = ""
        """The checkpoint to go on from."""
        self._lock = FolderLock(self.root)
        try:
            folder.clean(self.root)
            self.state = self._state(given, settings)
            if self.state is None:
                about = {"settings": settings, "environment": _environment(device)}
                write_json(self.root / f".{_RUN}.tmp", about)
                os.replace(self.root / f".{_RUN}.tmp", self.root / _RUN)
                sync_folder(self.root)
        except BaseException:
            self._lock.release()
            raise

    def release(self) -> None:
        """Let others use it."""
        self._lock.release()

    def _state(self, given: RunFolder, settings: Mapping[str, Any]) -> dict[str, Any] | None:
        """What to go on from; None for a run that begins."""
        if not given.resume:
            if folder.saved(self.root):
                raise RunFolderError(
                    f"{self.root} has checkpoints of a run: RunFolder(..., resume=True) goes on "
                    "from the newest, and another path begins a new run"
                )
            return None
        newest = folder.read_newest(self.root)
        if newest is None:
            return None
        self._check(settings)
        self.newest = newest[0].name
        return newest[1]

    def _check(self, settings: Mapping[str, Any]) -> None:
        before = _settings(self.root)
        now = json.loads(json.dumps(settings))
        names = sorted(before.keys() | now.keys()) if before else []
        changed = [
            f"{name} was {before.get(name)!r} and is {now.get(name)!r}"
            for name in names
            if before.get(name) != now.get(name)
        ]
        if changed:
            raise RunFolderError(
                f"{self.root} was begun with other settings: {'; '.join(changed)}. Set them back, "
                "or begin a new run in another folder; load_checkpoint() gives its weights"
            )


def _settings(root: Path) -> dict[str, Any]:
    """What a run was begun with; nothing if its file is gone.

    Raises:
        RunFolderError: The file is damaged.
    """
    path = root / _RUN
    if not path.exists():
        return {}
    try:
        return dict(json.loads(path.read_text("utf-8"))["settings"])
    except (ValueError, KeyError, TypeError):
        raise RunFolderError(
            f"{path}, which says what the run was begun with, is damaged: without the file the run "
            "goes on, and nothing sees whether its settings are still the same"
        ) from None


@dataclass
class OthersFolder:
    """A run folder that rank 0 has opened, as the other ranks see it."""

    root: Path
    state: dict[str, Any] | None

    def release(self) -> None:
        """Rank 0 does."""


def open_folder(given: RunFolder, settings: Mapping[str, Any], run: Any) -> Any:
    """The folder in use, on every rank.

    Raises:
        RunFolderError: As of :class:`OpenFolder`; or the ranks do not share the folder.
        CheckpointError: A rank cannot read the checkpoint that rank 0 goes on from.
    """
    if run.shared is None or run.shared.shards.group.size == 1:
        return OpenFolder(given, settings, run.device)
    group = run.shared.shards.group
    opened: OpenFolder | None = None
    error: Exception | None = None
    told = {"error": "", "newest": "", "token": ""}
    root = Path(given.path)
    if group.rank == 0:
        try:
            opened = OpenFolder(given, settings, run.device)
            told |= {"newest": opened.newest, "token": f".group-{secrets.token_hex(8)}"}
            (root / told["token"]).touch()
        except Exception as failure:
            error, told["error"] = failure, str(failure) or type(failure).__name__
    try:
        newest = _shared_newest(root, group, told)
    except BaseException as failure:
        if opened is not None:
            opened.release()
        raise error or failure from None
    if opened is not None:
        return opened
    return OthersFolder(root, folder.read(root / newest) if newest else None)


def _shared_newest(root: Path, group: Group, told: dict[str, str]) -> str:
    """The checkpoint that rank 0 goes on from, which all ranks see.

    Raises:
        RunFolderError: Rank 0 could not open the folder, or another one does not see it.
    """
    told = json.loads(gather_text(group, json.dumps(told))[0])
    if told["error"]:
        raise RunFolderError(told["error"])
    sees = gather_text(group, "" if (root / told["token"]).exists() else "not")
    if group.rank == 0:
        (root / told["token"]).unlink()
    if any(sees):
        blind = ranks([rank for rank, text in enumerate(sees) if text])
        raise RunFolderError(
            f"{root} is not the same folder on all ranks: {blind} cannot see what rank 0 has "
            "written there. Take a path on a file system that all hosts share"
        )
    return told["newest"]


def log_of(run: Any, opened: Any) -> AbstractContextManager[None]:
    """Where this process prints meanwhile: into the folder, if it is not the first."""
    if run.shared is None or opened is None:
        return nullcontext()
    return own_log(run.shared.shards.group, opened.root)


def saved_shards(given: RunFolder | None, group: Group) -> int | None:
    """The shards of the run in a folder that is to go on; None if there is none.

    Raises:
        ArgumentError: It is no folder of a run.
        GroupError: Only some ranks have a folder.
    """
    if not (given is None or isinstance(given, RunFolder)):
        raise ArgumentError(
            f"run is a folder for checkpoints, such as RunFolder('runs/first', resume=True), not "
            f"{given!r}"
        )
    found = 0
    if given is not None and given.resume and group.rank == 0:
        root = Path(given.path)
        if (root / _RUN).exists() and folder.saved(root):
            found = int(_settings(root).get("shards", 1))
    has = given is not None
    values = np.array([found, has, not has], np.int64)
    group.max(values).wait()
    if values[1] and values[2]:
        agreed(group, {"run": "a RunFolder" if has else "None"})
    return int(values[0]) or None


def load_checkpoint(
    path: str | os.PathLike[str], *, best: str | None = None, mode: Mode | None = None
) -> dict[str, Any]:
    """The state in a checkpoint, or in the newest or the best one of a run folder.

    Args:
        path: A folder ``step-…``, or the folder of a run.
        best: Of a run's folder the best by this metric, such as ``"val_loss"``, as
            :class:`KeepBest` finds it (default: the newest).
        mode: Whether ``"min"`` or ``"max"`` of it is best, as in :class:`KeepBest`.

    Returns:
        ``"model"`` holds the weights, for :meth:`Module.load_state_dict`; ``"optimizers"`` the
        states by name, ``"progress"`` where the run was.

    Raises:
        CheckpointError: It is damaged, or of a newer format, or there is none; or no checkpoint
            has a value of the metric.

    Example:
        >>> from rumus import nn
        >>> from rumus.data import ArrayDataset, DataLoader
        >>> from rumus.optim import SGD
        >>> from rumus.train import Trainer
        >>> loader = DataLoader(ArrayDataset(np.ones((8, 2)), np.ones((8, 1))), batch_size=4)
        >>> model = nn.Linear(2, 1)
        >>> trainer = Trainer(SGD(model.parameters(), lr=0.1))
        >>> run = trainer.fit(model, loader, nn.mse_loss, epochs=1, run=RunFolder("short"))
        >>> sorted(load_checkpoint("short")["model"])
        ['bias', 'weight']
    """
    given = Path(path)
    if best is not None:
        return folder.read(given / _best(given, best, mode).name)
    newest = None if (given / "manifest.json").exists() else folder.read_newest(given)
    return folder.read(given) if newest is None else newest[1]


def _best(root: Path, metric: str, mode: Mode | None) -> Saved:
    there = folder.saved(root)
    found = ranked(there, metric, mode_of(metric, mode))
    if not found:
        names = ", ".join(sorted({name for s in there for name in s.metrics})) or "no metrics"
        raise CheckpointError(
            f"no checkpoint in {root} has a value of {metric!r}; {len(there)} are there, with "
            f"{names}"
        )
    return found[0]


def _environment(device: Device) -> dict[str, Any]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    about: dict[str, Any] = {
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "packages": found,
        "device": str(device),
    }
    if device.kind == "gpu":
        from rumus import gpu

        about["adapter"] = json.loads(json.dumps(gpu.info(), default=str))
    return about
