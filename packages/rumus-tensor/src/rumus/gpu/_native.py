"""Commands and queue through the C functions of ``webgpu.h``; ``_mapping.py`` maps by them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from typing import Any

from rumus.gpu._mapping import NativeMapping, NativeMappings
from rumus.gpu._public import PublicDriver
from rumus.gpu._seam import BACKENDS, Command, Driver, Words

_NO_RUNTIME_CHECKS = 0
_SMALL = 4096
"""Bytes for which there is always room."""


class NativeCommands:
    """One command buffer, from its first command to its submission."""

    # In the class, for an interrupt may come before the first line of __init__.
    _encoder: Any = None
    _pass: Any = None
    handle: Any = None
    """The command buffer, once it is finished."""

    def __init__(self, driver: NativeDriver) -> None:
        self._driver = driver
        self._encoder = driver.create_encoder(driver.device, driver.encoder_descriptor)

    def dispatch(self, pipeline: Any, group: Any, x: int, y: int, z: int) -> None:
        driver = self._driver
        opened = self._pass or self._open_pass()
        driver.set_pipeline(opened, pipeline)
        driver.set_bind_group(opened, 0, group, 0, driver.null)
        driver.dispatch(opened, x, y, z)

    def dispatch_all(self, commands: Iterable[Command]) -> None:
        driver = self._driver
        opened = self._pass or self._open_pass()
        set_pipeline, set_group, run = driver.set_pipeline, driver.set_bind_group, driver.dispatch
        null, current = driver.null, None
        for pipeline, group, x, y, z in commands:
            if pipeline is not current:
                set_pipeline(opened, pipeline)
                current = pipeline
            set_group(opened, 0, group, 0, null)
            run(opened, x, y, z)

    def dispatch_timed(self, command: Command, queries: Any, first: int) -> None:
        self._close_pass()
        self._pass = self._driver.begin_timed_pass(self._encoder, queries, first)
        self.dispatch(*command)
        self._close_pass()

    def copy(self, source: Any, start: int, target: Any, at: int, nbytes: int) -> None:
        self._close_pass()
        self._driver.copy(self._encoder, source._internal, start, target._internal, at, nbytes)

    def finish(self) -> None:
        self._close_pass()
        self.handle = self._driver.finish_encoder(self._encoder, self._driver.finish_descriptor)

    def _open_pass(self) -> Any:
        self._pass = self._driver.begin_pass(self._encoder, self._driver.pass_descriptor)
        return self._pass

    def _close_pass(self) -> None:
        # Forgotten first: an interrupt may come between these calls, and none may come twice.
        opened, self._pass = self._pass, None
        if opened is not None:
            self._driver.end_pass(opened)
            self._driver.release_pass(opened)

    def __del__(self) -> None:
        self._close_pass()
        if self.handle is not None:
            self._driver.release_commands(self.handle)
        if self._encoder is not None:
            self._driver.release_encoder(self._encoder)


class NativeDriver:
    """Drives a device's queue with handles prepared once."""

    def __init__(self, device: Any, backend: Any) -> None:
        self._ffi, self._lib, self._gpu = backend.ffi, backend.lib, device
        self._api = import_module(f"{backend.__name__}._api")
        # The checked functions turn a validation error into an exception; the raw ones cost less,
        # and an error that they cause in an encoder is reported by its checked finish.
        raw, checked = backend.lib, self._api.libf
        self.device, self._queue = device._internal, device.queue._internal
        self.create_encoder = raw.wgpuDeviceCreateCommandEncoder
        self.begin_pass = raw.wgpuCommandEncoderBeginComputePass
        self.set_pipeline = raw.wgpuComputePassEncoderSetPipeline
        self.set_bind_group = raw.wgpuComputePassEncoderSetBindGroup
        self.dispatch = raw.wgpuComputePassEncoderDispatchWorkgroups
        self.end_pass = raw.wgpuComputePassEncoderEnd
        self.release_pass = raw.wgpuComputePassEncoderRelease
        self.copy = raw.wgpuCommandEncoderCopyBufferToBuffer
        self.finish_encoder = checked.wgpuCommandEncoderFinish
        self.release_encoder = raw.wgpuCommandEncoderRelease
        self.release_commands = raw.wgpuCommandBufferRelease
        self._has_index = hasattr(raw, "wgpuQueueSubmitForIndex")
        self._write = checked.wgpuQueueWriteBuffer
        self._write_small = raw.wgpuQueueWriteBuffer
        self._create_group = checked.wgpuDeviceCreateBindGroup
        self._release_group = raw.wgpuBindGroupRelease
        self._create_trusted = getattr(checked, "wgpuDeviceCreateShaderModuleTrusted", None)
        new = self._ffi.new
        self.null = self._ffi.NULL
        self.encoder_descriptor = new("WGPUCommandEncoderDescriptor *")
        self.pass_descriptor = new("WGPUComputePassDescriptor *")
        self.finish_descriptor = new("WGPUCommandBufferDescriptor *")
        self.submit, self.wait = self._submission(raw, checked)
        map_async = checked.wgpuBufferMapAsync
        self._mappings = (
            NativeMappings(self._ffi, raw, map_async, self.device) if self._has_index else None
        )
        # Dawn asks for one thread at a time.
        self.is_concurrent = self._api.__name__.startswith("wgpu.")
        # To be released by who records next: the thread that submits has to wait for Python's
        # global lock after every call.
        self._spent: deque[NativeCommands] = deque()

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
        module = self._create_trusted(self.device, descriptor, _NO_RUNTIME_CHECKS)
        return self._api.GPUShaderModule(name, module, self._gpu)

    def handle(self, pipeline: Any) -> Any:
        return pipeline._internal

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
        group = self._create_group(self.device, descriptor)
        return self._ffi.gc(group, self._release_group)

    def begin_timed_pass(self, encoder: Any, queries: Any, first: int) -> Any:
        """Begin a pass between the timestamps ``first`` and ``first + 1`` of a set."""
        descriptor = self._ffi.new("WGPUComputePassDescriptor *")
        writes = self._ffi.new(
            self._ffi.typeof(descriptor.timestampWrites),
            {
                "querySet": queries._internal,
                "beginningOfPassWriteIndex": first,
                "endOfPassWriteIndex": first + 1,
            },
        )
        descriptor.timestampWrites = writes
        return self.begin_pass(encoder, descriptor)

    def timestamp_period(self) -> float:
        # Dawn's timestamps are nanoseconds, whatever the GPU's are.
        period = getattr(self._lib, "wgpuQueueGetTimestampPeriod", None)
        return 1.0 if period is None else float(period(self._queue))

    def commands(self) -> NativeCommands:
        self._spent.clear()
        return NativeCommands(self)

    def write(self, buffer: Any, at: int, data: Words) -> None:
        pointer, nbytes = self._ffi.from_buffer(data), data.nbytes
        write = self._write if nbytes > _SMALL else self._write_small
        write(self._queue, buffer._internal, at, pointer, nbytes)

    def map(self, buffer: Any, mode: int) -> NativeMapping | None:
        return None if self._mappings is None else self._mappings.begin(buffer._internal, mode)

    def _submission(
        self, raw: Any, checked: Any
    ) -> tuple[Callable[[Sequence[NativeCommands]], Any], Callable[[Any], None]]:
        """How to submit and to wait: by index with wgpu-native, by an event with Dawn."""
        new = self._ffi.new

        def listed(batch: Sequence[NativeCommands]) -> Any:
            return new("WGPUCommandBuffer[]", [commands.handle for commands in batch])

        if self._has_index:

            def submit(batch: Sequence[NativeCommands]) -> Any:
                mark = checked.wgpuQueueSubmitForIndex(self._queue, len(batch), listed(batch))
                self._spent.extend(batch)
                return mark

            def wait(mark: Any) -> None:
                raw.wgpuDevicePoll(self.device, True, new("WGPUSubmissionIndex *", mark))

            return submit, wait

        def submit_and_ask(batch: Sequence[NativeCommands]) -> Any:
            checked.wgpuQueueSubmit(self._queue, len(batch), listed(batch))
            self._spent.extend(batch)
            return self._gpu.queue.on_submitted_work_done_async()

        return submit_and_ask, lambda promise: promise.sync_wait()


def make_driver(device: Any) -> Driver:
    """The fastest way to drive the device that its package allows."""
    package = type(device).__module__.partition(".")[0]
    try:
        return NativeDriver(device, import_module(BACKENDS[package]))
    except (KeyError, ImportError, AttributeError):
        return PublicDriver(device)
