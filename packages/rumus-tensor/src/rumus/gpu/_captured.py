"""``capture``: a callable that records a step once for each kind of input, and replays it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Generic, NamedTuple, ParamSpec, TypeVar, cast

import numpy as np

from rumus._core.base import TensorBase
from rumus._core.devices import Device
from rumus._core.errors import ArgumentError
from rumus._core.structure import structure_version
from rumus._core.tree import Structure, flatten, unflatten
from rumus._core.versions import changes_follow
from rumus.gpu import _capture
from rumus.gpu._array import GpuArray
from rumus.gpu._device import GpuDevice, get_device
from rumus.gpu._errors import CaptureError
from rumus.gpu._recording import Recording

P = ParamSpec("P")
R = TypeVar("R")

MOST_RECORDINGS = 16
"""Recordings that one captured step keeps, the latest used."""
_MOST_ATTEMPTS = 3


_NUMBERS = (float, np.float32, np.float16)
_TEXT = (str, bytes)


class _Given(NamedTuple):
    """A leaf of the result that is one of the arguments."""

    position: int


class _Made(NamedTuple):
    """A leaf of the result that each replay makes: how to wrap its array."""

    wrap: Callable[[GpuArray, Device], Any]
    device: Device


class _Step(NamedTuple):
    recording: Recording
    outputs: list[GpuArray]
    structure: Structure
    leaves: list[Any]
    """Of the result: what was made, what was given, and constants."""

    def result(self, copies: list[GpuArray], given: list[Any]) -> Any:
        """What the step returns after a replay."""
        made = iter(copies)
        leaves = [
            leaf.wrap(next(made), leaf.device)
            if type(leaf) is _Made
            else given[leaf.position]
            if type(leaf) is _Given
            else leaf
            for leaf in self.leaves
        ]
        return unflatten(self.structure, leaves)


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
        leaves, structure = flatten((args, kwargs))
        key = _key(leaves, structure, (*args, *kwargs.values()))
        found = self._steps.get(key)
        if found is None:
            found = self._record(structure, leaves)
            self._steps[key] = found
            if len(self._steps) > MOST_RECORDINGS:
                self._steps.popitem(last=False)
        self._steps.move_to_end(key)
        inputs = [_contiguous(leaf) for leaf in leaves if isinstance(leaf, TensorBase)]
        return cast(R, found.result(found.recording.replay(inputs, found.outputs), leaves))

    def _record(self, structure: Structure, leaves: list[Any]) -> _Step:
        """Record the step, again if recording moved parameters (into arenas) that it had used."""
        for _ in range(_MOST_ATTEMPTS):
            recording = Recording(_device_of(leaves))
            before = structure_version()
            made = self._trace(recording, structure, leaves)
            self._version = structure_version()
            if self._version == before:
                recording.finish(self._fuse)
                return made
        raise CaptureError(
            "the captured step changes modules each time it runs (moves parameters, calls train() "
            "or eval(), or sets a number among their attributes): do this outside of it"
        )

    def _trace(self, recording: Recording, structure: Structure, leaves: list[Any]) -> _Step:
        inputs = [
            leaf._wrap(recording.input_like(leaf.array), leaf.device)
            if isinstance(leaf, TensorBase)
            else leaf
            for leaf in leaves
        ]
        args, kwargs = unflatten(structure, inputs)
        with (
            _checking(recording),
            _capture.recording_into(recording),
            changes_follow(recording.replays),
        ):
            results, result_structure = flatten(self._step(*args, **kwargs))
            made = [leaf for leaf in results if isinstance(leaf, TensorBase)]
            outputs = [_contiguous(leaf) for leaf in made]
            outputs = [
                leaf._packed_array() if recording.is_host_value(array) else array
                for leaf, array in zip(made, outputs, strict=True)
            ]
        kept = [_kept(leaf, leaves) for leaf in results]
        return _Step(recording, outputs, result_structure, kept)


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


def _key(leaves: list[Any], structure: Structure, arguments: tuple[Any, ...]) -> Any:
    """What tells recordings apart: shapes, dtypes and plain values, but no text inside of trees.

    A text that is an argument of its own is a choice; one in a batch is an id.
    """
    chosen = tuple([value for value in arguments if isinstance(value, _TEXT)])
    return structure, tuple([_kind(leaf) for leaf in leaves]), chosen


def _kind(leaf: Any) -> Any:
    if isinstance(leaf, TensorBase):
        array = _on_gpu(leaf)
        return array.shape, array.dtype, array.device_index
    if isinstance(leaf, _TEXT):
        return type(leaf)
    if isinstance(leaf, _NUMBERS):
        # 0.0 and -0.0 are equal, and NaN is not equal to itself.
        return type(leaf), float(leaf).hex()
    try:
        hash(leaf)
    except TypeError:
        raise CaptureError(
            f"a captured step takes and returns tensors, tuples, lists, dicts and hashable values, "
            f"and was given a {type(leaf).__name__}"
        ) from None
    return type(leaf), leaf


def _kept(leaf: Any, given: list[Any]) -> Any:
    """A leaf of the result as a replay needs it."""
    if isinstance(leaf, TensorBase):
        return _Made(leaf._wrap, leaf.device)
    _kind(leaf)
    if isinstance(leaf, _TEXT):
        for position, value in enumerate(given):
            if value is leaf:
                return _Given(position)
    return leaf


def _on_gpu(leaf: TensorBase) -> GpuArray:
    array = leaf.array
    if not isinstance(array, GpuArray):
        raise CaptureError(
            f"a captured step takes and returns tensors on the GPU, and this one of shape "
            f"{leaf.shape} is on the cpu: move it with .to('gpu')"
        )
    return array


def _contiguous(leaf: TensorBase) -> GpuArray:
    array = _on_gpu(leaf)
    if array.is_contiguous and array.offset * array.dtype.itemsize % 4 == 0:
        return array
    return cast(GpuArray, leaf._packed_array())


def _device_of(leaves: list[Any]) -> GpuDevice:
    for leaf in leaves:
        if isinstance(leaf, TensorBase):
            return _on_gpu(leaf).storage.device
    return get_device(0)
