"""``capture``: a callable that records a step once for each kind of input, and replays it."""

from __future__ import annotations

import gc
import warnings
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
from rumus._core.usage import Read, Usage, noted_in
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
_MOST_SEEN = 64


_NUMBERS = (float, np.float32, np.float16)
_TEXT = (str, bytes)


class _Given(NamedTuple):
    """A leaf of the result that is one of the arguments."""

    position: int


class _Made(NamedTuple):
    """A leaf of the result that each replay makes: how to wrap its array."""

    wrap: Callable[[GpuArray, Device], Any]
    device: Device


class _Step:
    """A recording, with what comes out of it and what it is good for."""

    __slots__ = ("checked", "leaves", "outputs", "recording", "structure", "usage")

    def __init__(
        self,
        recording: Recording,
        outputs: list[GpuArray],
        structure: Structure,
        leaves: list[Any],
        usage: Usage,
    ) -> None:
        self.recording, self.outputs = recording, outputs
        self.structure, self.leaves = structure, leaves
        """Of the result: what was made, what was given, and constants."""
        self.usage = usage
        self.checked = -1
        """The structure version at which it was good."""

    def is_good(self) -> bool:
        """Whether all that the step read is what it was."""
        version = structure_version()
        if self.checked != version:
            if self.usage.changed() is not None:
                return False
            self.checked = version
        return True

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
    """A step that runs in one submission from its second call on. Made by :func:`capture`.

    Example:
        >>> from rumus.tensor import ones
        >>> step = capture(lambda x: x.sum())
        >>> isinstance(step, Captured), step(ones(3, device="gpu")).item()
        (True, 3.0)
    """

    def __init__(self, step: Callable[P, R], fuse: bool) -> None:
        self._step = step
        self._fuse = fuse
        self._steps: OrderedDict[Any, list[_Step]] = OrderedDict()
        self._seen: OrderedDict[Any, None] = OrderedDict()
        self._anew = 0
        """Recordings since the last replay of one that was there, of arguments known before."""
        self._given_up = False

    @property
    def dispatches(self) -> tuple[int, ...]:
        """Of each recording, the dispatches that a replay runs."""
        return tuple(s.recording.dispatches for steps in self._steps.values() for s in steps)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Replay the step on these arguments, recording it first if they are of a new kind.

        Inside another captured step it is a part of that one's recording.

        Raises:
            CaptureError: if the step cannot be replayed as it stands.
        """
        if self._given_up or _capture.current() is not None:
            return self._step(*args, **kwargs)
        leaves, structure = flatten((args, kwargs))
        key = _key(leaves, structure, (*args, *kwargs.values()))
        found = self._found(key)
        if found is None:
            if not self._is_worth_it(key):
                return self._step(*args, **kwargs)
            found = self._record(key, structure, leaves)
        inputs = [_contiguous(leaf) for leaf in leaves if isinstance(leaf, TensorBase)]
        return cast(R, found.result(found.recording.replay(inputs, found.outputs), leaves))

    def _found(self, key: Any) -> _Step | None:
        """The recording for such arguments that is good now."""
        steps = self._steps.get(key, [])
        for step in steps:
            if step.is_good():
                self._anew = 0
                self._steps.move_to_end(key)
                return step
        return None

    def _is_worth_it(self, key: Any) -> bool:
        """Whether to record: the first arguments at once, others when they come again.

        An epoch's last, shorter batch then costs no recording. A step that does not find its
        recordings good, time and again, is given up.
        """
        if key in self._steps:
            self._anew += 1
            if self._anew > _MOST_ATTEMPTS:
                self._give_up(_changing(self._steps[key][-1].usage.changed()))
            return not self._given_up
        if not self._steps or key in self._seen:
            self._seen.pop(key, None)
            return True
        self._seen[key] = None
        if len(self._seen) > _MOST_SEEN:
            self._seen.popitem(last=False)
        return False

    def _give_up(self, reason: str) -> None:
        """Run the step as it is from now on, and say so."""
        self._given_up = True
        self._steps.clear()
        warnings.warn(
            f"a step is no longer captured, and runs as it would without: {reason}",
            RuntimeWarning,
            stacklevel=4,
        )

    def _record(self, key: Any, structure: Structure, leaves: list[Any]) -> _Step:
        """Record the step, again if recording moved parameters (into arenas) that it had used.

        A step that changes what it reads, or leaves tensors behind, is recorded for this one call.
        """
        for attempt in range(1, _MOST_ATTEMPTS + 1):
            recording = Recording(_device_of(leaves))
            step = self._trace(recording, structure, leaves)
            read = step.usage.changed()
            left = _left_behind(recording, step.outputs)
            by_itself = read is not None and step.usage.has_written(read)
            if read is None or by_itself or left or attempt == _MOST_ATTEMPTS:
                break
        recording.finish(self._fuse)
        if by_itself:
            self._give_up(_changing(read))
        elif left:
            self._give_up(
                f"it leaves {left} behind, which the next replay would overwrite; return from it "
                "what you keep"
            )
        elif read is None:
            self._keep(key, step)
        return step

    def _keep(self, key: Any, step: _Step) -> None:
        self._steps.setdefault(key, []).append(step)
        self._steps.move_to_end(key)
        if sum(map(len, self._steps.values())) > MOST_RECORDINGS:
            oldest = next(iter(self._steps))
            self._steps[oldest].pop(0)
            if not self._steps[oldest]:
                del self._steps[oldest]

    def _trace(self, recording: Recording, structure: Structure, leaves: list[Any]) -> _Step:
        inputs = [
            leaf._wrap(recording.input_like(leaf.array), leaf.device)
            if isinstance(leaf, TensorBase)
            else leaf
            for leaf in leaves
        ]
        args, kwargs = unflatten(structure, inputs)
        usage = Usage()
        with (
            _checking(recording),
            noted_in(usage),
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
        return _Step(recording, outputs, result_structure, kept, usage)


def capture(step: Callable[P, R], *, fuse: bool = False) -> Captured[P, R]:
    """Record a training step once, and replay it in one submission afterwards.

    The first call with arguments of some shapes and dtypes records the step; that call and every
    later one replay it. Learning rates, step counters and random states advance as they do outside
    a capture. Arguments of other shapes, dtypes or plain values have a recording of their own, made
    when they come for the second time; so has a step that finds modules in another mode or with
    other numbers, or parameters frozen or in another place, and each serves again when all is as it
    was. A step in which something changes from call to call is said to be so once, with the name,
    and runs as it would without capture from then on. Texts inside of tuples, lists and dicts are
    taken for labels, which the step's numbers do not depend on.

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

    Example:
        >>> from rumus.tensor import ones
        >>> double = capture(lambda x: x * 2.0)
        >>> [double(ones(2, device="gpu") * float(k)).tolist() for k in range(3)]
        [[0.0, 0.0], [2.0, 2.0], [4.0, 4.0]]
    """
    if not callable(step):
        raise ArgumentError(f"capture takes the function of a step, not a {type(step).__name__}")
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


def _changing(read: Read | None) -> str:
    name = "a value"
    if read is not None:
        name = f"{getattr(read.owner, 'label', type(read.owner).__name__)}.{read.name}"
    return (
        f"it reads {name}, which changes from call to call; pass that as an argument, as a tensor "
        "if it is another number each time"
    )


def _left_behind(recording: Recording, outputs: list[GpuArray]) -> str | None:
    """What the step made and somebody still holds, though it is no part of the result."""
    if recording.left_behind(outputs):
        gc.collect()  # what only a cycle holds is held by nobody
    held = recording.left_behind(outputs)
    return (_capture.variable_name(held) or "a tensor") if held else None


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
            device: GpuDevice = _on_gpu(leaf).storage.device
            return device
    return get_device(0)
