"""The seam to WebGPU: the one module that knows a binding's C functions.

``wgpu`` (wgpu-native) is the default; ``RUMUS_GPU_API=dawn`` takes ``wgpudawn`` (Dawn) instead,
with the Dawn toggles that ``RUMUS_GPU_TOGGLES`` lists, comma-separated. Both export the functions
of ``webgpu.h`` and the same Python API, so the same code drives either. The hot calls go to the C
functions with handles prepared once (1.9 µs a dispatch against 10 to 95 µs); where those are not
found, :class:`PublicEncoder` does the same through the Python API.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import cache
from importlib import import_module
from typing import Any, Protocol

import numpy.typing as npt

from rumus._core.errors import GpuUnavailableError

Command = tuple[Any, Any, int, int, int]
"""A prepared dispatch: pipeline handle, bind group handle, workgroups in x, y and z."""
Words = npt.NDArray[Any] | memoryview

_NO_RUNTIME_CHECKS = 0
_BACKENDS = {"wgpu": "wgpu.backends.wgpu_native", "wgpudawn": "wgpudawn.backends.dawn"}


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
    extras = import_module(f"{_BACKENDS['wgpudawn']}.extras")
    try:
        extras.set_instance_extras(enable_toggles=toggles)
    except ValueError as error:
        raise GpuUnavailableError(f"RUMUS_GPU_TOGGLES: {error}") from error


def _leave_out_opengl() -> None:
    """OpenGL lists each adapter twice, starts slowly, and complains on headless machines."""
    extras = import_module(f"{_BACKENDS['wgpu']}.extras")
    # The program may use wgpu itself, and have made the instance before us.
    with suppress(RuntimeError, KeyError):
        extras.set_instance_extras(backends=["Vulkan", "Metal", "DX12"])


class Encoder(Protocol):
    """One batch of commands on its way to the queue, and the objects that only the queue makes."""

    def shader_module(self, name: str, code: str, trusted: bool) -> Any:
        """Parse WGSL; ``trusted`` leaves out run-time checks of bounds and loops, if it can."""
        ...

    def handle(self, pipeline: Any) -> Any:
        """What :meth:`dispatch` wants for a compute pipeline; lives as long as the pipeline."""
        ...

    def dispatch(self, pipeline: Any, group: Any, x: int, y: int, z: int) -> None:
        """Record one dispatch."""
        ...

    def dispatch_all(self, commands: Iterable[Command]) -> None:
        """Record prepared dispatches in order."""
        ...

    def copy(self, source: Any, start: int, target: Any, at: int, nbytes: int) -> None:
        """Record a copy between buffers; offsets and size are multiples of 4 bytes."""
        ...

    @property
    def is_open(self) -> bool:
        """Whether something is recorded."""
        ...

    @property
    def is_concurrent(self) -> bool:
        """Whether one thread may record while another one submits."""
        ...

    def take(self) -> Any:
        """What is recorded, for :meth:`submit`; the next command begins a new batch."""
        ...

    def submit(self, taken: Any) -> None:
        """Hand a batch to the GPU."""
        ...

    def write(self, buffer: Any, at: int, data: Words) -> None:
        """Write whole words to a buffer, before everything that is not submitted yet."""
        ...

    def push(self) -> None:
        """Hand what was written to the GPU now, so that its staging memory serves again."""
        ...

    def bind_group(self, layout: Any, parts: Sequence[tuple[Any, int, int]]) -> Any:
        """Bind each (buffer, offset, size) to its position in the layout."""
        ...


def make_encoder(device: Any) -> Encoder:
    """The fastest encoder that the device's package allows."""
    package = type(device).__module__.partition(".")[0]
    try:
        return NativeEncoder(device, import_module(_BACKENDS[package]))
    except (KeyError, ImportError, AttributeError):
        return PublicEncoder(device)


