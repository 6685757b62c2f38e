"""Kernels: WGSL files, their variants, and the dispatch that runs one.

A kernel is a WGSL file. Its storage bindings are numbered from 0 in the order in which
:meth:`Pipeline.dispatch` takes the arrays; an optional ``fault`` binding and an optional uniform
block called ``params`` come last. A variant puts ``alias`` and ``const`` lines in front.
"""

from __future__ import annotations

import itertools
import re
import struct
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

from rumus.gpu import _capture, _faults
from rumus.gpu._array import GpuArray
from rumus.gpu._device import GpuDevice
from rumus.gpu._errors import GpuLimitError, KernelError
from rumus.gpu._fusion import Chain
from rumus.gpu._memory import Buffer

Constant = str | bool | int | float
Groups = int | tuple[int, ...]

_BINDING = re.compile(
    r"@group\(0\)\s*@binding\((\d+)\)\s*var<(uniform|storage)\s*(?:,\s*(read_write|read))?\s*>\s*(\w+)"
)
_POSITION = re.compile(r"(?:wgsl)?:(\d+):(\d+)")
_VISIBLE_TO_COMPUTE = 0x4


class Source(Protocol):
    """Anything that holds text: a ``Path``, or a resource of a package."""

    def read_text(self) -> str:
        """The WGSL."""
        ...


class Binding(NamedTuple):
    """One ``var`` of a kernel: its name and how it is accessed."""

    name: str
    access: str
    """``"read"``, ``"read_write"`` or ``"uniform"``."""


class Compiled(NamedTuple):
    """A pipeline on one device."""

    uid: int
    handle: Any
    layout: Any
    pipeline: Any


class Kernel:
    """A WGSL kernel, read and compiled when it is first used.

    Args:
        source: the WGSL, or a file or package resource that holds it.
        name: what error messages call it.
        fault: the message and error type to raise when the kernel reports a fault through its
            ``fault`` binding, see :mod:`rumus.gpu`.
        trusted: whether every index is known to be inside its binding and every loop to end, so
            that the checks which WebGPU adds at run time may be left out. A kernel that breaks this
            promise can read or write other memory of the process on the GPU.

    Example:
        >>> kernel = Kernel('''
        ... @group(0) @binding(0) var<storage, read> x: array<f32>;
        ... @group(0) @binding(1) var<storage, read_write> y: array<f32>;
        ... @compute @workgroup_size(64)
        ... fn main(@builtin(global_invocation_id) id: vec3<u32>) {
        ...     if (id.x < arrayLength(&y)) { y[id.x] = FACTOR * x[id.x]; }
        ... }''', name="scale")
        >>> twice = kernel.variant(FACTOR=2.0)
    """

    def __init__(
        self,
        source: Source | str,
        *,
        name: str,
        fault: _faults.Fault | None = None,
        trusted: bool = False,
    ) -> None:
        self._source = source
        self.name = name
        self._fault = fault
        self._trusted = trusted
        self._variants: dict[tuple[object, ...], Pipeline] = {}

    def variant(self, *, prelude: str = "", **constants: Constant) -> Pipeline:
        """The kernel under a header of constants; the same constants give the same object.

        Args:
            prelude: WGSL to stand between the header and the file.
            constants: a ``str`` becomes ``alias NAME = value``; a bool, an int that is not
                negative (``u32``), or a float (``f32``) becomes ``const NAME``.
        """
        # 1, 1.0 and True are equal as keys, and different in WGSL.
        key = (prelude, *[(k, type(v), v) for k, v in constants.items()])
        found = self._variants.get(key)
        if found is None:
            header = "".join(_declaration(k, v) for k, v in constants.items())
            if self._fault is not None:
                header += _declaration("FAULT", _faults.register(self._fault))
            text = self._source if isinstance(self._source, str) else self._source.read_text()
            found = Pipeline(self.name, header + prelude, text, self._trusted)
            self._variants[key] = found
        return found


