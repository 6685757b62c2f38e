"""The tensor: construction, conversion, and what connects it to numpy and to the backward pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from rumus._backends.registry import backend_of
from rumus._core.base import TensorBase
from rumus._core.devices import CPU, Device, DeviceLike
from rumus._core.dtypes import check_dtype, named_dtype
from rumus._core.errors import DTypeError
from rumus._core.foreign import without
from rumus._core.host import as_host_array
from rumus._core.options import one_target
from rumus._core.versions import Version
from rumus.autograd._backward import backward
from rumus.autograd._hooks import HookHandle, register_hook
from rumus.autograd._leaf import NO_HOOKS, Leaf, ParamId
from rumus.autograd._store import GradientStore

from ._activations import Activations
from ._arithmetic import Arithmetic
from ._choosing import Choosing
from ._drawing import Drawing
from ._exchange import Exchange
from ._foreign import HINTS
from ._indexing import Indexing
from ._limiting import Limiting
from ._logic import Logic
from ._numbers import Numbers
from ._ops.movement import Cast, Move
from ._ordering import Ordering
from ._recording import Recorder, recorder
from ._reduction import Reduction
from ._rounding import Rounding
from ._shaping import Shaping
from ._statistics import Statistics
from ._transcendental import Transcendental


@without(HINTS)
class Tensor(
    Arithmetic["Tensor"],
    Transcendental["Tensor"],
    Activations["Tensor"],
    Rounding["Tensor"],
    Limiting["Tensor"],
    Logic["Tensor"],
    Numbers["Tensor"],
    Exchange["Tensor"],
    Reduction["Tensor"],
    Statistics["Tensor"],
    Shaping["Tensor"],
    Indexing["Tensor"],
    Ordering["Tensor"],
    Drawing["Tensor"],
    Choosing["Tensor"],
):
    """Numbers of one dtype in a grid, on one device.

    Args:
        data: An array-like: numbers, nested sequences, a numpy array or a tensor. Copied.
        dtype: float32, float16, int32, uint8 or bool. By default that of ``data``, where float64
            becomes float32 and int64 becomes int32.
        device: ``"cpu"``, ``"gpu"``, ``"gpu:N"``, ``"auto"`` or a :class:`Device`.

    Raises:
        DTypeError: The dtype is none of these, or ``data`` is ragged or holds no numbers.
        ArgumentError: An integer does not fit the dtype.
        DeviceError: The device is unknown, or cannot be used.

    Example:
        >>> Tensor([[1, 2], [3, 4]]) * 0.5
        Tensor([[0.5, 1. ],
                [1.5, 2. ]], dtype=float32)
    """

    __slots__ = ()
    __array_ufunc__ = None
    __hash__: ClassVar[Callable[[Any], int]] = object.__hash__

    def __init__(
        self,
        data: npt.ArrayLike | TensorBase,
        dtype: npt.DTypeLike | None = None,
        device: DeviceLike = CPU,
    ) -> None:
        self._device = Device(device)
        be = backend_of(self._device)
        if not isinstance(data, TensorBase):
            self._array = be.from_host(as_host_array(data, dtype))
        elif data.device is self._device and dtype in (None, data.dtype):
            self._array = be.copy(data.array)
        else:
            host = backend_of(data.device).to_host(data.array)
            self._array = be.from_host(as_host_array(host, dtype))
        self._node = None
        self._version = Version()

    @staticmethod
    def _wrap(
        array: Any, device: Device, node: Any = None, version: Version | None = None
    ) -> Tensor:
        tensor = object.__new__(Tensor)
        tensor._array = array
        tensor._device = device
        tensor._node = node
        tensor._version = Version() if version is None else version
        return tensor

    @staticmethod
    def from_array(array: Any) -> Tensor:
        """A tensor around a device array, which is not copied: do not write to it afterwards.

        Args:
            array: A ``numpy.ndarray`` or a :class:`rumus.gpu.GpuArray` of a supported dtype.

        Raises:
            DTypeError: The dtype is not supported.

        Example:
            >>> Tensor.from_array(np.ones(2, np.float32)).tolist()
            [1.0, 1.0]
        """
        check_dtype(array.dtype)
        on_cpu = isinstance(array, np.ndarray)
        return Tensor._wrap(array, CPU if on_cpu else Device(f"gpu:{array.device_index}"))

    def _packed_array(self) -> Any:
        return backend_of(self._device).copy(self.array)

    # To the host

    def numpy(self) -> npt.NDArray[Any]:
        """The numbers in a numpy array of their own: changing it does not change the tensor.

        Waits for the device. ``np.asarray(tensor, copy=False)`` gives a read-only view of a tensor
        on the CPU.

        Example:
            >>> tensor([1, 2]).numpy()
            array([1, 2], dtype=int32)
        """
        return backend_of(self._device).to_host(self.array)

    def tolist(self) -> Any:
        """The numbers as nested lists.

        Example:
            >>> tensor([[1, 2], [3, 4]]).tolist()
            [[1, 2], [3, 4]]
        """
        return self.numpy().tolist()

    def __array__(
        self, dtype: npt.DTypeLike | None = None, copy: bool | None = None
    ) -> npt.NDArray[Any]:
        if copy is False and self._device is CPU and dtype in (None, self.dtype):
            view: npt.NDArray[Any] = self.array.view()
            view.flags.writeable = False
            return view
        if copy is False:
            raise ValueError(f"a {self.dtype} tensor on {self._device} needs a copy")
        return self.numpy().astype(self.dtype if dtype is None else dtype, copy=False)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.numpy(), None, str(self._device))

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("a tensor without axes has no length")
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        shown = np.array2string(self.numpy(), separator=", ", prefix="Tensor(")
        shape = "" if self.size else f", shape={self.shape}"
        place = "" if self._device is CPU else f", device={str(self._device)!r}"
        return f"Tensor({shown}{shape}, dtype={self.dtype}{place})"

    # To another device or dtype

    @one_target("x")
    def to(self, target: DeviceLike | npt.DTypeLike) -> Tensor:
        """The tensor on another device, or in another dtype; itself if it is there already.

        Gradients flow back through both.

        Args:
            target: A device, its name (``"cpu"``, ``"gpu"``, ``"gpu:N"``, ``"auto"``), or a dtype.

        Raises:
            DeviceError: The device is unknown, or cannot be used.
            DTypeError: The dtype is not supported.

        Example:
            >>> tensor([1.5, 2.5]).to("int32").tolist()
            [1, 2]
        """
        target = device_or_dtype(target)
        if isinstance(target, Device):
            return self if target is self._device else Move(target)(self)
        return self if target == self.dtype else Cast(target)(self)

    def to_gpu(self) -> Tensor:
        """The tensor on the best GPU.

        Raises:
            GpuUnavailableError: There is none.
        """
        return self.to("gpu")

    def to_cpu(self) -> Tensor:
        """The tensor on the CPU.

        Example:
            >>> tensor([1, 2]).to_cpu().device
            Device('cpu')
        """
        return self.to(CPU)

    # To the backward pass

    def backward(
        self,
        grad: Tensor | None = None,
        retain_graph: bool = False,
        create_graph: bool = False,
    ) -> GradientStore[Tensor]:
        """The gradients of this tensor with respect to all parameters it depends on.

        Args:
            grad: Gradient of this tensor, of its shape; 1 by default for one element.
            retain_graph: Keep the graph for another backward pass through it.
            create_graph: Record the backward pass itself: the gradients have a graph, for second
                derivatives, and the graph of this tensor is kept.

        Raises:
            AutogradError: There is no graph, it was freed, something saved in it was changed in
                place, or the tensor has several elements and ``grad`` is missing; or, with
                ``create_graph``, an operation on the way has no second derivative.
            ShapeError: ``grad`` has another shape.
            DeviceError: ``grad`` is on another device.

        Example:
            >>> from rumus.autograd import leaf
            >>> x = leaf(tensor([1.0, 2.0]))
            >>> (x * x).sum().backward()[x].tolist()
            [2.0, 4.0]
        """
        return backward(self, grad, retain_graph, create_graph)

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> HookHandle:
        """Have a function see this tensor's gradient in every backward pass.

        It is called once a pass, when all that adds to the gradient has done so: before the
        operation that made the tensor goes backward; for parameters and leaves at the end. Several
        are called in the order in which they were registered, each with what the last one left.
        In a captured step it runs while the step is recorded, and what it computed is replayed.

        Args:
            hook: Takes the gradient, which it must not change in place, and gives back another one
                of the same shape, dtype and device to go on with, or None.

        Returns:
            A handle, whose ``remove()`` takes the hook away again.

        Raises:
            AutogradError: The tensor requires no gradient.

        Example:
            >>> from rumus.autograd import leaf
            >>> x = leaf(Tensor([1.0, 2.0]))
            >>> handle = x.register_hook(lambda grad: grad * 10.0)
            >>> (x * 3.0).sum().backward()[x]
            Tensor([30., 30.], dtype=float32)
        """
        return register_hook(self, hook)

    def _as_leaf(self) -> Tensor:
        return LeafTensor(self)

    @staticmethod
    def _recorder(device: Device) -> Recorder:
        return recorder(device, Tensor._wrap)


class LeafTensor(Tensor, Leaf[Tensor]):
    """A leaf that is no parameter; see :func:`rumus.autograd.leaf`."""

    __hash__: ClassVar[Callable[[Any], int]] = object.__hash__
    __slots__ = ("_id",)

    def __init__(self, x: Tensor) -> None:
        self._array, self._device, self._node, self._version = x.array, x._device, None, x._version
        self._id = ParamId()
        self.slot = self.arena = None
        self.hooks = NO_HOOKS

    @property
    def id(self) -> ParamId:
        """The key of its gradient; unique in the process."""
        return self._id

    @property
    def label(self) -> str:
        """What error messages call it."""
        return f"leaf of shape {self.shape}"

    def _edge(self) -> LeafTensor:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return LeafTensor, (self.detach(),)


def device_or_dtype(target: DeviceLike | npt.DTypeLike) -> Device | np.dtype[Any]:
    """What the argument of ``to`` names.

    Raises:
        DeviceError: Neither a device nor a dtype has this name.
        DTypeError: The dtype is not supported.
    """
    if isinstance(target, Device):
        return target
    dtype = named_dtype(target)
    if dtype is not None:
        return check_dtype(dtype)
    if not isinstance(target, str):
        raise DTypeError(
            "to takes a device or a dtype, or the name of one, such as 'gpu' and 'float16', not "
            f"{target!r}"
        )
    return Device(target)
