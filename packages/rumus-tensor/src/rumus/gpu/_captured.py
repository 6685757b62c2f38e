"""``capture``: a callable that records a step once for each kind of input, and replays it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Generic, NamedTuple, ParamSpec, TypeVar, cast

from rumus.gpu import _capture
from rumus.gpu._array import GpuArray
from rumus.gpu._errors import CaptureError
from rumus.gpu._recording import Recording
from rumus.gpu._tree import flatten, unflatten
from rumus.tensor import ArgumentError, Tensor, structure_version
from rumus.tensor._base import changes_follow

P = ParamSpec("P")
R = TypeVar("R")

MOST_RECORDINGS = 16
"""Recordings that one captured step keeps, the latest used."""
_MOST_ATTEMPTS = 3


class _Step(NamedTuple):
    recording: Recording
    outputs: list[GpuArray]
    structure: Any


class Captured(Generic[P, R]):
    """A step that runs in one submission from its second call on. Made by :func:`capture`."""

    def __init__(self, step: Callable[P, R], fuse: bool) -> None:
        self._step = step
        self._fuse = fuse
        self._steps: OrderedDict[Any, _Step] = OrderedDict()
        self._version = structure_version()

    @property
    def dispatches(self) -> tuple[int, ...]:
        """Of each recording, the dispatches that a replay runs."""
        return tuple(step.recording.dispatches for step in self._steps.values())

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Replay the step on these arguments, recording it first if they are of a new kind.

        Inside another captured step it is a part of that one's recording.

        Raises:
            CaptureError: if the step cannot be replayed as it stands.
        """
        if _capture.current() is not None:
            return self._step(*args, **kwargs)
        if self._version != structure_version():
            self._steps.clear()
            self._version = structure_version()
        arrays, structure = flatten((args, kwargs))
        inputs = [_on_gpu(array) for array in arrays]
        key = (structure, tuple((a.shape, a.dtype, a.device_index) for a in inputs))
        found = self._steps.get(key)
        if found is None:
            found = self._record(structure, inputs)
            self._steps[key] = found
            if len(self._steps) > MOST_RECORDINGS:
                self._steps.popitem(last=False)
        self._steps.move_to_end(key)
        copies = found.recording.replay([_contiguous(a) for a in inputs], found.outputs)
        return cast(R, unflatten(found.structure, copies))

    def _record(self, structure: Any, inputs: list[GpuArray]) -> _Step:
        """Record the step, again if recording moved parameters (into arenas) that it had used."""
        for _ in range(_MOST_ATTEMPTS):
            recording = Recording(_device_of(inputs))
            before = structure_version()
            made = self._trace(recording, structure, inputs)
            self._version = structure_version()
            if self._version == before:
                recording.finish(self._fuse)
                return made
        raise CaptureError(
            "the captured step changes modules each time it runs (moves parameters, calls train() "
            "or eval(), or sets a number among their attributes): do this outside of it"
        )

    def _trace(self, recording: Recording, structure: Any, inputs: list[GpuArray]) -> _Step:
        args, kwargs = unflatten(structure, [recording.input_like(array) for array in inputs])
        with (
            _checking(recording),
            _capture.recording_into(recording),
            changes_follow(recording.replays),
        ):
            arrays, result_structure = flatten(self._step(*args, **kwargs))
            outputs = [_contiguous(_on_gpu(array)) for array in arrays]
            outputs = [_copied(a) if recording.is_host_value(a) else a for a in outputs]
        return _Step(recording, outputs, result_structure)


def capture(step: Callable[P, R], *, fuse: bool = False) -> Captured[P, R]:
    """Record a training step once, and replay it in one submission afterwards.

    The first call with arguments of some shapes and dtypes records the step; that call and every
    later one replay it. Learning rates, step counters and random states advance as they do outside
    a capture. The step is recorded anew for other shapes, dtypes or plain values among its
    arguments, and after ``train()``, ``eval()``, a move of parameters or another number among the
    attributes of a module.

    Args:
        step: takes tensors on one GPU (also inside tuples, lists and dicts) and hashable values,
            and returns tensors, or nothing. What it computes from them on the host is computed
            once, when it is recorded.
        fuse: whether every elementwise operation becomes part of the kernel that makes its operand,
            if nothing else reads that. Faster, and within one unit in the last place an operation
            of the step itself. Without it this is done with operations that only choose among
            values, such as ReLU and comparisons, and the results are those of the step bit for bit.

    Raises:
        ArgumentError: ``step`` cannot be called.
        CaptureError: from a call, if the step reads a tensor back, uploads one, or uses a tensor
            that is neither an argument, a parameter, a module's buffer, an optimizer's state nor
            made in the step. The message names the tensor and the line.
    """
    if not callable(step):
        raise ArgumentError(f"capture takes the function of a step, not {step!r}")
    return Captured(step, fuse)


@contextmanager
def _checking(recording: Recording) -> Iterator[None]:
    """Run a recording's checks, whose errors must not hide that of the step."""
    try:
        yield
    except BaseException:
        for check in recording.checks:
            with suppress(CaptureError):
                check()
        raise
    for check in recording.checks:
        check()


def _on_gpu(array: Any) -> GpuArray:
    if not isinstance(array, GpuArray):
        raise CaptureError(
            f"a captured step takes and returns tensors on the GPU, and this one of shape "
            f"{array.shape} is on the cpu: move it with .to('gpu')"
        )
    return array


def _contiguous(array: GpuArray) -> GpuArray:
    if array.is_contiguous and array.offset * array.dtype.itemsize % 4 == 0:
        return array
    return cast(GpuArray, Tensor.from_array(array).contiguous().array)


def _copied(array: GpuArray) -> GpuArray:
    from rumus.tensor._gpu import get_gpu_backend

    return get_gpu_backend(array.device_index).copy(array)


def _device_of(inputs: list[GpuArray]) -> Any:
    from rumus.gpu._device import get_device

    return inputs[0].storage.device if inputs else get_device(0)
