"""What every tensor is made of: an array, its device, its version and its place in the graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic

import numpy as np

from .devices import Device
from .versions import Version

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    TensorT = TypeVar("TensorT", bound="TensorBase", default=Any)
else:  # defaults of type variables are for type checkers, and in typing from Python 3.13 on
    from typing import TypeVar

    TensorT = TypeVar("TensorT", bound="TensorBase")


class TensorBase(Generic[TensorT]):
    """The fields of a tensor, without its operations.

    ``TensorT`` is the class of the tensors that come out of it: operations are written for the
    base, and give what a user works with.
    """

    __slots__ = ("__weakref__", "_array", "_device", "_node", "_version")
    _array: Any
    _device: Device
    _node: Any
    """The node of the graph that made it, or None."""
    _version: Version

    @property
    def array(self) -> Any:
        """The device's own array: a ``numpy.ndarray`` or a :class:`rumus.gpu.GpuArray`.

        Raises:
            BorrowError: An optimizer step holds the parameter.

        Example:
            >>> tensor([1, 2]).array
            array([1, 2], dtype=int32)
        """
        version = self._version
        if version.borrower is not None:
            version.check_free()
        while version.moved is not None:
            elsewhere, version = version.moved
            self._array, self._version = elsewhere(self._array), version
        return self._array

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of each axis.

        Example:
            >>> zeros(2, 3).shape
            (2, 3)
        """
        shape: tuple[int, ...] = self._array.shape
        return shape

    @property
    def ndim(self) -> int:
        """The number of axes.

        Example:
            >>> zeros(2, 3).ndim
            2
        """
        return len(self._array.shape)

    @property
    def size(self) -> int:
        """The number of elements.

        Example:
            >>> zeros(2, 3).size
            6
        """
        return int(self._array.size)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The element type.

        Example:
            >>> zeros(2, 3).dtype
            dtype('float32')
        """
        dtype: np.dtype[Any] = self._array.dtype
        return dtype

    @property
    def device(self) -> Device:
        """Where the elements are.

        Example:
            >>> zeros(2, 3).device
            Device('cpu')
        """
        return self._device

    @property
    def requires_grad(self) -> bool:
        """Whether a gradient can flow back through this tensor.

        Example:
            >>> from rumus.autograd import leaf
            >>> (leaf(tensor([1.0])) * 2.0).requires_grad
            True
        """
        return self._edge() is not None

    def _edge(self) -> Any:
        """Where the gradient of this tensor goes: a node of the graph, a leaf, or None."""
        return self._node

    def detach(self) -> TensorT:
        """The same memory without the graph.

        Example:
            >>> from rumus.autograd import leaf
            >>> (leaf(tensor([1.0])) * 2.0).detach().requires_grad
            False
        """
        return self._wrap(self.array, self._device, None, self._version)

    @staticmethod
    def _wrap(
        array: Any, device: Device, node: Any = None, version: Version | None = None
    ) -> TensorT:
        """A tensor around an array; with a version, a view of the memory it counts."""
        raise NotImplementedError

    def _as_leaf(self) -> TensorT:
        """A leaf of the graph that shares the memory."""
        raise NotImplementedError

    @staticmethod
    def _recorder(device: Device) -> Any:
        """The primitives of a device, of tensors: what they do is recorded in the graph."""
        raise NotImplementedError

    def _packed_array(self) -> Any:
        """A copy of the array in row-major order without gaps."""
        raise NotImplementedError
