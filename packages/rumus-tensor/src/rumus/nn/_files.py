"""Weights on disk, in the safetensors format."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from rumus._core.described import type_name
from rumus._core.devices import CPU, Device, DeviceLike
from rumus._core.errors import StateDictError
from rumus.tensor._tensor import Tensor

from ._module import Module
from ._whole_file import replaced_whole

# The format's names of dtypes, and numpy's; bfloat16 is the upper half of a float32, the floats of
# one byte are the upper half of a float16, or in a table.
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
    "F8_E5M2": "u1",
    "F8_E4M3": "u1",
}
_INDEX = ".index.json"
_CONVERT = (
    "convert it where PyTorch is installed: import torch; from safetensors.torch import save_file; "
    "state = torch.load('model.pt', weights_only=True); save_file({name: value.clone() for name, "
    "value in state.items()}, 'model.safetensors')"
)


def save_file(
    weights: Module | Mapping[str, Tensor],
    path: str | os.PathLike[str],
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write weights; the file at ``path`` is replaced whole, or not at all.

    Until it is complete it has another name, ``.NAME.….tmp`` in the same folder. If the process is
    killed that file stays, and the next save to the same path removes it.

    Args:
        weights: A module, or tensors by name.
        path: The file, usually ``….safetensors``.
        metadata: Texts by name, which the file holds beside the weights.

    Raises:
        StateDictError: A value is no tensor, or a name is no text or the format's own
            ``__metadata__``; or the metadata is something else than texts.

    Example:
        >>> from rumus.tensor import ones
        >>> model = Linear(2, 1)
        >>> save_file(model, "model.safetensors")
        >>> sorted(load_file("model.safetensors"))
        ['bias', 'weight']
    """
    state = weights.state_dict() if isinstance(weights, Module) else weights
    if not isinstance(state, Mapping):
        raise StateDictError(
            f"save_file takes a module, or tensors by name, not a {type(weights).__name__}"
        )
    _check(state)
    texts = dict(metadata or {})
    if not all(map(_is_text, (*texts, *texts.values()))):
        raise StateDictError("metadata is texts by name, in what the format has: UTF-8")
    with replaced_whole(path) as file:
        _write(file, state, texts)


def _check(state: Mapping[str, Tensor]) -> None:
    for name, value in state.items():
        if not isinstance(value, Tensor):
            raise StateDictError(f"{name!r} is a {type_name(value)} and no tensor")
        if name == "__metadata__":
            raise StateDictError("'__metadata__' is no name for a tensor: the format reserves it")
        if not _is_text(name):
            raise StateDictError(f"{name!r} is no name for a tensor: the format has text in UTF-8")


def _is_text(name: object) -> bool:
    return isinstance(name, str) and not any("\ud800" <= letter <= "\udfff" for letter in name)