class NativeEncoder:
    """Records through the C functions of ``webgpu.h``."""

    def __init__(self, device: Any, backend: Any) -> None:
        self._ffi, self._lib, self._gpu = backend.ffi, backend.lib, device
        self._api = import_module(f"{backend.__name__}._api")
        # The checked functions turn a validation error into an exception; the raw ones cost less,
        # and an error that they cause in an encoder is reported by its checked finish.
        raw, checked = backend.lib, self._api.libf
        self._device, self._queue = device._internal, device.queue._internal
        self._create_encoder = raw.wgpuDeviceCreateCommandEncoder
        self._begin_pass = raw.wgpuCommandEncoderBeginComputePass
        self._set_pipeline = raw.wgpuComputePassEncoderSetPipeline
        self._set_bind_group = raw.wgpuComputePassEncoderSetBindGroup
        self._dispatch = raw.wgpuComputePassEncoderDispatchWorkgroups
        self._end_pass = raw.wgpuComputePassEncoderEnd
        self._release_pass = raw.wgpuComputePassEncoderRelease
        self._copy = raw.wgpuCommandEncoderCopyBufferToBuffer
        self._finish = checked.wgpuCommandEncoderFinish
        self._release_encoder = raw.wgpuCommandEncoderRelease
        self._submit = checked.wgpuQueueSubmit
        self._release_commands = raw.wgpuCommandBufferRelease
        self._write = checked.wgpuQueueWriteBuffer
        self._create_group = checked.wgpuDeviceCreateBindGroup
        self._release_group = raw.wgpuBindGroupRelease
        self._create_trusted = getattr(checked, "wgpuDeviceCreateShaderModuleTrusted", None)
        new = self._ffi.new
        self._encoder_descriptor = new("WGPUCommandEncoderDescriptor *")
        self._pass_descriptor = new("WGPUComputePassDescriptor *")
        self._finish_descriptor = new("WGPUCommandBufferDescriptor *")
        self._submission = new("WGPUCommandBuffer[1]")
        self._encoder: Any = None
        self._pass: Any = None
        # To be released by who records: the thread that submits has to wait for Python's global
        # lock after every call.
        self._submitted: deque[tuple[Any, Any]] = deque()

    def shader_module(self, name: str, code: str, trusted: bool) -> Any:
        if not trusted or self._create_trusted is None:
            return self._gpu.create_shader_module(label=name, code=code)
        text = code.encode()
        data = self._ffi.new("char[]", text)
        source = self._ffi.new("WGPUShaderSourceWGSL *")
        source.chain.sType = self._lib.WGPUSType_ShaderSourceWGSL
        source.code.data, source.code.length = data, len(text)
        descriptor = self._ffi.new("WGPUShaderModuleDescriptor *")
        descriptor.nextInChain = self._ffi.cast("WGPUChainedStruct *", source)
        module = self._create_trusted(self._device, descriptor, _NO_RUNTIME_CHECKS)
        return self._api.GPUShaderModule(name, module, self._gpu)

    def handle(self, pipeline: Any) -> Any:
        return pipeline._internal

    def dispatch(self, pipeline: Any, group: Any, x: int, y: int, z: int) -> None:
        opened = self._pass or self._open_pass()
        self._set_pipeline(opened, pipeline)
        self._set_bind_group(opened, 0, group, 0, self._ffi.NULL)
        self._dispatch(opened, x, y, z)

    def dispatch_all(self, commands: Iterable[Command]) -> None:
        opened = self._pass or self._open_pass()
        set_pipeline, set_group, run = self._set_pipeline, self._set_bind_group, self._dispatch
        null, current = self._ffi.NULL, None
        for pipeline, group, x, y, z in commands:
            if pipeline is not current:
                set_pipeline(opened, pipeline)
                current = pipeline
            set_group(opened, 0, group, 0, null)
            run(opened, x, y, z)

    def copy(self, source: Any, start: int, target: Any, at: int, nbytes: int) -> None:
        self._close_pass()
        self._copy(self._open_encoder(), source._internal, start, target._internal, at, nbytes)

    @property
    def is_open(self) -> bool:
        return self._encoder is not None

    @property
    def is_concurrent(self) -> bool:
        # Dawn asks for one thread at a time.
        return self._api.__name__.startswith("wgpu.")

    def take(self) -> Any:
        self._close_pass()
        while self._submitted:
            encoder, commands = self._submitted.popleft()
            self._release_encoder(encoder)
            if commands is not None:
                self._release_commands(commands)
        taken, self._encoder = self._encoder, None
        return taken

    def submit(self, taken: Any) -> None:
        commands = None
        try:
            commands = self._finish(taken, self._finish_descriptor)
            self._submission[0] = commands
            self._submit(self._queue, 1, self._submission)
        finally:
            self._submitted.append((taken, commands))

    def write(self, buffer: Any, at: int, data: Words) -> None:
        pointer = self._ffi.from_buffer(data)
        self._write(self._queue, buffer._internal, at, pointer, data.nbytes)

    def push(self) -> None:
        self._submit(self._queue, 0, self._ffi.NULL)

    def bind_group(self, layout: Any, parts: Sequence[tuple[Any, int, int]]) -> Any:
        entries = self._ffi.new("WGPUBindGroupEntry[]", len(parts))
        for position, (buffer, offset, size) in enumerate(parts):
            entry = entries[position]
            entry.binding = position
            entry.buffer = buffer._internal
            entry.offset = offset
            entry.size = size
        descriptor = self._ffi.new("WGPUBindGroupDescriptor *")
        descriptor.layout = layout._internal
        descriptor.entryCount = len(parts)
        descriptor.entries = entries
        group = self._create_group(self._device, descriptor)
        return self._ffi.gc(group, self._release_group)

    def _open_encoder(self) -> Any:
        if self._encoder is None:
            self._encoder = self._create_encoder(self._device, self._encoder_descriptor)
        return self._encoder

    def _open_pass(self) -> Any:
        self._pass = self._begin_pass(self._open_encoder(), self._pass_descriptor)
        return self._pass

    def _close_pass(self) -> None:
        if self._pass is not None:
            self._end_pass(self._pass)
            self._release_pass(self._pass)
            self._pass = None


