"""The seam to WebGPU: which package, and what the runtime asks of it.

``wgpu`` (wgpu-native) is the default; ``RUMUS_GPU_API=dawn`` takes ``wgpudawn`` (Dawn) instead,
with the Dawn toggles that ``RUMUS_GPU_TOGGLES`` lists, comma-separated. Both export the functions
of ``webgpu.h`` and the same Python API, so the same code drives either. The hot calls go to the C
functions with handles prepared once (``_native.py``: 1.9 µs a dispatch against 10 to 95 µs); where
those are not found, ``_public.py`` does the same through the Python API.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import cache
from importlib import import_module
from typing import Any, Protocol

import numpy.typing as npt

from rumus._core.errors import GpuUnavailableError
from rumus.gpu._mapping import Mapping

Command = tuple[Any, Any, int, int, int]
"""A prepared dispatch: pipeline handle, bind group handle, workgroups in x, y and z."""
Words = npt.NDArray[Any] | memoryview

BACKENDS = {"wgpu": "wgpu.backends.wgpu_native", "wgpudawn": "wgpudawn.backends.dawn"}


@cache
def load_api() -> Any:
    """Import the WebGPU package that was chosen.

    Raises:
        GpuUnavailableError: if it is not installed or its library does not load.
    """
    choice = os.environ.get("RUMUS_GPU_API", "wgpu")
    package = {"wgpu": "wgpu", "dawn": "wgpudawn"}.get(choice)
    if package is None:
        raise GpuUnavailableError(f"RUMUS_GPU_API is {choice!r}; it may be 'wgpu' or 'dawn'")
    try:
        api = import_module(package)
    except (ImportError, OSError) as error:
        raise GpuUnavailableError(
            f"the WebGPU package {package!r} cannot be loaded ({error}): pip install {package}"
        ) from error
    toggles = [name for name in os.environ.get("RUMUS_GPU_TOGGLES", "").split(",") if name]
    if package == "wgpudawn":
        _enable_toggles(toggles)
    elif toggles:
        raise GpuUnavailableError("RUMUS_GPU_TOGGLES are Dawn's: set RUMUS_GPU_API=dawn as well")
    else:
        _leave_out_opengl()
    return api


def _enable_toggles(toggles: list[str]) -> None:
    extras = import_module(f"{BACKENDS['wgpudawn']}.extras")
    try:
        extras.set_instance_extras(enable_toggles=toggles)
    except ValueError as error:
        raise GpuUnavailableError(f"RUMUS_GPU_TOGGLES: {error}") from error


def _leave_out_opengl() -> None:
    """OpenGL lists each adapter twice, starts slowly, and complains on headless machines."""
    extras = import_module(f"{BACKENDS['wgpu']}.extras")
    # The program may use wgpu itself, and have made the instance before us.
    with suppress(RuntimeError, KeyError):
        extras.set_instance_extras(backends=["Vulkan", "Metal", "DX12"])


class Commands(Protocol):
    """Commands that become one command buffer, recorded by one thread."""

    def dispatch(self, pipeline: Any, group: Any, x: int, y: int, z: int) -> None:
        """Record one dispatch."""
        ...

    def dispatch_all(self, commands: Iterable[Command]) -> None:
        """Record prepared dispatches in order."""
        ...

    def dispatch_timed(self, command: Command, queries: Any, first: int) -> None:
        """Record one dispatch between the timestamps ``first`` and ``first + 1`` of a set."""
        ...

    def copy(self, source: Any, start: int, target: Any, at: int, nbytes: int) -> None:
        """Record a copy between buffers; offsets and size are multiples of 4 bytes."""
        ...

    def finish(self) -> None:
        """Make it the command buffer; what is wrong with a command is raised here."""
        ...


class Driver(Protocol):
    """A device's queue, and the objects that only the queue makes. Its calls are made in order."""

    @property
    def is_concurrent(self) -> bool:
        """Whether other threads may record commands meanwhile."""
        ...

    def shader_module(self, name: str, code: str, trusted: bool) -> Any:
        """Parse WGSL; ``trusted`` leaves out run-time checks of bounds and loops, if it can."""
        ...

    def handle(self, pipeline: Any) -> Any:
        """What :meth:`Commands.dispatch` wants for a compute pipeline, which it may outlive."""
        ...

    def bind_group(self, layout: Any, parts: Sequence[tuple[Any, int, int]]) -> Any:
        """Bind each (buffer, offset, size) to its position in the layout."""
        ...

    def commands(self) -> Commands:
        """Begin a command buffer."""
        ...

    def submit(self, batch: Sequence[Any]) -> Any:
        """Hand finished commands to the GPU, and what was written before them; returns a mark."""
        ...

    def timestamp_period(self) -> float:
        """The nanoseconds of a timestamp's unit."""
        ...

    def wait(self, mark: Any) -> None:
        """Return when the GPU has completed a submission, without reading anything back."""
        ...

    def map(self, buffer: Any, mode: int) -> Mapping | None:
        """Map a whole buffer, once the GPU has done what is submitted and uses it.

        Args:
            buffer: one that the host can map.
            mode: MAP_READ or MAP_WRITE.

        Returns:
            None if the driver cannot do so without waiting.
        """
        ...

    def write(self, buffer: Any, at: int, data: Words) -> None:
        """Write whole words to a buffer, before everything that is not submitted yet."""
        ...
