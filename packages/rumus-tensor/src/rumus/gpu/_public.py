"""Commands and queue through the Python API: slower, and independent of a package's inner parts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rumus.gpu._seam import Command, Words

_COPY_SRC = 0x4


class PublicCommands:
    """One command buffer, from its first command to its submission."""

    def __init__(self, device: Any) -> None:
        self._encoder = device.create_command_encoder()
        self._pass: Any = None
        self.buffer: Any = None
        """The command buffer, once it is finished."""

    def dispatch(self, pipeline: Any, group: Any, x: int, y: int, z: int) -> None:
        if self._pass is None:
            self._pass = self._encoder.begin_compute_pass()
        self._pass.set_pipeline(pipeline)
        self._pass.set_bind_group(0, group)
        self._pass.dispatch_workgroups(x, y, z)

    def dispatch_all(self, commands: Iterable[Command]) -> None:
        for command in commands:
            self.dispatch(*command)

    def dispatch_timed(self, command: Command, queries: Any, first: int) -> None:
        self._close_pass()
        self._pass = self._encoder.begin_compute_pass(
            timestamp_writes={
                "query_set": queries,
                "beginning_of_pass_write_index": first,
                "end_of_pass_write_index": first + 1,
            }
        )
        self.dispatch(*command)
        self._close_pass()

    def copy(self, source: Any, start: int, target: Any, at: int, nbytes: int) -> None:
        self._close_pass()
        self._encoder.copy_buffer_to_buffer(source, start, target, at, nbytes)

    def finish(self) -> None:
        self._close_pass()
        self.buffer = self._encoder.finish()

    def _close_pass(self) -> None:
        if self._pass is not None:
            self._pass.end()
            self._pass = None


class PublicDriver:
    """Drives a device's queue."""

    is_concurrent = False

    def __init__(self, device: Any) -> None:
        self._device = device
        self._word = device.create_buffer(size=4, usage=_COPY_SRC)

    def shader_module(self, name: str, code: str, trusted: bool) -> Any:
        return self._device.create_shader_module(label=name, code=code)

    def handle(self, pipeline: Any) -> Any:
        return pipeline

    def bind_group(self, layout: Any, parts: Sequence[tuple[Any, int, int]]) -> Any:
        entries = [
            {"binding": position, "resource": {"buffer": buffer, "offset": offset, "size": size}}
            for position, (buffer, offset, size) in enumerate(parts)
        ]
        return self._device.create_bind_group(layout=layout, entries=entries)

    def commands(self) -> PublicCommands:
        return PublicCommands(self._device)

    def submit(self, batch: Sequence[PublicCommands]) -> Any:
        self._device.queue.submit([commands.buffer for commands in batch])

    def timestamp_period(self) -> float:
        return 1.0

    def wait(self, mark: Any) -> None:
        # wgpu's package cannot ask whether a submission is done; to read four bytes takes all.
        self._device.queue.read_buffer(self._word)

    def map(self, buffer: Any, mode: int) -> None:
        return None

    def write(self, buffer: Any, at: int, data: Words) -> None:
        self._device.queue.write_buffer(buffer, at, data)
