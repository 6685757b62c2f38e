"""Which recording, if any, the current thread is making.

The rest of capture is in :mod:`rumus.gpu._recording` (what is recorded, and its replay) and
:mod:`rumus.gpu._captured` (the callable that a user gets).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from types import FrameType
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from rumus._core.base import TensorBase
from rumus._core.frames import Scoped
from rumus.gpu._array import GpuArray, Shape, Storage
from rumus.gpu._errors import CaptureError
from rumus.gpu._memory import Buffer

HostCallback = Callable[[], npt.NDArray[Any]]


class Recording(Protocol):
    """What takes down the work of a step instead of running it."""

    checks: list[Callable[[], None]]
    """What has to hold when the step is recorded."""
    effects: list[Callable[[], None]]
    """What the host does in each replay."""

    def interrupt(self, effect: Callable[[], None]) -> None:
        """Have something done in each replay between what is recorded and what will be."""
        ...

    def allocate(self, device: Any, nbytes: int) -> Storage:
        """A storage that has memory once the recording is finished."""
        ...

    def host_value(self, callback: HostCallback, shape: Shape, dtype: np.dtype[Any]) -> GpuArray:
        """An array that is filled by the callback before each replay."""
        ...

    def launch(
        self,
        pipeline: Any,
        device: Any,
        arrays: Sequence[GpuArray],
        params: bytes,
        groups: tuple[int, int, int],
        chain: Any,
    ) -> None:
        """Record a dispatch."""
        ...


_recording: Scoped[Recording] = Scoped()

current = _recording.get
"""The recording that this thread is making, or None."""


def recording_into(recording: Recording) -> AbstractContextManager[None]:
    """Record this thread's dispatches instead of running them.

    It is over with the function that asks for it.
    """
    return _recording.during(recording, sys._getframe(1))


def outside_capture() -> AbstractContextManager[None]:
    """Run what is inside at once, also in the middle of a capture.

    For state that is made on first use, such as an optimizer's moments: mark it with
    :func:`persist` so that the recording may use it.

    Example:
        >>> with outside_capture():
        ...     state = zeros((4,))
        >>> state.shape
        (4,)
    """
    return _recording.during(None, None)


def when_recorded(check: Callable[[], None]) -> None:
    """Have something checked when the step that this thread records is complete, or refused.

    For what a step may leave in a state that no replay repeats. The check puts that right, and
    raises :class:`CaptureError` to have the recording refused. Outside a capture nothing happens.

    Example:
        >>> from rumus.tensor import ones
        >>> said = []
        >>> def step(x):
        ...     when_recorded(lambda: said.append("recorded"))
        ...     return x + 1.0
        >>> captured = capture(step)
        >>> results = [captured(ones(2, device="gpu")) for _ in range(3)]
        >>> said
        ['recorded']
    """
    recording = current()
    if recording is not None:
        recording.checks.append(check)


def is_recording() -> bool:
    """Whether this thread records a step.

    Example:
        >>> is_recording()
        False
    """
    return current() is not None


def when_replayed(effect: Callable[[], None]) -> None:
    """Have something done on the host in each replay of the step that this thread records.

    For counters beside a step that its recording must not advance. Outside a capture it is done at
    once.

    Example:
        >>> from rumus.tensor import ones
        >>> replays = []
        >>> def step(x):
        ...     when_replayed(lambda: replays.append(1))
        ...     return x + 1.0
        >>> captured = capture(step)
        >>> results = [captured(ones(2, device="gpu")) for _ in range(3)]
        >>> len(replays) > 0
        True
    """
    recording = current()
    if recording is None:
        effect()
    else:
        recording.effects.append(effect)


def in_between(effect: Callable[[], None]) -> None:
    """Have work given to the GPU in each replay of the step that this thread records, right here.

    For what differs from replay to replay, and can begin before the step is over: it may read what
    the step has written to persistent arrays so far. Outside a capture it is done at once.

    Example:
        >>> from rumus.gpu import ReadAhead, persist
        >>> from rumus.tensor import Tensor, no_grad, zeros
        >>> latest = zeros(2, device="gpu")
        >>> _ = persist(latest.array)
        >>> reader = ReadAhead(8)
        >>> def step(x):
        ...     _ = latest.copy_(x * 2.0)
        ...     in_between(lambda: reader.begin(latest.array))
        ...     return x.exp().sum()
        >>> captured = capture(step)
        >>> with no_grad():
        ...     for k in range(3):
        ...         _ = captured(zeros(2, device="gpu") + float(k))
        ...         print(reader.wait(np.empty(2, np.float32)))
        [0. 0.]
        [2. 2.]
        [4. 4.]
    """
    recording = current()
    if recording is None:
        effect()
    else:
        recording.interrupt(effect)


def refuse(what: str) -> None:
    """Raise if this thread is recording a step.

    Raises:
        CaptureError: with the line of the user's code.
    """
    if current() is not None:
        raise CaptureError(
            f"{user_line()}: a captured step {what}; move this out of the step, or pass what "
            f"it needs as an argument"
        )


def user_line() -> str:
    """File and line of the innermost frame that is not ours."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("rumus."):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}, line {frame.f_lineno}"


def variable_name(buffers: Collection[Buffer]) -> str | None:
    """The name under which the user's frames hold a tensor on one of these buffers."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if not frame.f_globals.get("__name__", "").startswith("rumus."):
            for scope in (frame.f_locals, frame.f_globals):
                for name, value in list(scope.items()):
                    if (found := _holds(value, buffers)) is not None:
                        return f"{name}{found}"
        frame = frame.f_back
    return None


def _holds(value: object, buffers: Collection[Buffer]) -> str | None:
    """Whether a value is a tensor on the buffers (``""``) or has one as ``.attribute``, ``[i]``."""
    if isinstance(value, TensorBase):
        array = value._array
        return "" if isinstance(array, GpuArray) and array.storage.buffer in buffers else None
    if isinstance(value, list):
        held = (i for i, item in enumerate(value) if isinstance(item, TensorBase))
        return next((f"[{i}]" for i in held if _holds(value[i], buffers) == ""), None)
    names = getattr(value, "_fields", None) or getattr(value, "__dataclass_fields__", None) or ()
    for name in names:
        inner = getattr(value, name, None)
        if isinstance(inner, TensorBase) and _holds(inner, buffers) == "":
            return f".{name}"
    return None