def _write(file: BinaryIO, state: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """The format: length of the header, header, then one tensor after the other.

    Tensors of wide dtypes come first, so that each is aligned; one at a time is on the host.
    """
    import json

    names = sorted(state, key=lambda name: (-state[name].dtype.itemsize, name))
    header: dict[str, Any] = {"__metadata__": metadata} if metadata else {}
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


def load_file(path: str | os.PathLike[str], device: DeviceLike = CPU) -> dict[str, Tensor]:
    """Read weights by name, for :meth:`Module.load_state_dict`.

    float64, bfloat16 and floats of one byte become float32, other integers than uint8 become int32.

    Args:
        path: A file in the safetensors format, or the index of several that are parts of one model,
            ``….safetensors.index.json`` beside them.
        device: Where the tensors go.

    Raises:
        FileNotFoundError: There is no such file.
        OSError: The system cannot open it, for want of descriptors for example.
        StateDictError: The file is not in the format, is cut short, or holds other dtypes or shapes
            than arrays can have; or the index names what is not there. For one that PyTorch
            pickled (``.pt``, ``.pth``, ``.bin``) the message says how to convert it.
        ArgumentError: An integer does not fit int32.

    Example:
        >>> from rumus.tensor import ones
        >>> save_file({"bias": ones(2)}, "bias.safetensors")
        >>> load_file("bias.safetensors")["bias"].tolist()
        [1.0, 1.0]
    """
    device = Device(device)
    if os.fspath(path).endswith(_INDEX) and os.path.isfile(path):
        return _load_parts(path, device)
    return _load_one(path, device)


def read_metadata(path: str | os.PathLike[str]) -> dict[str, str]:
    """The texts by name that a file holds beside its weights.

    Raises:
        FileNotFoundError: There is no such file.
        StateDictError: The file is not in the format.
    """
    from safetensors import safe_open

    _header(path)  # which says what the file is instead
    with safe_open(os.fspath(path), "np") as file:
        return dict(file.metadata() or {})


def _load_parts(path: str | os.PathLike[str], device: Device) -> dict[str, Tensor]:
    """The weights of an index, each from the file beside it that the index names."""
    import json

    try:
        with open(path, encoding="utf-8") as file:
            places = json.load(file)["weight_map"]
        files = {name: os.path.basename(str(place)) for name, place in places.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StateDictError(
            f"{os.fspath(path)} is no index of weights, which names their files under "
            f"'weight_map': {type(error).__name__} {error}"
        ) from None
    folder = os.path.dirname(os.path.abspath(path))
    state: dict[str, Tensor] = {}
    for part in dict.fromkeys(files.values()):
        inside = _load_one(os.path.join(folder, part), device)
        wanted = [name for name, place in files.items() if place == part]
        missing = [name for name in wanted if name not in inside]
        if missing:
            raise StateDictError(f"{os.fspath(path)}: {part} does not hold {', '.join(missing)}")
        state.update((name, inside[name]) for name in wanted)
    return state


def _load_one(path: str | os.PathLike[str], device: Device) -> dict[str, Tensor]:
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
    if dtype == "F8_E5M2":
        return (array.astype(np.uint16) << np.uint16(8)).view(np.float16).astype(np.float32)
    if dtype == "F8_E4M3":
        return np.asarray(_e4m3()[array])
    if dtype == "BOOL" and array.size and (wrong := array.view(np.uint8).max()) > 1:
        raise ValueError(f"a byte of it is {wrong}, and a bool is 0 or 1")
    return array


def _e4m3() -> npt.NDArray[np.float32]:
    """The 256 floats with 4 bits of exponent and 3 of mantissa (Micikevicius et al., 2022)."""
    byte = np.arange(256)
    exponent, mantissa = byte >> 3 & 15, byte & 7
    size = np.where(exponent == 0, mantissa * 2.0**-9, (8 + mantissa) * 2.0 ** (exponent - 10.0))
    size[(byte & 127) == 127] = np.nan
    return np.where(byte < 128, size, -size).astype(np.float32)


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
        raise StateDictError(
            f"{os.fspath(path)} is no safetensors file: {_what_it_is(path) or error}"
        ) from None
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
    return {name: header[name] for name in names}, 8 + length


def _what_it_is(path: str | os.PathLike[str]) -> str | None:
    """What is said of a file of another known format, and of one that is cut short."""
    if str(path).endswith(".npz"):
        return (
            "it is numpy's; load_state_dict takes {name: tensor(array) for name, array in "
            "np.load(path).items()}"
        )
    with open(path, "rb") as file:
        start = file.read(8)
    if start.startswith(b"PK\x03\x04") or (start[:1] == b"\x80" and start[1:2] <= b"\x05"):
        return f"it is a pickled checkpoint, which could run any program; {_CONVERT}"
    if start.startswith(b"\x89HDF"):
        return "it is an HDF5 file; read it with h5py, and save its arrays with save_file"
    if start == b"version ":
        return "it is a pointer of Git LFS to the weights; `git lfs pull` brings them"
    return _what_is_missing(path)


def _what_is_missing(path: str | os.PathLike[str]) -> str | None:
    """What is said of a file that is shorter than its beginning says."""
    import json

    size = os.path.getsize(path)
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        text = file.read(length) if length < size else file.read(1)
    if not size:
        return "it is empty"
    if text[:1] != b"{" or len(text) < length:
        return f"it is cut short, at {size:,} bytes" if text[:1] == b"{" else None
    try:
        entries = [entry for name, entry in json.loads(text).items() if name != "__metadata__"]
        end = 8 + length + max(entry["data_offsets"][1] for entry in entries)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return f"it is cut short: {size:,} of {end:,} bytes" if end > size else None
