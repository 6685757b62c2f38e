"""Kernels: WGSL files, their variants, and the dispatch that runs one.

A kernel is a WGSL file. Its storage bindings are numbered from 0 in the order in which
:meth:`Pipeline.dispatch` takes the arrays; an optional ``fault`` binding and an optional uniform
block called ``params`` come last. A variant puts ``alias`` and ``const`` lines in front.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from rumus.gpu import _capture, _faults
from rumus.gpu._array import GpuArray
from rumus.gpu._device import GpuDevice
from rumus.gpu._errors import GpuLimitError, KernelError
from rumus.gpu._interface import Binding, Params, read_interface
from rumus.gpu._memory import Buffer

Constant = str | bool | int | float
Groups = int | tuple[int, ...]

_POSITION = re.compile(r"(?:wgsl)?:(\d+):(\d+)")
_VISIBLE_TO_COMPUTE = 0x4


class Source(Protocol):
    """Anything that holds text: a ``Path``, or a resource of a package."""

    def read_text(self, encoding: str | None = None) -> str:
        """The WGSL."""
        ...


class Chain(Protocol):
    """What a launch computes, in a form that can be joined to another one.

    Its arrays are the launch's, in order; the last one is the result, written whole.
    """

    @property
    def exact(self) -> bool:
        """Whether it only chooses among values, so that joining it to others changes no bit."""
        ...

    @property
    def sealed(self) -> bool:
        """Whether joining others to it changes no bit."""
        ...

    def then(self, consumer: Chain, position: int) -> Chain | None:
        """The consumer, with this chain in place of the consumer's array at ``position``.

        The arrays of the new chain are this one's without its result, then the consumer's without
        ``position``. None where the two do not fit.
        """
        ...

    def prepare(self) -> tuple[Pipeline, bytes, tuple[int, int, int]]:
        """The pipeline, params and workgroups that run the chain."""
        ...


class Compiled:
    """A pipeline on one device."""

    __slots__ = ("_device", "_layout", "_object", "_pipeline", "handle", "name", "uid")
    uid: int
    name: str
    handle: Any

    def __init__(self, pipeline: Pipeline, device: GpuDevice, layout: Any, made: Any) -> None:
        self.uid = next(_uids)
        self.name = pipeline.name
        self.handle = device.driver.handle(made)
        self._pipeline, self._device = pipeline, device
        self._layout, self._object = layout, made

    def bind(self, buffers: Sequence[Buffer], block: bytes) -> Any:
        """A bind group of the arrays' buffers, the fault buffer and the params.

        On the device's thread.
        """
        everything = self._pipeline.bound(self._device, buffers, block)
        return self._device.make_group(self._layout, everything)


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
        self._variants: dict[tuple[str, str], Pipeline] = {}

    def variant(self, *, prelude: str = "", **constants: Constant) -> Pipeline:
        """The kernel under a header of constants; the same constants give the same object.

        Args:
            prelude: WGSL to stand between the header and the file.
            constants: a ``str`` becomes ``alias NAME = value``; a bool, an int that is not
                negative (``u32``), or a float (``f32``) becomes ``const NAME``.
        """
        header = "".join(_declaration(k, v) for k, v in constants.items())
        key = (header, prelude)
        found = self._variants.get(key)
        if found is None:
            if self._fault is not None:
                header += _declaration("FAULT", _faults.register(self._fault))
            text = (
                self._source
                if isinstance(self._source, str)
                else self._source.read_text(encoding="utf-8")
            )
            found = self._variants[key] = Pipeline(self.name, header + prelude, text, self._trusted)
        return found


class Pipeline:
    """A variant of a kernel, compiled on each device where it is first dispatched."""

    code: str
    bindings: tuple[Binding, ...]
    accesses: tuple[str, ...]

    def __init__(self, name: str, header: str, body: str, trusted: bool) -> None:
        self.name = name
        self._trusted = trusted
        self.code = f"{header}\n{body}"
        self._header_lines = header.count("\n") + 1
        self.bindings, self._params = read_interface(name, self.code)
        names = [binding.name for binding in self.bindings]
        self._takes_fault = "fault" in names
        self._arrays = len(names) - (self._params is not None) - self._takes_fault
        self.accesses = tuple(b.access for b in self.bindings[: self._arrays])
        self._compiled: dict[int, Compiled] = {}

    def dispatch(
        self,
        arrays: Sequence[GpuArray],
        params: Params = (),
        groups: Groups = 1,
        chain: Callable[[], Chain] | None = None,
    ) -> None:
        """Run the kernel over arrays, in the order of everything else on the device.

        A binding covers the whole storage of its array: a kernel that is given views takes their
        ``offset`` and ``strides`` through ``params``.

        Args:
            arrays: one for each storage binding, in order.
            params: the fields of the uniform block, or its packed bytes. Negative integers are
                two's complement where the field is u32.
            groups: workgroups, in x or in up to three dimensions; nothing runs if one is 0.
            chain: makes what lets a captured step fuse this dispatch with its neighbours.

        Raises:
            KernelError: if the WGSL does not compile, the arrays or params do not fit its bindings,
                or a storage that it writes is bound twice.
            GpuLimitError: if there are more workgroups than the adapter runs in one dimension.
            CaptureError: inside a capture, if an array would be frozen into the recording.
        """
        buffers = self._buffers(arrays)
        device = arrays[0].storage.device
        x, y, z = self._workgroups(groups, device.max_groups)
        block = self._block(params)
        if not (x and y and z):
            return
        recording = _capture.current()
        if recording is not None:
            fusable = chain() if chain is not None else None
            recording.launch(self, device, arrays, block, (x, y, z), fusable)
            return
        for array in arrays:
            if array.storage.device is not device:
                raise KernelError(
                    f"kernel {self.name} is given arrays of gpu:{device.index} and of "
                    f"gpu:{array.device_index}: move them to one device"
                )
            if array.storage.guard is not None:
                array.bring()
        compiled = self._compiled.get(device.index) or self.compile(device)
        device.dispatch(compiled, buffers, block, (x, y, z))

    def bound(self, device: GpuDevice, buffers: Sequence[Buffer], block: bytes) -> list[Buffer]:
        """All that a dispatch binds: the arrays' buffers, the fault buffer, the params.

        On the device's thread.
        """
        everything = list(buffers)
        if self._takes_fault:
            everything.append(device.faults.array.storage.buffer)
        if self._params is not None:
            everything.append(device.uniform(block))
        return everything

    def _buffers(self, arrays: Sequence[GpuArray]) -> list[Buffer]:
        """The arrays' buffers, if they are as many as the kernel binds and none is in its way."""
        try:
            buffers = [array.storage.buffer for array in arrays]
        except (AttributeError, TypeError):
            kinds = ", ".join(type(array).__name__ for array in arrays)
            raise KernelError(
                f"kernel {self.name} takes GpuArrays, such as tensor.array, and was given {kinds}"
            ) from None
        if len(buffers) != self._arrays:
            raise KernelError(
                f"kernel {self.name} binds {self._arrays} arrays, and {len(buffers)} were given"
            )
        if len(set(buffers)) < len(buffers):
            self._refuse_overlap(buffers)
        return buffers

    def _refuse_overlap(self, buffers: list[Buffer]) -> None:
        bound = list(zip(self.bindings, buffers, strict=False))
        for binding, buffer in bound:
            if binding.access == "read_write" and buffers.count(buffer) > 1:
                names = " and ".join(other.name for other, its in bound if its is buffer)
                raise KernelError(
                    f"kernel {self.name} writes {binding.name!r}, and {names} are given arrays of "
                    f"one storage: WebGPU binds a storage that is written once; copy one of them"
                )

    def _workgroups(self, groups: Groups, most: int) -> tuple[int, int, int]:
        sizes = groups if isinstance(groups, tuple) else (groups,)
        x, y, z = (*sizes, 1, 1, 1)[:3]
        if 1 <= len(sizes) <= 3 and type(x) is int and type(y) is int and type(z) is int:
            if 0 <= x <= most and 0 <= y <= most and 0 <= z <= most:
                return x, y, z
            if min(x, y, z) >= 0:
                raise GpuLimitError(
                    f"kernel {self.name} wants {groups} workgroups, and "
                    f"max-compute-workgroups-per-dimension is {most}: use a grid stride"
                )
        raise KernelError(
            f"kernel {self.name}: workgroups are one to three integers from 0, not {groups!r}"
        )

    def _block(self, params: Params) -> bytes:
        if self._params is not None:
            return self._params.pack(params)
        if params:
            raise KernelError(f"kernel {self.name} has no uniform block, and params were given")
        return b""

    def compile(self, device: GpuDevice) -> Compiled:
        """Compile for a device now instead of at the first dispatch.

        Raises:
            KernelError: with the line and column of the file where WGSL has an error.
        """
        return self._compiled.get(device.index) or device.submitter.call(self._compile, device)

    def _compile(self, device: GpuDevice) -> Compiled:
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
            module = device.driver.shader_module(self.name, self.code, self._trusted)
            layout = gpu.create_bind_group_layout(entries=self._layout_entries())
            pipeline = gpu.create_compute_pipeline(
                label=self.name,
                layout=gpu.create_pipeline_layout(bind_group_layouts=[layout]),
                compute={"module": module, "entry_point": "main"},
            )
        except Exception as error:
            raise KernelError(self._explain(str(error))) from error
        return Compiled(self, device, layout, pipeline)

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


_uids = itertools.count()


def _declaration(name: str, value: Constant) -> str:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, str):
        return f"alias {name} = {value};\n"
    if isinstance(value, bool):
        return f"const {name}: bool = {str(value).lower()};\n"
    if isinstance(value, int) and 0 <= value < 1 << 32:
        return f"const {name}: u32 = {value}u;\n"
    if isinstance(value, float) and math.isfinite(value):
        return f"const {name}: f32 = f32({value!r});\n"
    raise KernelError(
        f"{name}={value!r}: a constant is a string, a bool, an integer from 0 that fits 32 bits, "
        f"or a finite float"
    )
