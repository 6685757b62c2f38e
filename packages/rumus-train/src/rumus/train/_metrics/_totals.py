"""Totals of what metrics measure: on the host, and on a device where nothing is read back."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from functools import cache
from importlib.resources import files
from math import prod
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from rumus import gpu
from rumus.tensor import (
    ArgumentError,
    Device,
    DTypeError,
    ShapeError,
    StateDictError,
    Tensor,
    float16,
    float32,
    int32,
    zeros,
)

from .._exact_sum import (
    PRODUCT_WORDS,
    WORDS,
    ExactSum,
    Multiple,
    Product,
    add_exactly,
    add_product_exactly,
)

Total = ExactSum | npt.NDArray[np.int64]
Totals = dict[str, Total]
Measured = Mapping[str, Tensor | Multiple | Product]

_MOST_GROUPS = 65_535
_CARRY = 30


class Block(Protocol):
    """The totals of one device."""

    words: Tensor | None
    """What has to be read back, if anything has."""

    def add(self, measured: Measured) -> None:
        """Add what was measured."""
        ...

    def clear(self) -> None:
        """Begin anew, from zero."""
        ...

    def totals(self, words: npt.NDArray[Any] | None) -> Totals:
        """The totals, of what was read back."""
        ...


class HostBlock:
    """Totals of tensors on the CPU."""

    words: Tensor | None = None

    def __init__(self) -> None:
        self._totals: Totals = {}

    def add(self, measured: Measured) -> None:
        """Add what was measured."""
        found: Totals = {}
        for name, value in measured.items():
            if isinstance(value, Product):
                found[name] = value.exact()
            elif isinstance(value, Multiple):
                number = _scalar(name, value.value).item()
                found[name] = ExactSum.of(number).multiplied(value.times)
            elif value.dtype == int32:
                found[name] = value.numpy().astype(np.int64)
            else:
                found[name] = ExactSum.of(_scalar(name, value).item())
        self._totals = added(self._totals, found)

    def clear(self) -> None:
        """Begin anew, from zero."""
        self._totals = {}

    def totals(self, words: npt.NDArray[Any] | None) -> Totals:
        """The totals."""
        return self._totals


class GpuBlock:
    """Totals on a GPU: words side by side, added to by kernels, also in a captured step.

    A count has two words, of which the lower stays below 2**30; a sum has those of
    :mod:`rumus.train._exact_sum`.

    Args:
        measured: What is measured first; everything later has its names, kinds and shapes.
        device: The GPU.
    """

    def __init__(self, measured: Measured, device: Device) -> None:
        self._places: dict[str, tuple[int, _Kind]] = {}
        size = 0
        for name, value in measured.items():
            kind = _kind(value)
            self._places[name] = size, kind
            size += _words(kind)
        with gpu.outside_capture():
            self.words: Tensor | None = zeros((size,), dtype=int32, device=device)
            gpu.persist(self.words.array)

    def add(self, measured: Measured) -> None:
        """Add what was measured, without waiting for it."""
        assert self.words is not None
        for name, (at, kind) in self._places.items():
            value = measured[name]
            if isinstance(value, Product):
                add_product_exactly(value, self.words, at)
                continue
            if isinstance(value, Multiple):
                add_exactly(_scalar(name, value.value), self.words, at, value.times)
                continue
            if _kind(value) != kind:
                raise ShapeError(
                    f"{name} was measured first with shape {kind[1]}, and now with {value.shape} "
                    f"of {value.dtype}; a metric's totals keep one shape"
                )
            if kind[0] == "counts":
                _add_counts(value.contiguous(), self.words, at)
            else:
                add_exactly(_scalar(name, value), self.words, at)

    def clear(self) -> None:
        """Begin anew, from zero."""
        assert self.words is not None
        self.words.zero_()

    def totals(self, words: npt.NDArray[Any] | None) -> Totals:
        """The totals, of the words that were read back."""
        assert words is not None
        found: Totals = {}
        for name, (at, kind) in self._places.items():
            own = words[at : at + _words(kind)]
            if kind[0] == "counts":
                pairs = own.astype(np.int64).reshape(*kind[1], 2)
                found[name] = pairs[..., 0] + (pairs[..., 1] << _CARRY)
            elif kind[0] == "sum":
                found[name] = ExactSum.of_words(own)
            else:
                found[name] = ExactSum.of_product_words(own)
        return found


_Kind = tuple[Literal["counts", "sum", "products"], tuple[int, ...]]
"""What is summed, and the shape of the counts."""


def _kind(value: Tensor | Multiple | Product) -> _Kind:
    if isinstance(value, Product):
        return "products", ()
    if isinstance(value, Multiple):
        return "sum", ()
    return "counts" if value.dtype == int32 else "sum", value.shape


def _words(kind: _Kind) -> int:
    """How many a total has on a GPU."""
    return {"counts": 2 * prod(kind[1]), "sum": WORDS, "products": PRODUCT_WORDS}[kind[0]]


def added(a: Totals, b: Totals) -> Totals:
    """The sums of two totals by name.

    Raises:
        ShapeError: Counts have different shapes.
    """
    result = dict(a)
    for name, value in b.items():
        before = result.get(name)
        if before is None:
            result[name] = value
        elif isinstance(before, ExactSum) and isinstance(value, ExactSum):
            result[name] = before.plus(value)
        elif _are_counts(before, value):
            result[name] = np.add(before, value)  # type: ignore[arg-type]
        else:
            raise ShapeError(
                f"{name}: totals of shape {_shape(before)} and {_shape(value)} cannot be added; "
                "both metrics need the same settings"
            )
    return result


def _are_counts(a: Total, b: Total) -> bool:
    return not isinstance(a, ExactSum) and not isinstance(b, ExactSum) and a.shape == b.shape


def _shape(total: Total) -> tuple[int, ...]:
    return () if isinstance(total, ExactSum) else total.shape


def to_state(totals: Totals) -> dict[str, Any]:
    """Totals as JSON and int64 arrays."""
    sums = {
        k: [str(v.finite), str(v.special)] for k, v in totals.items() if isinstance(v, ExactSum)
    }
    return {"counts": {k: np.array(v) for k, v in totals.items() if k not in sums}, "sums": sums}


def from_state(state: Mapping[str, Any]) -> Totals:
    """The totals that :func:`to_state` wrote.

    Raises:
        StateDictError: It did not.
    """
    try:
        found: Totals = {k: np.asarray(v, np.int64) for k, v in state["counts"].items()}
        for name, (finite, special) in state["sums"].items():
            found[name] = ExactSum(Fraction(finite), float(special))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise StateDictError(
            f"this is no state of a metric ({error!r}); it has 'counts' and 'sums'"
        ) from error
    return found


def checked(measured: Measured) -> Measured:
    """What a metric measured, if it can be summed.

    Raises:
        ArgumentError: There are no names.
        DTypeError: Something is neither a count nor a float.
    """
    if not isinstance(measured, Mapping):
        raise ArgumentError(
            f'measure() gives tensors by name, such as {{"sum": x.sum()}}, not '
            f"{type(measured).__name__}"
        )
    for name, value in measured.items():
        if isinstance(value, Multiple | Product):
            continue
        if not isinstance(value, Tensor) or value.dtype not in (int32, float32, float16):
            given = value.dtype if isinstance(value, Tensor) else type(value).__name__
            raise DTypeError(
                f"measure() gives int32 tensors of counts and float32 scalars, and {name!r} is "
                f"{given}"
            )
    return measured


def _scalar(name: str, value: Tensor) -> Tensor:
    if value.shape != ():
        raise ShapeError(
            f"{name}: sums of floats are scalars, and this has shape {value.shape}; name each of "
            "them, or count in int32"
        )
    return value.to(float32)


def _add_counts(counts: Tensor, words: Tensor, at: int) -> None:
    groups = min(-(-counts.size // 64), _MOST_GROUPS)
    params = [counts.size, counts.array.offset, words.array.offset + at]
    _kernel().dispatch([counts.array, words.array], params, groups)


@cache
def _kernel() -> gpu.Pipeline:
    source = files("rumus.train") / "shaders" / "add_counts.wgsl"
    return gpu.Kernel(source, name="add_counts", trusted=True).variant()
