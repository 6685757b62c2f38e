"""What a metric is, and how several are read at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from rumus.tensor import ArgumentError, Device, Tensor, cat, no_grad

from .._errors import EmptyEpochError
from .._exact_sum import ExactSum
from ._totals import (
    Block,
    GpuBlock,
    HostBlock,
    Measured,
    Totals,
    added,
    checked,
    from_state,
    to_state,
)

V = TypeVar("V", bound=float | npt.NDArray[Any])
M = TypeVar("M", bound="Metric[Any]")


class Metric(Generic[V]):
    """A figure over many batches, accumulated where these are computed.

    A subclass says what is measured on a batch, and what the totals make. Counts are int32 tensors
    of any fixed shape, and never overflow in total; other sums are float32 scalars, which are
    added exactly, subnormal ones too; until then they have the device's arithmetic. So the order of
    the batches changes nothing, and parts merge to the same bits.

    Args:
        name: What logs and monitors call it; by default the name that the class has for itself.

    Example:
        A metric of one's own, the share of the samples whose error is below 0.1:

        >>> from rumus import tensor
        >>> class Close(Metric[float]):
        ...     name = "close"
        ...     def measure(self, output, target):
        ...         near = (output - target).abs() < 0.1
        ...         return {"near": near.sum(), "all": tensor.ones_like(near).sum()}
        ...     def result(self, totals):
        ...         return float(totals["near"] / totals["all"])
        >>> close = Close()
        >>> close.update(tensor.tensor([1.0, 2.0]), tensor.tensor([1.05, 3.0]))
        >>> close.compute()
        0.5
    """

    name: str = "metric"

    def __init__(self, name: str | None = None) -> None:
        if name is not None:
            self.name = name
        self._host: Totals = {}
        """What was merged or loaded."""
        self._blocks: dict[Device, Block] = {}

    def measure(self, output: Any, target: Any) -> Measured:
        """What a batch adds to the totals, by name: int32 counts, and float32 sums of shape ()."""
        raise NotImplementedError

    def result(self, totals: Mapping[str, Any]) -> V:
        """The figure, of totals by name: int64 arrays of counts, and floats."""
        raise NotImplementedError

    def update(self, output: Any, target: Any) -> None:
        """Take in a batch; nothing waits for the device."""
        with no_grad():
            self._add(checked(self.measure(output, target)))

    def compute(self) -> V:
        """The figure over all batches since the last :meth:`reset`; waits for the device.

        Raises:
            EmptyEpochError: There was no batch, or nothing in it that counts.
        """
        return self._computed(_totals([self])[0])

    def merge(self, other: Metric[V]) -> None:
        """Take in what another metric of the same settings has seen, exactly.

        Raises:
            ArgumentError: It is of another class.
            ShapeError: Its settings differ.
        """
        if type(other) is not type(self):
            raise ArgumentError(f"{self!r} merges with its kind, not with {type(other).__name__}")
        self.load_totals(added(*_totals([self, other])))

    def reset(self) -> None:
        """Forget all batches; captured steps that update it go on doing so."""
        self._host = {}
        for block in self._blocks.values():
            block.clear()

    def state_dict(self) -> dict[str, Any]:
        """The totals as JSON values and int64 arrays; waits for the device."""
        return to_state(_totals([self])[0])

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from totals that :meth:`state_dict` gave.

        Raises:
            StateDictError: They are none.
        """
        self.load_totals(from_state(state))

    def load_totals(self, totals: Totals) -> None:
        """Go on from totals, and forget the batches so far."""
        self.reset()
        self._host = totals

    def __repr__(self) -> str:
        return f"{type(self).__name__}(name={self.name!r})"

    def _add(self, measured: Measured) -> None:
        device = next(iter(measured.values())).device
        if device not in self._blocks:
            block: Block = GpuBlock(measured, device) if device.kind == "gpu" else HostBlock()
            self._blocks[device] = block
        self._blocks[device].add(measured)

    def _computed(self, totals: Totals) -> V:
        if not totals:
            raise EmptyEpochError(
                f"{self.name} has seen nothing that counts, so it is undefined; an empty loader is "
                "the usual reason, or ignore_index leaves nothing"
            )
        return self.result(
            {k: float(v) if isinstance(v, ExactSum) else v for k, v in totals.items()}
        )


def read_metrics(metrics: Iterable[Metric[Any]]) -> dict[str, float | npt.NDArray[Any]]:
    """The figures of several metrics by name, with one transfer from each device.

    Raises:
        ArgumentError: Two have one name.
        EmptyEpochError: One has seen no batch.

    Example:
        >>> from rumus import tensor
        >>> from rumus.train import MAE, RMSE, read_metrics
        >>> metrics = [MAE(), RMSE()]
        >>> for metric in metrics:
        ...     metric.update(tensor.tensor([1.0, 2.0]), tensor.tensor([1.0, 4.0]))
        >>> read_metrics(metrics)
        {'mae': 1.0, 'rmse': 1.4142135623730951}
    """
    given = list(metrics)
    names = [metric.name for metric in given]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ArgumentError(f"two metrics are called {twice!r}; give one another name=")
    totals = _totals(given)
    return {m.name: m._computed(found) for m, found in zip(given, totals, strict=True)}


def _totals(metrics: Iterable[Metric[Any]]) -> list[Totals]:
    """The totals of each metric over all devices."""
    given = list(metrics)
    words = _read([block for metric in given for block in metric._blocks.values()])
    result = []
    for metric in given:
        totals = metric._host
        for block in metric._blocks.values():
            found = block.totals(words.get(id(block)))
            if _is_used(found):
                totals = added(totals, found)
        result.append(totals)
    return result


def _is_used(totals: Totals) -> bool:
    """Whether anything was added: a block that was cleared is all zero."""
    return any(v != ExactSum() if isinstance(v, ExactSum) else v.any() for v in totals.values())


def _read(blocks: list[Block]) -> dict[int, npt.NDArray[Any]]:
    """The words of blocks, by their ids, with one transfer a device."""
    by_device: dict[Device, list[tuple[int, Tensor]]] = {}
    for block in blocks:
        if block.words is not None:
            by_device.setdefault(block.words.device, []).append((id(block), block.words))
    found = {}
    for parts in by_device.values():
        tensors = [words for _, words in parts]
        joined = (cat(tensors) if len(tensors) > 1 else tensors[0]).numpy()
        ends = np.cumsum([words.size for words in tensors])
        for (key, _), piece in zip(parts, np.split(joined, ends[:-1]), strict=True):
            found[key] = piece
    return found
