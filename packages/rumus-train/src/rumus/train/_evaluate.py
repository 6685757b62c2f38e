"""Evaluation and prediction: without gradients, in evaluation mode, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from rumus.nn import Module
from rumus.tensor import ArgumentError, Device, Tensor, cat, no_grad, tree

from ._batches import Position, input_and_target, placed, samples_of
from ._errors import EmptyEpochError
from ._every import Every
from ._means import Means, Totals
from ._metrics import Metric, read_metrics
from ._parallel.merge import check_mergeable, merge
from ._parallel.shards import Shards

Forward = Callable[[Any], tuple[Any, Any]]
Loss = Callable[[Any, Any], Tensor]


class MetricLike(Protocol):
    """What an evaluation needs of a metric; those of :mod:`rumus.train` have it."""

    @property
    def name(self) -> str:
        """What it is called in the results."""
        ...

    def update(self, output: Any, target: Any) -> None:
        """Take a batch into account, without waiting for the device."""
        ...

    def compute(self) -> Any:
        """The value over all batches since :meth:`reset`."""
        ...

    def reset(self) -> None:
        """Begin anew."""
        ...


@dataclass(frozen=True)
class Validate:
    """What ``fit`` validates on, and when.

    Args:
        loader: The batches.
        every: When (default: at the end of each epoch).
        forward: ``forward(batch)`` gives the output and the target, for batches that are no input
            and target (default: ``model(input)`` and the target).
        loss: ``loss(output, target)``, a mean over the batch (default: the loss of ``fit``).
        averaged: Whether the averaged weights are used; ``fit`` needs an ``average`` then.

    Example:
        >>> from rumus import nn
        >>> from rumus.data import ArrayDataset, DataLoader
        >>> from rumus.optim import SGD
        >>> from rumus.train import Trainer
        >>> loader = DataLoader(ArrayDataset(np.ones((8, 2)), np.ones((8, 1))), batch_size=4)
        >>> model = nn.Linear(2, 1)
        >>> trainer = Trainer(SGD(model.parameters(), lr=0.1))
        >>> run = trainer.fit(model, loader, nn.mse_loss, epochs=2, validate=Validate(loader))
        >>> sorted(run.metrics)
        ['loss', 'val_loss']
    """

    loader: Iterable[Any]
    every: Every = Every(epochs=1)  # noqa: RUF009  it is frozen
    forward: Forward | None = None
    loss: Loss | None = None
    averaged: bool = False


class Evaluation:
    """Means and metrics over a loader, which can be left and taken up again.

    Args:
        model: Turned to evaluation while it runs.
        loader: The batches.
        loss: ``loss(output, target)``, a mean over the batch; its mean over all samples is
            ``"loss"`` in the results.
        metrics: Updated with each batch.
        forward: As in :class:`Validate`.
        shards: Who computes what of each batch.

    Attributes:
        loader: That of this process.
        metrics: As given.
    """

    is_open: bool
    metrics: list[MetricLike]

    def __init__(
        self,
        model: Module,
        loader: Iterable[Any],
        loss: Loss | None,
        metrics: Sequence[MetricLike],
        forward: Forward | None = None,
        shards: Shards | None = None,
    ) -> None:
        if loss is None and not metrics:
            raise ArgumentError("an evaluation needs a loss, or metrics")
        if not isinstance(metrics, Iterable) or isinstance(metrics, str):
            raise ArgumentError(f"metrics is a list, as in [Accuracy()], not {metrics!r}")
        for metric in metrics:
            if isinstance(metric, type) or not hasattr(metric, "name"):
                raise ArgumentError(
                    f"metrics are objects such as Accuracy(), not {metric!r}: metrics=[Accuracy()]"
                )
        names = ["loss", *(metric.name for metric in metrics)]
        if len(set(names)) < len(names):
            raise ArgumentError(f"metrics have names of their own, not {', '.join(names)}")
        self._model, self._loss, self.metrics = model, loss, list(metrics)
        self._forward = forward or self._default_forward
        self._shards = shards
        if shards is not None:
            check_mergeable(metrics, shards.group)
            loader = shards.loader(loader)
        self.loader = loader
        self._position = Position(loader)
        self._device = device_of(model)
        self._means = Means()
        self._batches = 0
        self.is_open = False

    def run(self, leave: Callable[[], bool] = lambda: False) -> dict[str, Any] | None:
        """The values; None if it was left before its end, to be run again later.

        Raises:
            EmptyEpochError: The loader has no batch.
        """
        if not self.is_open:
            self._begin()
        with evaluating(self._model):
            for batch in self._position.epoch():
                parts = [batch] if self._shards is None else batch
                for part in parts:
                    if part is not None:
                        self._update(placed(part, self._device))
                self._batches += 1
                self._position.in_hand = False
                if leave():
                    return None
        self.is_open = False
        if not self._batches:
            raise EmptyEpochError("the loader of an evaluation has no batch")
        if self._shards is not None:
            merge(self._means, self.metrics, self._shards.group)
        values: dict[str, Any] = dict(self._means.read().since(Totals()))
        ours = [metric for metric in self.metrics if isinstance(metric, Metric)]
        others = [metric for metric in self.metrics if not isinstance(metric, Metric)]
        return values | read_metrics(ours) | {metric.name: metric.compute() for metric in others}

    def state_dict(self) -> dict[str, Any]:
        """Where it is, with what was measured."""
        state: dict[str, Any] = {
            "open": self.is_open,
            "position": self._position.state_dict(ended=not self.is_open),
        }
        if self.is_open:
            state["batches"] = self._batches
            state["means"] = self._means.read().state_dict()
            state["metrics"] = [getattr(m, "state_dict", dict)() for m in self.metrics]
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where another evaluation of the same was."""
        self._position.load_state_dict(state["position"])
        self.is_open = state["open"]
        if self.is_open:
            self._batches = state["batches"]
            self._means.load(Totals.from_state(state["means"]))
            for metric, saved in zip(self.metrics, state["metrics"], strict=True):
                if hasattr(metric, "load_state_dict"):
                    metric.load_state_dict(saved)

    def _begin(self) -> None:
        self.is_open, self._batches = True, 0
        self._means = Means()
        for metric in self.metrics:
            metric.reset()

    def _update(self, batch: Any) -> None:
        samples = samples_of(batch)
        output, target = self._forward(batch)
        if self._loss is not None:
            outputs = {"loss": self._loss(output, target)}
            self._means.add(outputs, samples)
            self._means.count(outputs, samples)
        for metric in self.metrics:
            metric.update(output, target)

    def _default_forward(self, batch: Any) -> tuple[Any, Any]:
        input, target = input_and_target(batch, "forward=, which gives the output and the target")
        return self._model(input), target


