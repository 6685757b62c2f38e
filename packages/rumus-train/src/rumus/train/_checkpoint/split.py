"""A state as arrays by path and what JSON can hold, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from rumus.tensor import Tensor

from .._errors import CheckpointError

Array = npt.NDArray[Any]
_MARK = "$array"


def split_state(state: Mapping[str, Any]) -> tuple[dict[str, Array | Tensor], dict[str, Any]]:
    """Take the arrays out of a state.

    Args:
        state: Dicts with strings for keys, lists, tuples, arrays, tensors, numbers, strings and
            None, as every ``state_dict`` here is.

    Returns:
        The arrays by path, whose parts are joined by ``/`` (``~1`` within a part, ``~`` is
        ``~0``), and the rest, in which an array's place holds ``{"$array": path}``.

    Raises:
        CheckpointError: It holds something else.

    Example:
        >>> arrays, rest = split_state({"step": 3, "mean": {"w": np.zeros(2)}})
        >>> list(arrays), rest
        (['mean/w'], {'step': 3, 'mean': {'w': {'$array': 'mean/w'}}})
    """
    arrays: dict[str, Array | Tensor] = {}
    return arrays, _split(state, "", arrays)


def join_state(arrays: Mapping[str, Any], rest: Any) -> Any:
    """The state of what :func:`split_state` gave; tuples are lists."""
    if isinstance(rest, dict):
        if set(rest) == {_MARK}:
            return arrays[rest[_MARK]]
        return {key: join_state(arrays, value) for key, value in rest.items()}
    if isinstance(rest, list):
        return [join_state(arrays, value) for value in rest]
    return rest


def _split(value: Any, path: str, arrays: dict[str, Array | Tensor]) -> Any:
    if isinstance(value, (Tensor, np.ndarray)):
        arrays[path] = value
        return {_MARK: path}
    if isinstance(value, Mapping):
        if _MARK in value or not all(isinstance(key, str) for key in value):
            raise CheckpointError(f"the keys of a state are strings: {path or 'the state'} has not")
        return {key: _split(inner, _join(path, key), arrays) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_split(inner, _join(path, str(k)), arrays) for k, inner in enumerate(value)]
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise CheckpointError(
        f"a state holds arrays, numbers, strings, lists and dicts, and {path or 'it'} is a "
        f"{type(value).__name__}"
    )


def _join(path: str, key: str) -> str:
    part = key.replace("~", "~0").replace("/", "~1")
    return f"{path}/{part}" if path else part
