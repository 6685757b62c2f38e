"""Weights on disk, in the safetensors format."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from rumus._core.devices import CPU, Device
from rumus._core.errors import StateDictError
from rumus.tensor._tensor import Tensor

from ._module import Module
from ._whole_file import replaced_whole

# The format's names of dtypes, and numpy's; bfloat16 is the upper half of a float32.
_CODES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "<i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "<u1",
    "BOOL": "?",
    "BF16": "<u2",
}


def save_file(weights: Module | Mapping[str, Tensor], path: str | os.PathLike[str]) -> None:
    """Write weights; the file at ``path`` is replaced whole, or not at all.

    Until it is complete it has another name, ``.NAME.….tmp`` in the same folder. If the process is
    killed that file stays, and the next save to the same path removes it.

    Args:
        weights: A module, or tensors by name.
        path: The file, usually ``….safetensors``.

    Raises:
        StateDictError: A value is no tensor, or a name is no text or the format's own
            ``__metadata__``.
    """
    state = weights.state_dict() if isinstance(weights, Module) else weights
    _check(state)
    with replaced_whole(path) as file:
        _write(file, state)


def _check(state: Mapping[str, Tensor]) -> None:
    for name, value in state.items():
        if not isinstance(value, Tensor):
            raise StateDictError(f"{name!r} is a {type(value).__name__} and no tensor")
        if name == "__metadata__":
            raise StateDictError("'__metadata__' is no name for a tensor: the format reserves it")
        if not _is_text(name):
            raise StateDictError(f"{name!r} is no name for a tensor: the format has text in UTF-8")


def _is_text(name: object) -> bool:
    return isinstance(name, str) and not any("\ud800" <= letter <= "\udfff" for letter in name)


def _write(file: BinaryIO, state: Mapping[str, Tensor]) -> None:
    """The format: length of the header, header, then one tensor after the other.

    Tensors of wide dtypes come first, so that each is aligned; one at a time is on the host.
    """
    import json

    names = sorted(state, key=lambda name: (-state[name].dtype.itemsize, name))
    header: dict[str, Any] = {}
    end = 0
    for name in names:
        tensor = state[name]
        begin, end = end, end + tensor.size * tensor.dtype.itemsize
        code = next(code for code, dtype in _CODES.items() if np.dtype(dtype) == tensor.dtype)
        header[name] = {"dtype": code, "shape": tensor.shape, "data_offsets": (begin, end)}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    file.write(len(text).to_bytes(8, "little") + text)
    for name in names:
        file.write(state[name].numpy().tobytes())


def load_file(path: str | os.PathLike[str], device: Device | str = CPU) -> dict[str, Tensor]:
    """Read weights by name, for :meth:`Module.load_state_dict`.

    float64 and bfloat16 become float32, other integers than uint8 become int32.

    Args:
        path: A file in the safetensors format.
        device: Where the tensors go.

    Raises:
        FileNotFoundError: There is no such file.
        OSError: The system cannot open it, for want of descriptors for example.
        StateDictError: The file is not in the format, is cut short, or holds other dtypes or shapes
            than arrays can have.
        ArgumentError: An integer does not fit int32.
    """
    device = Device(device)
    header, start = _header(path)
    state = {}
    with open(path, "rb") as file:
        for name, entry in header.items():
            if entry["dtype"] not in _CODES:
                raise StateDictError(
                    f"{os.fspath(path)}: {name!r} has dtype {entry['dtype']}, which no tensor has"
                )
            begin, end = entry["data_offsets"]
            file.seek(start + begin)
            try:
                data = _array(file.read(end - begin), entry["dtype"], entry["shape"])
            except (ValueError, OverflowError) as error:
                raise StateDictError(f"{os.fspath(path)}: {name!r} is no array: {error}") from None
            state[name] = Tensor(data, device=device)
    return state


def _array(data: bytes, dtype: str, shape: list[int]) -> npt.NDArray[Any]:
    """The bytes of an entry as an array.

    Raises:
        ValueError: They are no such array, or numpy has none of the shape.
    """
    array: npt.NDArray[Any] = np.frombuffer(data, _CODES[dtype]).reshape(shape)
    if dtype == "BF16":
        return (array.astype(np.uint32) << np.uint32(16)).view(np.float32)
    if dtype == "BOOL" and array.size and (wrong := array.view(np.uint8).max()) > 1:
        raise ValueError(f"a byte of it is {wrong}, and a bool is 0 or 1")
    return array


def _header(path: str | os.PathLike[str]) -> tuple[dict[str, dict[str, Any]], int]:
    """The entries of a file that was found valid, by name, and the position of the first byte."""
    import json

    from safetensors import SafetensorError, safe_open

    if os.path.exists(path) and not os.path.isfile(path):  # a FIFO would never answer
        raise StateDictError(f"{os.fspath(path)} is a folder, or another thing that is no file")
    try:
        with safe_open(os.fspath(path), "np") as checked:
            names = list(checked.keys())
    except FileNotFoundError:  # said of every refusal to open; the system says which
        with open(path, "rb"):
            raise
    except SafetensorError as error:
        raise StateDictError(f"{os.fspath(path)} is no safetensors file: {error}") from None
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
    return {name: header[name] for name in names}, 8 + length
