"""Tensors around the memory of other libraries."""

from __future__ import annotations

from typing import Any

import numpy as np

from rumus._core.devices import CPU, Device, DeviceLike
from rumus._core.dtypes import check_dtype
from rumus._core.errors import ArgumentError, DeviceError, DTypeError

from ._tensor import Tensor


def from_dlpack(x: Any, /, *, device: DeviceLike | None = None, copy: bool | None = None) -> Tensor:
    """A tensor of what another library holds on the CPU, which shares its memory.

    Changes of the one are seen in the other; where the other library shows its memory for reading
    only, changing the tensor in place is refused.

    Args:
        x: Anything with ``__dlpack__`` and ``__dlpack_device__``: an array of numpy, a tensor of
            PyTorch, ...
        device: Where the tensor is to be, by default where ``x`` is; another one gets a copy.
        copy: True for memory of its own, False to refuse what needs a copy.

    Raises:
        DeviceError: The memory is not on the CPU.
        DTypeError: The dtype is none of ours, or ``x`` has no ``__dlpack__``.
        ArgumentError: ``copy`` is False, and the device is not the CPU.

    Example:
        >>> import numpy as np
        >>> a = np.zeros(2, np.float32)
        >>> t = from_dlpack(a)
        >>> a[0] = 5
        >>> t.tolist()
        [5.0, 0.0]
    """
    own = x.device if isinstance(x, Tensor) else CPU
    target = own if device is None else Device(device)
    if isinstance(x, Tensor):
        if copy is False and x.device is not target:
            raise ArgumentError(f"from_dlpack: {target} needs a copy of a tensor on {x.device}")
        moved = x.detach().to(target)
        return moved.contiguous() if copy and x.device is target else moved
    if not hasattr(x, "__dlpack__"):
        raise DTypeError(f"from_dlpack takes what has __dlpack__, not a {type(x).__name__}")
    if x.__dlpack_device__()[0] != 1:
        raise DeviceError(
            f"from_dlpack: the memory is on device {x.__dlpack_device__()} of DLPack, not on the "
            "CPU; move it there first"
        )
    if copy is False and target is not CPU:
        raise ArgumentError(f"from_dlpack: {target} needs a copy of memory on the CPU")
    try:
        # numpy 2.1 shows for reading only what comes through DLPack, its own arrays too
        array = x.view() if isinstance(x, np.ndarray) else np.from_dlpack(x)
    except (BufferError, RuntimeError) as error:
        raise DTypeError(f"from_dlpack: {error}") from None
    check_dtype(array.dtype)
    if copy and target is CPU:
        array = array.copy()
    return Tensor.from_array(array).to(target)
