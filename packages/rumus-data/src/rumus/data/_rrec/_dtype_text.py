"""Numpy dtypes as text, and back without trusting the text."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np

from rumus.tensor import DTypeError

_PLAIN = re.compile(r"[<>|][biufcSUVmM]\d{1,9}(\[\d{0,9}[A-Za-z]{1,2}\])?")
_LONGEST = 65535  # bytes; the text's length is stored in 16 bits


def text_of(dtype: np.dtype[Any]) -> bytes:
    """A dtype as ``dtype.str``, or a structured one as JSON of what :class:`numpy.dtype` takes.

    Raises:
        DTypeError: The dtype has no fixed size, or cannot be told by its text.
    """
    try:
        described = _described(dtype)
        text = (described if isinstance(described, str) else json.dumps(described)).encode()
        same = len(text) <= _LONGEST and dtype_of(text) == dtype
    except (ValueError, TypeError):
        same = False
    if not same:
        raise DTypeError(f"dtype {dtype} cannot be stored in a record file")
    return text


def dtype_of(text: bytes) -> np.dtype[Any]:
    """The dtype of a text.

    Raises:
        ValueError: The text is none that :func:`text_of` gives.
    """
    try:
        plain = text.decode()
        dtype = _parsed(json.loads(plain) if plain.startswith("{") else plain)
    except (ValueError, TypeError, OverflowError, RecursionError, KeyError) as error:
        raise ValueError(f"{text[:80]!r} is no dtype ({error})") from None
    if not dtype.itemsize:
        raise ValueError(f"{text[:80]!r} has no size")
    return dtype


def _described(dtype: np.dtype[Any]) -> Any:
    if dtype.shape:
        return [_described(dtype.base), list(dtype.shape)]
    if dtype.names is None:
        return dtype.str
    by_name: Any = dtype.fields
    fields = [by_name[name] for name in dtype.names]
    return {
        "names": list(dtype.names),
        "formats": [_described(field[0]) for field in fields],
        "offsets": [field[1] for field in fields],
        "titles": [field[2] if len(field) > 2 else None for field in fields],
        "itemsize": dtype.itemsize,
    }


def _parsed(described: Any) -> np.dtype[Any]:
    if isinstance(described, str):
        if not _PLAIN.fullmatch(described):
            raise ValueError("no plain dtype")
        return np.dtype(described)
    if isinstance(described, list):
        base, shape = described
        return np.dtype((_parsed(base), tuple(shape)))
    fields: Any = {**described, "formats": [_parsed(inner) for inner in described["formats"]]}
    dtype: np.dtype[Any] = np.dtype(fields)
    return dtype
