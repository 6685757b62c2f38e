"""Names of PyTorch's and numpy's arguments beside ours.

A function that takes them ends its signature in ``**aliases: Unpack[Aliases]`` and begins with::

    if aliases:
        axis, keepdims = reduction_aliases("sum", aliases, axis, keepdims)

so that a call without them costs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict, TypeVar

from rumus._core.errors import ArgumentError

T = TypeVar("T")


class Aliases(TypedDict, total=False):
    """What may stand for our own arguments, and what numpy's functions pass along."""

    dim: Any
    """PyTorch's name of ``axis``."""
    keepdim: bool
    """PyTorch's name of ``keepdims``."""
    out: None
    """None, as ``numpy.sum(t)`` passes it: results are always new tensors."""


class MomentAliases(Aliases, total=False):
    """The same for means and variances."""

    dtype: None
    """None, as ``numpy.mean(t)`` passes it."""
    ddof: int
    """numpy's name of ``correction``."""


_OURS = {"dim": "axis", "keepdim": "keepdims", "ddof": "correction"}


def axis_alias(name: str, aliases: Mapping[str, Any], axis: Any, default: Any = None) -> Any:
    """The axis (or axes) under the one name or the other.

    Args:
        name: What the function is called.
        aliases: The arguments that its signature does not name.
        axis: What was given as ``axis``.
        default: The value of ``axis`` where it is not given.

    Raises:
        ArgumentError: Both names are given.
        TypeError: There is an argument of another name.
    """
    _check_names(name, aliases, ("dim",))
    return _chosen(name, aliases, "dim", axis, default)


def reduction_aliases(
    name: str, aliases: Mapping[str, Any], axis: Any, keepdims: bool, default: Any = None
) -> tuple[Any, bool]:
    """As :func:`axis_alias`, and ``keepdims`` under the one name or the other."""
    _check_names(name, aliases, ("dim", "keepdim"))
    return (
        _chosen(name, aliases, "dim", axis, default),
        _chosen(name, aliases, "keepdim", keepdims, False),
    )


def moment_aliases(
    name: str, aliases: Mapping[str, Any], axis: Any, keepdims: bool, correction: float
) -> tuple[Any, bool, float]:
    """As :func:`reduction_aliases`, and ``correction`` under numpy's name."""
    _check_names(name, aliases, ("dim", "keepdim", "ddof"))
    return (
        _chosen(name, aliases, "dim", axis, None),
        _chosen(name, aliases, "keepdim", keepdims, False),
        _chosen(name, aliases, "ddof", correction, 0),
    )


def refuse_dim(name: str, aliases: Mapping[str, Any], instead: str) -> None:
    """Refuse ``dim`` where PyTorch's function gives values and positions, and ours values.

    Args:
        name: What the function is called.
        aliases: The arguments that its signature does not name.
        instead: Our function that gives the positions.

    Raises:
        ArgumentError: ``dim`` or ``keepdim`` is given.
        TypeError: There is an argument of another name.
    """
    for theirs in ("dim", "keepdim"):
        if theirs in aliases:
            raise ArgumentError(
                f"{name}({theirs}=) would be PyTorch's, which gives values and positions; here "
                f"{name}(axis=) gives the values, and {instead}(axis=) the positions"
            )
    _check_names(name, aliases, ())


def check_out(name: str, out: object) -> None:
    """Refuse to write a result to a given place.

    Raises:
        ArgumentError: ``out`` is not None.
    """
    if out is not None:
        raise ArgumentError(f"{name}: out is not taken; the result is a new tensor")


def _chosen(name: str, aliases: Mapping[str, Any], theirs: str, ours: T, default: T) -> T:
    if theirs not in aliases:
        return ours
    if ours is not default and ours != default:
        raise ArgumentError(f"{name}: {_OURS[theirs]} and {theirs} are one argument; give one")
    chosen: T = aliases[theirs]
    return chosen


def _check_names(name: str, aliases: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for given, value in aliases.items():
        if given == "out":
            check_out(name, value)
        if given == "dtype" and value is not None:
            raise ArgumentError(f"{name}: dtype is not taken; cast with .to({value}) instead")
        if given not in (*known, "out", "dtype"):
            raise TypeError(f"{name}() got an unexpected keyword argument {given!r}")
