"""Trees: tuples, lists, dicts and what a class makes of its parts, with anything at the leaves.

A batch, a sample, the arguments of a step and its result are trees. :func:`flatten` takes one apart
into its leaves and a hashable structure, and :func:`unflatten` puts it together again.

A named tuple is a container by its fields. Any class becomes one with a method ``__tree__`` that
gives its parts as a tuple; it is made again by calling the class with them, in this order.

Example:
    >>> leaves, structure = flatten({"x": 1, "y": (2, 3)})
    >>> leaves
    [1, 2, 3]
    >>> unflatten(structure, [10, 20, 30])
    {'x': 10, 'y': (20, 30)}
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any, NamedTuple

from .errors import ArgumentError


class Branch(NamedTuple):
    """A container: how it is made of its parts, and what those are."""

    kind: type
    keys: tuple[Hashable, ...] | None
    """Of a dict."""
    parts: tuple[Structure, ...]


Structure = Branch | None
"""What is left of a tree without its leaves, each of which is None here; hashable."""


def flatten(tree: Any) -> tuple[list[Any], Structure]:
    """The leaves of a tree, in order, and its structure."""
    leaves: list[Any] = []
    return leaves, _flatten(tree, leaves)


def unflatten(structure: Structure, leaves: Sequence[Any]) -> Any:
    """The tree of a structure and as many leaves as it had.

    Raises:
        ArgumentError: There are more leaves, or fewer.
    """
    rest = iter(leaves)
    try:
        tree = _unflatten(structure, rest)
    except StopIteration:
        raise ArgumentError(f"{len(leaves)} leaves are too few for this tree") from None
    if next(rest, rest) is not rest:
        raise ArgumentError(f"{len(leaves)} leaves are too many for this tree")
    return tree


def map(function: Callable[[Any], Any], tree: Any) -> Any:
    """The tree with a function of each leaf in its place."""
    leaves, structure = flatten(tree)
    return unflatten(structure, [function(leaf) for leaf in leaves])


def _flatten(tree: Any, leaves: list[Any]) -> Structure:
    kind = type(tree)
    if isinstance(tree, dict):
        parts = tuple([_flatten(value, leaves) for value in tree.values()])
        return Branch(kind, tuple(tree), parts)
    if isinstance(tree, (tuple, list)):
        inside: Any = tree
    elif hasattr(kind, "__tree__"):
        inside = tree.__tree__()
    else:
        leaves.append(tree)
        return None
    return Branch(kind, None, tuple([_flatten(value, leaves) for value in inside]))


def _unflatten(structure: Structure, leaves: Iterator[Any]) -> Any:
    if structure is None:
        return next(leaves)
    kind, keys, parts = structure
    values = [_unflatten(part, leaves) for part in parts]
    if keys is not None:
        made = dict(zip(keys, values, strict=True))
        return made if kind is dict else kind(made)
    if hasattr(kind, "__tree__") or hasattr(kind, "_fields"):
        return kind(*values)
    return kind(values)
