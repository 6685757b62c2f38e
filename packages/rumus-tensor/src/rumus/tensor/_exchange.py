"""Between tensors and other libraries: DLPack, and the array API's namespace."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from rumus._backends.registry import backend_of
from rumus._core.base import TensorBase, TensorT
from rumus._core.devices import CPU
from rumus._core.errors import ArgumentError

_CPU, _VULKAN = 1, 7  # of DLDeviceType
_VERSIONS = ("2021.12", "2022.12", "2023.12", "2024.12")


class Exchange(TensorBase[TensorT]):
    """The protocols by which other libraries take a tensor."""

    __slots__ = ()

    def __dlpack_device__(self) -> tuple[int, int]:
        return (_CPU, 0) if self._device is CPU else (_VULKAN, self._device.index)

    def __dlpack__(
        self,
        *,
        stream: None = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        """A capsule around the memory, which is read-only; or around a copy.

        Args:
            stream: None, as on the CPU nothing has to be waited for.
            max_version: The newest version that the consumer knows. Before 1.0 there is no
                read-only memory, and the consumer gets a copy unless it refuses one.
            dl_device: ``(1, 0)`` for the CPU, which a tensor on a GPU is copied to.
            copy: True for memory of its own, False to refuse what needs a copy.

        Raises:
            BufferError: The tensor is on a GPU, or ``copy`` is False and it must be copied.
        """
        there = self.__dlpack_device__() if dl_device is None else dl_device
        if there != (_CPU, 0) or stream is not None:
            raise BufferError(
                f"a tensor on {self._device} has no memory that DLPack can show; "
                "take it to the CPU first, with .to('cpu')"
            )
        knows_read_only = max_version is not None and max_version >= (1, 0)
        if self._device is not CPU and copy is False:
            raise BufferError(f"a tensor on {self._device} cannot be shared without a copy")
        if self._device is CPU and not copy and (knows_read_only or copy is False):
            view = self.array.view()
            view.flags.writeable = view.flags.writeable and not knows_read_only
            return view.__dlpack__(max_version=max_version)
        copied = backend_of(self._device).to_host(self.array)
        return copied.__dlpack__(max_version=max_version)

    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        """The module :mod:`rumus.tensor.array_api`.

        Raises:
            ArgumentError: The array API has no such version, or a newer one.
        """
        if api_version is not None and api_version not in _VERSIONS:
            raise ArgumentError(
                f"the array API of {api_version!r} is not known; there are {', '.join(_VERSIONS)}"
            )
        return import_module("rumus.tensor.array_api")

    def to_device(self, device: Any, /, *, stream: None = None) -> TensorT:
        """The tensor on another device, under the array API's name; as ``to(device)``.

        Example:
            >>> tensor([1, 2]).to_device("cpu").tolist()
            [1, 2]
        """
        if stream is not None:
            raise ArgumentError(f"to_device: streams are not taken, as {stream!r}")
        tensor: Any = self
        moved: TensorT = tensor.to(device)
        return moved
