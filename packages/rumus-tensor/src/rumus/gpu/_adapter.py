"""Which GPU: the adapters in order of preference, and a device opened on one of them.

Two environment variables steer the choice. ``RUMUS_GPU`` names the adapter that ``"gpu"`` means, by
its position in :func:`adapters` or by a part of its name. ``RUMUS_GPU_LIMITS`` lowers limits, as in
``max-storage-buffer-binding-size=1048576``, to see how a program does on a smaller adapter.

Processes that a launcher (``mpiexec``, ``srun``) has started on one host share its adapters out:
what ``"gpu"`` means is then the adapter of their number among them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from tempfile import gettempdir
from typing import Any

from rumus._core.errors import GpuUnavailableError
from rumus.gpu._errors import GpuError
from rumus.gpu._seam import load_api

_KINDS = ("DiscreteGPU", "IntegratedGPU", "VirtualGPU", "Unknown", "CPU")
_FEATURES = ("timestamp-query", "shader-f16", "subgroups", "chromium-experimental-subgroup-matrix")
"""What is asked for where the adapter has it; no kernel of ours may need it."""
_LOCAL_RANKS = (
    "OMPI_COMM_WORLD_LOCAL_RANK",
    "MPI_LOCALRANKID",
    "MV2_COMM_WORLD_LOCAL_RANK",
    "PALS_LOCAL_RANKID",
    "SLURM_LOCALID",
)
"""Variables in which launchers tell a process its number among those of its host."""

_WHAT_TO_INSTALL = (
    "install your GPU's Vulkan, Metal or DirectX 12 driver, or a software adapter "
    "(Debian: mesa-vulkan-drivers)"
)


@cache
def adapters() -> tuple[Any, ...]:
    """The adapters of this machine, the best first: discrete, integrated, then software ones.

    Raises:
        GpuUnavailableError: if the wgpu package cannot be loaded or finds no adapter.
    """
    with _a_place_for_sockets():
        found = load_api().gpu.enumerate_adapters_sync()
    modern = [a for a in found if a.info["backend_type"] in ("Vulkan", "Metal", "D3D12")]
    ranked = sorted(modern or found, key=_rank)
    if not ranked:
        raise GpuUnavailableError(f"no GPU adapter was found: {_WHAT_TO_INSTALL}")
    wanted = os.environ.get("RUMUS_GPU", "")
    first = _position(ranked, wanted) if wanted else share(ranked, os.environ)
    ranked.insert(0, ranked.pop(first))
    return tuple(ranked)


def share(ranked: Sequence[Any], environment: Mapping[str, str]) -> int:
    """The position of this process's adapter, among those of the best one's kind."""
    told = (environment.get(name, "") for name in _LOCAL_RANKS)
    local_rank = next((int(text) for text in told if text.isdecimal()), 0)
    kinds = [(a.info["adapter_type"], a.info["backend_type"]) for a in ranked]
    alike = [position for position, kind in enumerate(kinds) if kind == kinds[0]]
    return alike[local_rank % len(alike)]


def adapter(index: int) -> Any:
    """The adapter behind ``"gpu:index"``.

    Raises:
        GpuUnavailableError: if there is no such adapter.
    """
    found = adapters()
    if not isinstance(index, int) or not 0 <= index < len(found):
        names = ", ".join(f"gpu:{i} is {a.info['device']}" for i, a in enumerate(found))
        raise GpuUnavailableError(f"there is no adapter gpu:{index}; {names}")
    return found[index]


def open_device(index: int) -> Any:
    """Open a device on an adapter with all its limits, but for those lowered on purpose."""
    chosen = adapter(index)
    limits = lowered(dict(chosen.limits))
    features = [name for name in _FEATURES if name in chosen.features]
    return chosen.request_device_sync(
        label="rumus", required_features=features, required_limits=limits
    )


def describe(index: int) -> dict[str, Any]:
    """Name, driver, backend, features and compute limits of an adapter."""
    chosen = adapter(index)
    info = chosen.info
    return {
        "name": info["device"],
        "vendor": info["vendor"],
        "driver": info["description"],
        "backend": info["backend_type"],
        "kind": info["adapter_type"],
        "features": sorted(chosen.features),
        "limits": {k: v for k, v in chosen.limits.items() if _is_compute_limit(k)},
    }


@contextmanager
def _a_place_for_sockets() -> Iterator[None]:
    """Mesa asks Wayland for the GPU of the screen, which complains where no session has a place."""
    missing = os.name == "posix" and "XDG_RUNTIME_DIR" not in os.environ
    if missing:
        os.environ["XDG_RUNTIME_DIR"] = gettempdir()
    try:
        yield
    finally:
        if missing:
            os.environ.pop("XDG_RUNTIME_DIR", None)


def _rank(candidate: Any) -> int:
    kind = candidate.info["adapter_type"]
    return _KINDS.index(kind) if kind in _KINDS else _KINDS.index("Unknown")


def _position(ranked: list[Any], wanted: str) -> int:
    if wanted.isdigit() and int(wanted) < len(ranked):
        return int(wanted)
    for position, candidate in enumerate(ranked):
        if wanted.lower() in candidate.info["device"].lower():
            return position
    names = [candidate.info["device"] for candidate in ranked]
    raise GpuUnavailableError(f"RUMUS_GPU={wanted!r} fits no adapter; there are {names}")


def lowered(limits: dict[str, int]) -> dict[str, int]:
    """Limits, with those of ``RUMUS_GPU_LIMITS`` where they are lower.

    Dawn gives a device no less than WebGPU's default limits, whatever is asked for.

    Raises:
        GpuError: if the variable names no limit, or gives no number.
    """
    result = dict(limits)
    for item in filter(None, os.environ.get("RUMUS_GPU_LIMITS", "").split(",")):
        name, _, value = item.partition("=")
        if name not in limits or not value.isdigit():
            raise GpuError(f"RUMUS_GPU_LIMITS: {item!r} is not NAME=NUMBER with a known limit")
        result[name] = min(int(value), limits[name])
    return result


def _is_compute_limit(name: str) -> bool:
    return any(word in name for word in ("compute", "storage-buffer", "uniform", "buffer-size"))
