"""A run: what callbacks and steps see of it, and the parts of the loop that have a name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Protocol

from rumus.autograd import GradientStore
from rumus.nn import Module
from rumus.optim import WeightAverage, clip_grad_norm_
from rumus.tensor import ArgumentError, Tensor

from ._batches import Position, placed, samples_of
from ._checked import checked_loss
from ._evaluate import Evaluation, Validate, device_of
from ._events import Event, Hooks
from ._every import Timer
from ._fold import Fold
from ._means import Means, Totals
from ._progress import Progress
from ._rates import Rates
from ._signals import Interrupts

Clip = float | Callable[[GradientStore, list[Any]], object]
StepFunction = Callable[["Run", Any], Mapping[str, Tensor]]


class BatchStep(Protocol):
    """A step function as the loop calls it."""

    def __call__(self, run: Run, batch: Any) -> Mapping[str, Tensor]:
        """One batch: what the step returns, cut off from the graph."""
        ...

    def release(self) -> None:
        """Give back what recordings hold, and forget the run."""
        ...


@dataclass
class Plan:
    """What a run was asked to do; see ``Trainer.fit``."""

    step: BatchStep
    epochs: int | None
    steps: int | None
    clip: Clip | None
    accumulate: int
    average: WeightAverage | None
    validate: Validate | None


class Run:
    """What callbacks, and a step function of your own, get.

    Attributes:
        model: The model.
        optimizers: The optimizers by name.
        plan: What ``fit`` was asked to do.
        progress: Where the run is.
        outputs: What the latest step returned, on the device; reading one waits for it.
        metrics: The latest values that were read: means over an epoch at its end (``"loss"``), and
            those of a validation (``"val_loss"``).
        samples: How many samples the latest batch had.
        batches: The batches of an epoch; 0 if the loader cannot say.
        waited: Seconds that the loop has waited for batches.
        stopped: Why the run was stopped; None while it goes on.
        exception: At ``Event.EXCEPTION``, what was raised.
        rates: The learning rates and their schedules.

    Example:
        >>> from rumus import nn
        >>> from rumus.data import ArrayDataset, DataLoader
        >>> from rumus.optim import SGD
        >>> from rumus.train import Trainer
        >>> loader = DataLoader(ArrayDataset(np.ones((8, 2)), np.ones((8, 1))), batch_size=4)
        >>> model = nn.Linear(2, 1)
        >>> trainer = Trainer(SGD(model.parameters(), lr=0.1))
        >>> run = trainer.fit(model, loader, nn.mse_loss, epochs=2)
        >>> run.progress.step, sorted(run.metrics)
        (4, ['loss'])
    """

    def __init__(
        self,
        model: Module,
        optimizers: Mapping[str, Any],
        loader: Any,
        plan: Plan,
        rates: Rates,
        hooks: Hooks,
        validation: Evaluation | None,
        interrupts: Interrupts,
    ) -> None:
        self.model, self.optimizers, self.plan, self.rates = model, optimizers, plan, rates
        self.progress = Progress()
        self.outputs: Mapping[str, Tensor] = {}
        self.metrics: dict[str, Any] = {}
        self.samples = 0
        self.stopped: str | None = None
        self.waited = 0.0
        self._minimized: set[str] = set()
        self.exception: BaseException | None = None
        self.means = Means()
        self.epoch_start = Totals()
        self.window = 0
        """Batches of the step that has begun."""
        self.open_edge: dict[str, bool] | None = None
        """Of an edge that has begun: whether it is an epoch's, is validated, and told."""
        self.epoch_is_over = True
        self.hook_failed = False
        self.position = Position(loader)
        self.batches = len(self.position)
        self.validation = validation
        self.hooks, self.interrupts = hooks, interrupts
        self.folds = {name: Fold(o.params) for name, o in optimizers.items()}
        self.device = device_of(model)
        self._validate_timer = Timer(plan.validate.every) if plan.validate else None

    @property
    def loss(self) -> Tensor | None:
        """The loss of the latest batch, on the device; None before the first one."""
        return self.outputs.get("loss")

    def stop(self, reason: str) -> None:
        """End the run at the next edge; the reason is kept in :attr:`stopped`."""
        self.stopped = self.stopped or reason

    @property
    def averaged(self) -> list[str]:
        """The names of the outputs that are averaged."""
        return self.means.names

    def read(self) -> Totals:
        """The sums of the outputs so far, which waits for the device once a step at most.

        ``run.read().since(before)`` are the means by name since another reading.
        """
        return self.means.read()

    def minimize(
        self, loss: Tensor, optimizer: str | None = None, *, retain_graph: bool = False
    ) -> Tensor | None:
        """Update an optimizer's parameters by the gradients of a loss; a step's only way to do so.

        With accumulation the gradients are folded, each batch weighted by its samples, and the
        update comes at the end of the step.

        Args:
            loss: A scalar, the mean over the batch.
            optimizer: Its name; not needed if there is one.
            retain_graph: Whether another loss needs the same graph.

        Returns:
            Where ``clip`` is a norm, that of the gradients before clipping, on the device; None
            otherwise, and with accumulation.

        Raises:
            ArgumentError: The loss is no tensor, there is no such optimizer, or with accumulation
                it has had a loss of this batch.
            ShapeError: The loss is not a scalar.
            AutogradError: It depends on nothing that has a gradient.
            MissingGradError: A parameter that requires a gradient has no part in it.
        """
        name = self._name(optimizer)
        grads = checked_loss(loss).backward(retain_graph=retain_graph)
        if self.plan.accumulate == 1:
            return self._update(name, grads)
        if name in self._minimized:
            raise ArgumentError(
                f"with accumulate={self.plan.accumulate} a batch has one loss for each optimizer, "
                f"and {name!r} got a second one: add the losses"
            )
        self._minimized.add(name)
        self.folds[name].add(grads, self.samples)
        return None

    # The loop

    def is_over(self) -> bool:
        """Whether the run has come to its end, or was stopped."""
        plan, progress = self.plan, self.progress
        by_epochs = plan.epochs is not None and progress.epoch >= plan.epochs
        by_steps = plan.steps is not None and progress.step >= plan.steps
        return self.stopped is not None or by_epochs or by_steps

    def emit(self, event: Event) -> None:
        """Call the callbacks of an event."""
        try:
            self.hooks.emit(event, self)
        except BaseException:
            self.hook_failed = True
            raise

    def epoch(self) -> Iterator[Any]:
        """The batches of the epoch, or what is left of it, on the model's device."""
        self.epoch_is_over = False
        batches = self.position.epoch()
        while True:
            started = perf_counter()
            batch = next(batches, None)
            self.waited += perf_counter() - started
            if batch is None:
                return
            yield placed(batch, self.device)

    def train(self, batch: Any) -> None:
        """Forward and backward of a batch; without accumulation also the update."""
        self.samples = samples_of(batch)
        self._minimized.clear()
        self.outputs = self.plan.step(self, batch)
        self.position.in_hand = False
        self.means.count(self.outputs, self.samples)
        self.progress = self.progress.after_batch(self.samples)
        self.window += 1

    def finish_step(self) -> None:
        """Clip and update, if that has waited for several batches; then average and schedules."""
        for name, fold in self.folds.items():
            if fold.samples:
                self._update(name, fold.take())
        if self.plan.average is not None:
            self.plan.average.update()
        self.rates.after_step()
        self.window = 0
        self.progress = self.progress.after_step()

    def begin_edge(self, epoch_ended: bool) -> None:
        """Be between two steps; a checkpoint that is taken here goes on with what is left to do."""
        if self.open_edge is None:
            self.open_edge = {"epoch_ended": epoch_ended, "validated": False, "told": False}
        self.epoch_is_over = epoch_ended

    def is_last_batch(self) -> bool:
        """Whether the epoch is known to have no further batch."""
        return self.progress.batch == self.batches

    def validate_if_due(self, epoch_ended: bool) -> bool:
        """Validate if it is time; False if a signal came, and the validation is still open."""
        timer, evaluation, plan = self._validate_timer, self.validation, self.plan.validate
        assert self.open_edge is not None, "a validation belongs to an edge"
        if evaluation is None or timer is None or plan is None or self.open_edge["validated"]:
            return True
        if not evaluation.is_open:
            if not timer.is_due(self.progress, epoch_ended):
                return True
            self.emit(Event.VALIDATION_START)
        average = self.plan.average if plan.averaged else None
        with average.applied() if average is not None else nullcontext():
            values = evaluation.run(leave=lambda: self.interrupts.pending is not None)
        if values is None:
            return False
        self.metrics |= {f"val_{name}": value for name, value in values.items()}
        self.open_edge["validated"] = True
        self.emit(Event.VALIDATION_END)
        return True

    def finish_epoch(self) -> None:
        """The means of the epoch, the schedules that count epochs, and the next epoch."""
        assert self.open_edge is not None, "an epoch ends at an edge"
        totals = self.means.read()
        self.metrics |= totals.since(self.epoch_start)
        if not self.open_edge["told"]:
            self.open_edge["told"] = True
            self.emit(Event.EPOCH_END)
        self.epoch_start = totals
        self.rates.after_epoch(self.metrics)
        self.progress = self.progress.after_epoch()

    def _name(self, optimizer: str | None) -> str:
        if optimizer is None and len(self.optimizers) == 1:
            return next(iter(self.optimizers))
        if optimizer is None or optimizer not in self.optimizers:
            raise ArgumentError(
                f"minimize(loss, optimizer=...) takes one of {', '.join(self.optimizers)}, not "
                f"{optimizer!r}"
            )
        return optimizer

    def _update(self, name: str, grads: GradientStore) -> Tensor | None:
        optimizer, clip = self.optimizers[name], self.plan.clip
        norm = None
        if callable(clip):
            clip(grads, list(optimizer.params))
        elif clip is not None:
            norm = clip_grad_norm_(grads, optimizer.params, clip)
        optimizer.step(grads)
        return norm
