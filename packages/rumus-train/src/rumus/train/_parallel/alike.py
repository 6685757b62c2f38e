"""Whether ranks train the same, which is asked before the first step."""

from __future__ import annotations

import json
import sys
import zlib
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from rumus.nn import Module
from rumus.tensor import Tensor, default_generator, tree

from .._group.agree import agreed
from .._group.contract import Group
from .._random_state import load_random_state, random_state
from .batches import some_of

_PACKAGES = ("rumus-tensor", "rumus-data", "rumus-optim", "rumus-train", "numpy")
_OWN = ("parts", "skipped")
"""What a loader's state says of this rank alone."""


def check_run(group: Group, run: Any, settings: Mapping[str, Any]) -> None:
    """Compare runs, also in how long they are, and in what they validate.

    Raises:
        GroupError: Something differs.
    """
    found = {"epochs": run.plan.epochs, "steps": run.plan.steps}
    loaders = {"data": run.position.loader}
    if run.validation is not None:
        found["validation"] = repr(run.plan.validate.every)
        found["metrics"] = [metric.name for metric in run.validation.metrics]
        loaders["validation data"] = run.validation.loader
    weights = [*run.model.parameters(), *run.model.buffers()]
    check_alike(group, weights, {**settings, **found}, loaders)


def check_alike(
    group: Group, weights: Iterable[Tensor], settings: Mapping[str, Any], loaders: Mapping[str, Any]
) -> None:
    """Compare what all ranks must have alike.

    Args:
        group: The ranks.
        weights: Parameters and buffers, in order.
        settings: What the run's numbers depend on.
        loaders: By name; they say what they are of, if they have a state.

    Raises:
        GroupError: Something differs; it says what, and on which ranks.
    """
    if group.size == 1:
        return
    found = {"weights": 0}
    shapes = []
    for weight in weights:
        values = weight.detach().numpy()
        shapes.append(f"{values.shape} {values.dtype}")
        found["weights"] = zlib.crc32(np.ascontiguousarray(values).tobytes(), found["weights"])
    what = {
        "parameters": ", ".join(shapes),
        "weights": f"checksum {found['weights']:08x}",
        "seed": str(default_generator.state()[0]),
        "Python": "{}.{}".format(*sys.version_info),
        **{package: _version(package) for package in _PACKAGES},
        **{name: json.dumps(value) for name, value in settings.items()},
    }
    for name, loader in loaders.items():
        if hasattr(loader, "state_dict"):
            state = {n: v for n, v in loader.state_dict().items() if n not in _OWN}
            what |= {f"{name}, {n}": json.dumps(v, default=str) for n, v in state.items()}
        what[f"{name}, batches"] = str(_length(loader))
        what[f"{name}, some samples"] = _samples(getattr(loader, "dataset", None))
    agreed(group, what)


def _length(loader: Any) -> int | None:
    try:
        return len(loader)
    except TypeError:
        return None


def _samples(dataset: Any) -> str:
    """A checksum of some samples; of a data set that draws other ones each time there is none."""
    if not (hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__")) or not len(dataset):
        return ""
    before = random_state(Module())
    once, again = (_read_some(dataset) for _ in range(2))
    load_random_state(Module(), before)
    return once if once == again else ""


def _read_some(dataset: Any) -> str:
    length, found = len(dataset), 0
    try:
        for index in sorted({0, length // 3, length // 2, length - 1}):
            for leaf in tree.flatten(dataset[index])[0]:
                values = leaf.detach().numpy() if isinstance(leaf, Tensor) else leaf
                if isinstance(values, np.ndarray | np.generic | int | float):
                    found = zlib.crc32(some_of(np.asarray(values)), found)
    except Exception:  # it is raised, or passed over, where training reads the sample
        return ""
    return f"checksum {found:08x}"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"