class Pipeline:
    """A variant of a kernel, compiled on each device where it is first dispatched."""

    def __init__(self, name: str, header: str, body: str, trusted: bool) -> None:
        self.name = name
        self._trusted = trusted
        self.code = f"{header}\n{body}"
        self._header_lines = header.count("\n") + 1
        self.bindings = _parse_bindings(name, self.code)
        names = [binding.name for binding in self.bindings]
        self._takes_params = bool(names) and self.bindings[-1].access == "uniform"
        self._takes_fault = "fault" in names
        self._arrays = len(names) - self._takes_params - self._takes_fault
        self.accesses = tuple(b.access for b in self.bindings[: self._arrays])
        self._compiled: dict[int, Compiled] = {}

    def dispatch(
        self,
        arrays: Sequence[GpuArray],
        params: Sequence[float] | bytes = (),
        groups: Groups = 1,
        chain: Callable[[], Chain] | None = None,
    ) -> None:
        """Run the kernel over arrays, in the order of everything else on the device.

        A binding covers the whole storage of its array: a kernel that is given views takes their
        ``offset`` and ``strides`` through ``params``.

        Args:
            arrays: one for each storage binding, in order.
            params: the words of the uniform block: int as u32 (two's complement if negative),
                float as f32; or the packed bytes.
            groups: workgroups, in x or in up to three dimensions; nothing runs if one is 0.
            chain: makes what lets a captured step fuse this dispatch with its neighbours.

        Raises:
            KernelError: if the WGSL does not compile, or the arrays do not fit its bindings.
            GpuLimitError: if there are more workgroups than the adapter runs in one dimension.
            CaptureError: inside a capture, if an array would be frozen into the recording.
        """
        if len(arrays) != self._arrays:
            raise KernelError(
                f"kernel {self.name} binds {self._arrays} arrays, and {len(arrays)} were given"
            )
        x, y, z = (groups, 1, 1) if isinstance(groups, int) else (*groups, 1, 1)[:3]
        if not (x and y and z):
            return
        device = arrays[0].storage.device
        most = device.max_groups
        if x > most or y > most or z > most:
            raise GpuLimitError(
                f"kernel {self.name} wants {groups} workgroups, and "
                f"max-compute-workgroups-per-dimension is {most}: use a grid stride"
            )
        recording = _capture.current()
        if recording is not None:
            fusable = chain() if chain is not None else None
            recording.launch(self, device, arrays, params, (x, y, z), fusable)
            return
        with device.lock:
            compiled = self._compiled.get(device.index) or self.compile(device)
            batch, buffers = device.batch, []
            for array in arrays:
                storage = array.storage
                if storage.device is not device:
                    raise KernelError(
                        f"kernel {self.name} is given arrays of gpu:{device.index} and of "
                        f"gpu:{storage.device.index}: move them to one device"
                    )
                storage.buffer.last_use = batch
                buffers.append(storage.buffer)
            group = device.bind_group(compiled, self.bound(device, buffers, params))
            device.dispatch(compiled.handle, group, x, y, z)

    def bound(
        self, device: GpuDevice, buffers: Sequence[Buffer], params: Sequence[float] | bytes
    ) -> list[Buffer]:
        """All that a dispatch binds: the arrays' buffers, the fault buffer, the params."""
        everything = list(buffers)
        if self._takes_fault:
            everything.append(device.faults.array.storage.buffer)
        if self._takes_params:
            everything.append(device.uniform(params if isinstance(params, bytes) else pack(params)))
        return everything

    def compile(self, device: GpuDevice) -> Compiled:
        """Compile for a device now instead of at the first dispatch.

        Raises:
            KernelError: with the line and column of the file where WGSL has an error.
        """
        with device.lock:
            compiled = self._compiled.get(device.index)
            if compiled is None:
                compiled = self._compiled[device.index] = self._build(device.gpu, device)
            return compiled

    def _build(self, gpu: Any, device: GpuDevice) -> Compiled:
        most = device.limits["max-storage-buffers-per-shader-stage"]
        storages = sum(b.access != "uniform" for b in self.bindings)
        if storages > most:
            raise GpuLimitError(
                f"kernel {self.name} binds {storages} storage buffers, and "
                f"max-storage-buffers-per-shader-stage is {most}"
            )
        try:
            module = device.encoder.shader_module(self.name, self.code, self._trusted)
            layout = gpu.create_bind_group_layout(entries=self._layout_entries())
            pipeline = gpu.create_compute_pipeline(
                label=self.name,
                layout=gpu.create_pipeline_layout(bind_group_layouts=[layout]),
                compute={"module": module, "entry_point": "main"},
            )
        except Exception as error:
            raise KernelError(self._explain(str(error))) from error
        return Compiled(next(_uids), device.encoder.handle(pipeline), layout, pipeline)

    def _layout_entries(self) -> list[dict[str, Any]]:
        kinds = {"read": "read-only-storage", "read_write": "storage", "uniform": "uniform"}
        return [
            {
                "binding": position,
                "visibility": _VISIBLE_TO_COMPUTE,
                "buffer": {"type": kinds[binding.access]},
            }
            for position, binding in enumerate(self.bindings)
        ]

    def _explain(self, message: str) -> str:
        found = _POSITION.search(message)
        if found is None:
            return f"kernel {self.name}: {message}"
        line, column = int(found[1]), int(found[2])
        place = (
            f"line {line - self._header_lines}" if line > self._header_lines else
            f"line {line} of its header"
        )  # fmt: skip
        return f"kernel {self.name}, {place}, column {column}: {message}"


def pack(params: Sequence[float]) -> bytes:
    """The 4-byte words of a uniform block: floats as f32, other numbers as u32 or i32."""
    try:
        return _plain_format(tuple(map(type, params))).pack(*params)
    except struct.error:
        signs = "".join(
            "f" if isinstance(value, float) else "I" if value >= 0 else "i" for value in params
        )
        return struct.pack("<" + signs, *params)


@lru_cache(maxsize=4096)
def _plain_format(kinds: tuple[type, ...]) -> struct.Struct:
    """The format of params of these types, if no integer is negative."""
    return struct.Struct("<" + "".join("f" if issubclass(k, float) else "I" for k in kinds))


_uids = itertools.count()


def _declaration(name: str, value: Constant) -> str:
    if isinstance(value, str):
        return f"alias {name} = {value};\n"
    if isinstance(value, bool):
        return f"const {name}: bool = {str(value).lower()};\n"
    if isinstance(value, int):
        return f"const {name}: u32 = {value}u;\n"
    return f"const {name}: f32 = f32({value!r});\n"


def _parse_bindings(name: str, code: str) -> tuple[Binding, ...]:
    without_comments = re.sub(r"//[^\n]*", "", code)
    found = {
        int(number): Binding(label, "uniform" if space == "uniform" else access or "read")
        for number, space, access, label in _BINDING.findall(without_comments)
    }
    if sorted(found) != list(range(len(found))) or not found:
        raise KernelError(
            f"kernel {name}: its bindings are {sorted(found)}; number them from 0 without gaps"
        )
    ordered = tuple(found[number] for number in range(len(found)))
    uniforms = [position for position, b in enumerate(ordered) if b.access == "uniform"]
    if uniforms not in ([], [len(ordered) - 1]):
        raise KernelError(f"kernel {name}: its uniform block must be the last binding, and one")
    return ordered
