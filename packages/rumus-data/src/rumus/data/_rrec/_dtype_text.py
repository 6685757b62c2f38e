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
    """A dtype as ``dtype.str``, or a structured one as JSON of ``[name, text, shape]`` lists.

    Raises:
        DTypeError: The dtype has no fixed size, or cannot be told by its text.
    """
    text = (dtype.str if dtype.names is None else json.dumps(_fields(dtype))).encode()
    try:
        same = len(text) <= _LONGEST and dtype_of(text) == dtype
    except ValueError:
        same = False
    if not same:
        raise DTypeError(f"dtype {dtype} cannot be stored; take a plain or a packed structured one")
    return text


def dtype_of(text: bytes) -> np.dtype[Any]:
    """The dtype of a text.

    Raises:
        ValueError: The text is none that :func:`text_of` gives.
    """
    try:
        plain = text.decode()
        dtype = _parsed(json.loads(plain) if plain.startswith("[") else plain)
    except (ValueError, TypeError, OverflowError, RecursionError, KeyError) as error:
        raise ValueError(f"{text[:80]!r} is no dtype ({error})") from None
    if not dtype.itemsize:
        raise ValueError(f"{text[:80]!r} has no size")
    return dtype


def _fields(dtype: np.dtype[Any]) -> list[Any]:
    names = dtype.names or ()
    return [[name, *_one_field(dtype[name])] for name in names]


def _one_field(dtype: np.dtype[Any]) -> list[Any]:
    base, shape = dtype.base, list(dtype.shape)
    described = base.str if base.names is None else _fields(base)
    return [described, shape] if shape else [described]


def _parsed(described: Any) -> np.dtype[Any]:
    if isinstance(described, str):
        if not _PLAIN.fullmatch(described):
            raise ValueError("no plain dtype")
        return np.dtype(described)
    fields = []
    for name, inner, *shape in described:
        if len(shape) > 1 or not isinstance(name, str):
            raise ValueError("a field has a name, a dtype and perhaps a shape")
        fields.append((name, _parsed(inner), *(tuple(axes) for axes in shape)))
    return np.dtype(fields)