@contextmanager
def evaluating(model: Module) -> Iterator[None]:
    """No gradients, and evaluation mode; each module has its own mode again afterwards."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        with no_grad():
            yield
    finally:
        for module in training:
            module.training = True


def predictions(
    model: Module, loader: Iterable[Any], forward: Callable[[Any], Any] | None
) -> Iterator[Any]:
    """The output of each batch, as it comes; nothing of it is kept."""
    device = device_of(model)
    for batch in Position(loader).epoch():
        moved = placed(batch, device)
        with evaluating(model):
            output = forward(moved) if forward is not None else model(_input_of(moved))
        yield output


def gathered(outputs: Iterable[Any]) -> Any:
    """Outputs one after the other along their first axis, on the host.

    Raises:
        EmptyEpochError: There are none.
    """
    parts = [tree.flatten(tree.map(_on_host, output)) for output in outputs]
    if not parts:
        raise EmptyEpochError("the loader of a prediction has no batch")
    columns = zip(*(leaves for leaves, _ in parts), strict=True)
    return tree.unflatten(parts[0][1], [cat(list(column)) for column in columns])


def device_of(model: Module) -> Device:
    """Where a model's parameters are; the CPU if it has none."""
    for _, parameter in model.named_parameters():
        return parameter.device
    return Device("cpu")


def _input_of(batch: Any) -> Any:
    if isinstance(batch, Tensor):
        return batch
    return input_and_target(batch, "forward=, which gives the output of a batch")[0]


def _on_host(leaf: Any) -> Any:
    return leaf.to("cpu") if isinstance(leaf, Tensor) else leaf
