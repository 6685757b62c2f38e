"""Where a number that is not finite came from."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from contextlib import ContextDecorator
from typing import Any

from rumus._backends.contract import Backend
from rumus._backends.registry import backend_of
from rumus._core.base import TensorBase
from rumus._core.devices import Device
from rumus._core.dtypes import is_float
from rumus._core.errors import AutogradError
from rumus._core.frames import Claim, caller

from . import _engine, _function
from ._function import Function
from ._node import Operation, zero


class detect_anomaly(ContextDecorator):  # noqa: N801  a context manager, named like one
    """Raise at the first operation of this thread that makes NaN or an infinity; also a decorator.

    The error names the operation, whether it was going forward or backward, and the line of the
    call. Forward, NaN is always one too many; an infinity is where all inputs are finite (masks of
    ``-inf`` are meant). Backward, neither is expected. Every result is looked at, which waits for
    the GPU each time: for debugging. A step that is being captured cannot be looked at, nor can its
    replays: call the step itself.

    Example:
        >>> from rumus.autograd import detect_anomaly, leaf
        >>> from rumus.tensor import AutogradError, tensor
        >>> x = leaf(tensor([0.0, 1.0]))
        >>> with detect_anomaly():
        ...     try:
        ...         x.sqrt().sum().backward()
        ...     except AutogradError as error:
        ...         print(str(error)[:60])
        detect_anomaly: sqrt gave input 0 a gradient with 1 infinite
    """

    def __enter__(self) -> None:
        self._thread = threading.get_ident()
        self._claim = Claim(caller(sys._getframe(1)))
        _function.observers.append(self._forward)
        _engine.observers.append(self._backward)

    def __exit__(self, *_: object) -> None:
        self._claim.end()
        _function.observers.remove(self._forward)
        _engine.observers.remove(self._backward)

    def _recreate_cm(self) -> detect_anomaly:
        return detect_anomaly()

    def _is_meant(self) -> bool:
        return threading.get_ident() == self._thread and not self._claim.is_over()

    def _forward(self, function: Function, inputs: Sequence[Any], result: TensorBase) -> None:
        """Look at what an operation made, and note where it was called."""
        if not self._is_meant():
            return
        line = _user_line()
        if line is None:
            return
        vars(function)["called_at"] = line
        found = _found(backend_of(result.device), result.array, result.device)
        if found is None:
            return
        spoilt = [i for i, x in enumerate(inputs) if not _is_finite(x)]
        if spoilt and not found.nans:
            return
        origin = f"of input {spoilt[0]}, which was not finite" if spoilt else "of finite inputs"
        raise AutogradError(f"detect_anomaly: {function.name} gave {found} {origin}, {line}")

    def _backward(
        self, function: Operation, device: Device, grad: Any, grads: Sequence[Any]
    ) -> None:
        """Look at what an operation gave for its inputs."""
        if not self._is_meant():
            return
        be = backend_of(device)
        for i, given in enumerate(grads):
            if given is None or given is zero:
                continue
            found = _found(be, _array(given), device)
            if found is not None:
                spoilt = _found(be, _array(grad), device) is not None
                origin = " of a gradient that was not finite" if spoilt else ""
                line = vars(function).get("called_at", "called outside of detect_anomaly()")
                raise AutogradError(
                    f"detect_anomaly: {function.name} gave input {i} a gradient with {found}"
                    f"{origin}, {line}"
                )


class _Found:
    """How many elements are not finite."""

    def __init__(self, nans: int, infinite: int, size: int) -> None:
        self.nans, self.infinite, self.size = nans, infinite, size

    def __str__(self) -> str:
        kinds = [(self.nans, "NaN"), (self.infinite, "infinite")]
        named = " and ".join(f"{count} {kind}" for count, kind in kinds if count)
        return f"{named} among {self.size} elements"


def _found(be: Backend[Any], array: Any, device: Device) -> _Found | None:
    if not is_float(array.dtype):
        return None
    if device.kind == "gpu":
        from rumus.gpu import _capture

        _capture.refuse("runs under detect_anomaly(), which reads every result")
    finite = _count(be, "isfinite", array)
    if finite == array.size:
        return None
    nans = _count(be, "isnan", array)
    return _Found(nans, array.size - finite - nans, array.size)


def _count(be: Backend[Any], test: str, array: Any) -> int:
    axes = tuple(range(array.ndim))
    return int(be.to_host(be.reduce("sum", be.elementwise(test, array), axes, False)))


def _is_finite(x: Any) -> bool:
    if isinstance(x, TensorBase):
        return _found(backend_of(x.device), x.array, x.device) is None
    return bool(abs(x) < float("inf"))


def _array(x: Any) -> Any:
    return x.array if isinstance(x, TensorBase) else x


def _user_line() -> str | None:
    """The innermost line that is not ours; None where a recorded backward pass makes the call."""
    frame = sys._getframe(2)
    while frame.f_back is not None:
        module = frame.f_globals.get("__name__", "")
        if module == "rumus.autograd._recorded":
            return None
        if not module.startswith("rumus."):
            break
        frame = frame.f_back
    return f"called at {frame.f_code.co_filename}, line {frame.f_lineno}"
