"""Making arrays on a GPU, and moving them to and from the host."""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from rumus._core.errors import ArgumentError, DTypeError
from rumus._core.shapes import shape_of
from rumus.gpu import _capture
from rumus.gpu._array import GpuArray, Guard, Shape, contiguous_strides
from rumus.gpu._capture import HostCallback
from rumus.gpu._device import GpuDevice, get_device
from rumus.gpu._recording import fitting

_DTYPES = frozenset(map(np.dtype, ("f4", "f2", "i4", "u4", "u1", "?")))


def empty(shape: Shape, dtype: npt.DTypeLike = np.float32, device_index: int = 0) -> GpuArray:
    """An array with whatever contents its buffer holds.

    Args:
        shape: one length an axis.
        dtype: float32 (default), float16, int32, uint32, uint8 or bool.
        device_index: N of the device ``"gpu:N"``.

    Raises:
        ShapeError, ArgumentError: if ``shape`` is none.
        DTypeError: if no kernel reads the dtype.
        GpuUnavailableError: if there is no such device.
        GpuLimitError: if it is larger than the adapter lets a kernel bind.
        GpuOutOfMemoryError: if the GPU has no room.

    Example:
        >>> empty((2, 3)).shape
        (2, 3)
    """
    try:
        lengths, kind, nbytes = _laid_out(shape, dtype)  # type: ignore[arg-type]
    except TypeError:  # a list cannot be a key
        lengths, kind, nbytes = _laid_out(shape_of("a new array", shape), _element_type(dtype))
    storage = get_device(device_index).allocate(nbytes)
    return GpuArray(storage, lengths, contiguous_strides(lengths), 0, kind)


def from_host(
    array: npt.NDArray[Any], device_index: int = 0, out: GpuArray | None = None
) -> GpuArray:
    """Copy a numpy array to the GPU; the copy is ordered after everything recorded so far.

    Args:
        array: the values.
        device_index: N of the device ``"gpu:N"``.
        out: a contiguous array of their shape and dtype to be overwritten and returned, whose bytes
            begin and end at multiples of 4 (default: a new array on that device).

    Raises:
        DTypeError: if no kernel reads its dtype.
        ArgumentError: if ``out`` does not fit.
        CaptureError: inside a capture, where the values would be frozen.

    Example:
        >>> from_host(np.ones((2, 3), np.float32)).shape
        (2, 3)
    """
    data = np.asarray(array, order="C")
    _element_type(data.dtype)
    if out is not None:
        _check_target(out, data)
        out.storage.device.overwrite(out, data)
        return out
    storage = get_device(device_index).upload(data)
    return GpuArray(storage, data.shape, contiguous_strides(data.shape), 0, data.dtype)


def to_host(array: GpuArray, out: npt.NDArray[Any] | None = None) -> npt.NDArray[Any]:
    """Copy a contiguous array to the host, waiting for everything recorded so far.

    Args:
        array: the array.
        out: a contiguous array of its shape and dtype to be filled and returned; memory that was
            written before takes a copy faster than new memory (default: a new array).

    Raises:
        ArgumentError: if it is not contiguous, or no GpuArray, or ``out`` does not fit.
        GpuError: whatever went wrong on the device until now.
        CaptureError: inside a capture, where nothing has been computed yet.

    Example:
        >>> to_host(from_host(np.arange(3, dtype=np.int32))).tolist()
        [0, 1, 2]
    """
    if not isinstance(array, GpuArray) or not array.is_contiguous:
        raise ArgumentError(
            f"to_host takes a contiguous GpuArray, not {array!r}: read a tensor with .numpy()"
        )
    if out is not None and (
        (out.shape, out.dtype) != (array.shape, array.dtype) or not out.flags.c_contiguous
    ):
        raise ArgumentError(
            f"out is a contiguous array of shape {array.shape} and {array.dtype}, not of "
            f"{out.shape} and {out.dtype}"
        )
    device: GpuDevice = array.storage.device
    return device.read(array, out)


def _check_target(out: GpuArray, data: npt.NDArray[Any]) -> None:
    if (out.shape, out.dtype) != (data.shape, data.dtype) or not out.is_contiguous:
        raise ArgumentError(
            f"out is a contiguous array of shape {data.shape} and {data.dtype}, not {out!r}"
        )
    start = out.offset * out.dtype.itemsize
    if start % 4 or data.nbytes % 4:
        raise ArgumentError(
            f"the bytes of out begin and end at multiples of 4, not at {start} and "
            f"{start + data.nbytes}"
        )


@lru_cache(maxsize=4096)
def _laid_out(shape: Shape, dtype: npt.DTypeLike) -> tuple[Shape, np.dtype[Any], int]:
    """Shape and element type, checked, and the bytes that they need."""
    lengths, kind = shape_of("a new array", shape), _element_type(dtype)
    return lengths, kind, prod(lengths) * kind.itemsize


def _element_type(dtype: npt.DTypeLike) -> np.dtype[Any]:
    try:
        kind = np.dtype(dtype)
    except TypeError:
        kind = None
    if kind not in _DTYPES:
        names = ", ".join(sorted(map(str, _DTYPES)))
        raise DTypeError(f"an array on a GPU has one of the dtypes {names}, not {dtype!r}")
    return kind


def persist(array: GpuArray) -> GpuArray:
    """Let captured steps use an array that was made outside of them, for as long as they live.

    Parameters, module buffers and optimizer state are such arrays: one storage, updated in place.

    Example:
        >>> moments = persist(zeros((4,)))
        >>> moments.shape
        (4,)
    """
    array.storage.persistent = True
    return array


def guard(array: GpuArray, guard: Guard | None) -> None:
    """Have somebody asked before anything uses the storage of an array, in captured steps too.

    For values that come from elsewhere while the GPU computes what does not need them yet. Who was
    asked until now brings what is still on its way.

    Args:
        array: any array of the storage.
        guard: brings what is on its way; None for nobody.

    Example:
        >>> class Nothing:
        ...     is_waiting = True
        ...     def parts(self, start, stop):
        ...         print(f"bytes {start} to {stop} are used")
        ...         return ()
        ...     def bring(self, parts=None):
        ...         pass
        >>> values = from_host(np.ones(8, np.float32))
        >>> guard(values, Nothing())
        >>> to_host(values).sum()
        bytes 0 to 32 are used
        np.float32(8.0)
    """
    before = array.storage.guard
    if before is not None and before is not guard and before.is_waiting:
        before.bring()
    array.storage.guard = guard


def host_value(
    callback: HostCallback,
    shape: Shape,
    dtype: npt.DTypeLike = np.float32,
    device_index: int = 0,
) -> GpuArray:
    """A small array that the host computes: a learning rate, a step counter, a random seed.

    Outside a capture the callback runs now. Inside one it runs before every replay, and not while
    the step is recorded, so what has to advance from step to step, such as a counter, is advanced
    by the callback.

    Args:
        callback: returns a numpy array of this shape and dtype.
        shape: of the array.
        dtype: of the array (default float32).
        device_index: N of the device ``"gpu:N"``.

    Raises:
        CaptureError: the callback returned something else.

    Example:
        >>> rate = host_value(lambda: np.float32(0.5), ())
        >>> to_host(rate).item()
        0.5
    """
    recording = _capture.current()
    if recording is not None:
        return recording.host_value(callback, shape, np.dtype(dtype))
    return from_host(fitting(callback(), shape, np.dtype(dtype)), device_index)
