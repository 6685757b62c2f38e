"""Weights on disk, in the safetensors format."""

from __future__ import annotations

import os
from collections.abc import Mapping

from rumus.tensor._device import CPU, Device
from rumus.tensor._errors import StateDictError
from rumus.tensor._tensor import Tensor

from ._module import Module


def save_file(weights: Module | Mapping[str, Tensor], path: str | os.PathLike[str]) -> None:
    """Write weights; the file at ``path`` is replaced whole, or not at all.

    Args:
        weights: A module, or tensors by name.
        path: The file, usually ``….safetensors``.
    """
    from safetensors.numpy import save

    state = weights.state_dict() if isinstance(weights, Module) else weights
    data = save({name: tensor.numpy() for name, tensor in state.items()})
    target = os.fspath(path)
    folder, name = os.path.split(target)
    temporary = os.path.join(folder, f".{name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        if os.path.exists(temporary):
            os.remove(temporary)
        raise


def load_file(path: str | os.PathLike[str], device: Device | str = CPU) -> dict[str, Tensor]:
    """Read weights by name, for :meth:`Module.load_state_dict`.

    Args:
        path: A file in the safetensors format.
        device: Where the tensors go.

    Raises:
        FileNotFoundError: There is no such file.
        StateDictError: The file is not in the format, is cut short, or holds other dtypes.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file as load_arrays

    device = Device(device)
    try:
        arrays = load_arrays(path)
    except SafetensorError as error:
        raise StateDictError(f"{os.fspath(path)} is no safetensors file: {error}") from None
    return {name: Tensor(array, device=device) for name, array in arrays.items()}
