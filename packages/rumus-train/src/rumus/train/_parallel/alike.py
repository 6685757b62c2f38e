"""Whether ranks train the same, which is asked before the first step."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from rumus.tensor import Tensor, default_generator

from .._group.agree import agreed
from .._group.contract import Group

_PACKAGES = ("rumus-tensor", "rumus-data", "rumus-optim", "rumus-train", "numpy")
_OWN = ("parts", "skipped")
"""What a loader's state says of this rank alone."""


def check_alike(
    group: Group, weights: Iterable[Tensor], settings: Mapping[str, Any], loader: Any = None
) -> None:
    """Compare what all ranks must have alike.

    Args:
        group: The ranks.
        weights: Parameters and buffers, in order.
        settings: What the run's numbers depend on.
        loader: Says what it is of, if it has a state.

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
        "versions": ", ".join(f"{name} {_version(name)}" for name in _PACKAGES),
        **{name: json.dumps(value) for name, value in settings.items()},
    }
    if hasattr(loader, "state_dict"):
        state = {n: v for n, v in loader.state_dict().items() if n not in _OWN}
        what["data"] = json.dumps(state, default=str)
    agreed(group, what)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"
