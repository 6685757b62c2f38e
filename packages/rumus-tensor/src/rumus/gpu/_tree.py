"""Tensors inside tuples, lists and dicts: taken out, and put back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from rumus.gpu._errors import CaptureError
from rumus.tensor import Tensor

_LEAF = object()
_FLOATS = (float, np.float32, np.float16)


def flatten(tree: Any) -> tuple[list[Any], Any]:
    """The arrays of the tensors in a tree, in order, and the hashable rest of it."""
    arrays: list[Any] = []
    return arrays, _flatten(tree, arrays)


def unflatten(structure: Any, arrays: list[Any]) -> Any:
    """The tree again, with new tensors on other arrays."""
    return _unflatten(structure, iter(arrays))


def _flatten(tree: Any, arrays: list[Any]) -> Any:
    if isinstance(tree, Tensor):
        arrays.append(tree.array)
        return _LEAF
    if isinstance(tree, dict):
        return (dict, tuple((key, _flatten(value, arrays)) for key, value in tree.items()))
    if isinstance(tree, tuple | list):
        return (type(tree), tuple(_flatten(value, arrays) for value in tree))
    if isinstance(tree, _FLOATS):
        # 0.0 and -0.0 are equal, and NaN is not equal to itself.
        return (type(tree), float(tree).hex())
    try:
        hash(tree)
    except TypeError:
        raise CaptureError(
            f"a captured step takes and returns tensors, tuples, lists, dicts and hashable values, "
            f"and was given a {type(tree).__name__}"
        ) from None
    return (type(tree), tree)


def _unflatten(structure: Any, arrays: Iterator[Any]) -> Any:
    if structure is _LEAF:
        return Tensor.from_array(next(arrays))
    kind, content = structure
    if kind is dict:
        return {key: _unflatten(value, arrays) for key, value in content}
    if issubclass(kind, tuple | list):
        values = [_unflatten(value, arrays) for value in content]
        return kind(*values) if hasattr(kind, "_fields") else kind(values)
    return kind(float.fromhex(content)) if issubclass(kind, _FLOATS) else content