class PublicEncoder:
    """Records through the Python API: slower, and independent of a package's inner parts."""

    def __init__(self, device: Any) -> None:
        self._device = device
        self._encoder: Any = None
        self._pass: Any = None

    def shader_module(self, name: str, code: str, trusted: bool) -> Any:
        return self._device.create_shader_module(label=name, code=code)

    def handle(self, pipeline: Any) -> Any:
        return pipeline

    def dispatch(self, pipeline: Any, group: Any, x: int, y: int, z: int) -> None:
        if self._pass is None:
            self._pass = self._open_encoder().begin_compute_pass()
        self._pass.set_pipeline(pipeline)
        self._pass.set_bind_group(0, group)
        self._pass.dispatch_workgroups(x, y, z)

    def dispatch_all(self, commands: Iterable[Command]) -> None:
        for command in commands:
            self.dispatch(*command)

    def copy(self, source: Any, start: int, target: Any, at: int, nbytes: int) -> None:
        self._close_pass()
        self._open_encoder().copy_buffer_to_buffer(source, start, target, at, nbytes)

    @property
    def is_open(self) -> bool:
        return self._encoder is not None

    @property
    def is_concurrent(self) -> bool:
        return False

    def take(self) -> Any:
        self._close_pass()
        taken, self._encoder = self._encoder, None
        return taken

    def submit(self, taken: Any) -> None:
        self._device.queue.submit([taken.finish()])

    def write(self, buffer: Any, at: int, data: Words) -> None:
        self._device.queue.write_buffer(buffer, at, data)

    def push(self) -> None:
        self._device.queue.submit([])

    def bind_group(self, layout: Any, parts: Sequence[tuple[Any, int, int]]) -> Any:
        entries = [
            {"binding": position, "resource": {"buffer": buffer, "offset": offset, "size": size}}
            for position, (buffer, offset, size) in enumerate(parts)
        ]
        return self._device.create_bind_group(layout=layout, entries=entries)

    def _open_encoder(self) -> Any:
        if self._encoder is None:
            self._encoder = self._device.create_command_encoder()
        return self._encoder

    def _close_pass(self) -> None:
        if self._pass is not None:
            self._pass.end()
            self._pass = None
