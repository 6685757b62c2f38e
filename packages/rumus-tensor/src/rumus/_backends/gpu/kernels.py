"""How kernels are found and how many workgroups they get."""

from __future__ import annotations

import struct
from functools import cache
from importlib.resources import files
from math import ceil
from typing import TypeVar

from rumus.gpu import GpuArray, Kernel, limits

WORKGROUP = 256
"""Invocations of a workgroup, the most that every adapter has."""
GRID = 65535
"""Workgroups of a grid stride, each with as little to do as it can have."""
PLANS = 4096
"""Plans that a family keeps."""

K = TypeVar("K")
V = TypeVar("V")


@cache
def kernel(name: str) -> Kernel:
    """The kernel of ``shaders/NAME.wgsl``, which keeps its indices inside its bindings."""
    source = files("rumus._backends") / "shaders" / f"{name}.wgsl"
    return Kernel(source, name=name, trusted=True)


@cache
def fault_kernel(name: str, fault: tuple[str, type[Exception]]) -> Kernel:
    """The same of a kernel that reports what it finds in its data."""
    source = files("rumus._backends") / "shaders" / f"{name}.wgsl"
    return Kernel(source, name=name, fault=fault, trusted=True)


@cache
def most_groups(device_index: int) -> int:
    """Workgroups in one dimension of a grid: at least 65,535, unless lowered on purpose."""
    return limits(device_index)["max-compute-workgroups-per-dimension"]


def grid(items: int, per_group: int, device_index: int = 0) -> int:
    """Workgroups of a grid stride over items."""
    return min(-(-items // per_group), GRID, most_groups(device_index))


def plane(groups: int, device_index: int = 0) -> tuple[int, int]:
    """A two-dimensional grid of at least so many workgroups, with as few rows as it can have."""
    rows = max(1, ceil(groups / most_groups(device_index)))
    return ceil(groups / rows), rows


LARGEST_QUOTIENT = 1 << 22
"""Quotients from here on are not found by float32, see ``quotient.wgsl``."""


def reciprocal(number: int) -> int:
    """The bits of 1 / number in float32, for ``quotient.wgsl``."""
    bits: int = struct.unpack("<I", struct.pack("<f", 1.0 / number))[0]
    return bits


def remember(plans: dict[K, V], key: K, plan: V) -> V:
    """Keep a plan; a cache that is full is emptied, which costs less than to order it."""
    if len(plans) >= PLANS:
        plans.clear()
    plans[key] = plan
    return plan


def shares(a: GpuArray, b: GpuArray) -> bool:
    """Whether two arrays lie in one storage, so that no kernel may read one and write the other."""
    return a.storage is b.storage
