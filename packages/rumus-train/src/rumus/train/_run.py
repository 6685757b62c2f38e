"""A run: what callbacks and steps see of it, and the parts of the loop that have a name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol

from rumus.autograd import GradientStore
from rumus.nn import Module
from rumus.optim import WeightAverage, clip_grad_norm_
from rumus.tensor import ArgumentError, Device, Tensor

from ._batches import Position, placed, samples_of
from ._checked import checked_loss
from ._evaluate import Evaluation, Validate, device_of
from ._events import Event, Hooks
from ._every import Timer
from ._fold import Fold
from ._foreign import RUN_HINTS, unknown
from ._group.agree import any_of
from ._means import Means, Totals
from ._parallel.alike import check_run
from ._parallel.averages import SharedAverage
from ._parallel.edge import Edge
from ._parallel.rows import Told
from ._parallel.shared_step import SharedStep
from ._progress import Progress
from ._rates import Rates
from ._signals import Interrupts
from ._warn import warn

Clip = float | Callable[[GradientStore, list[Any]], object]
StepFunction = Callable[["Run", Any], Mapping[str, Tensor]]


class BatchStep(Protocol):
    """A step function as the loop calls it."""

    def __call__(self, run: Run, batch: Any) -> Mapping[str, Tensor]:
        """One batch: what the step returns, cut off from the graph."""
        ...

    def uncaptured(self) -> BatchStep:
        """The same step, run as it is."""
        ...

    def computed(self, run: Run, batch: Any) -> tuple[Mapping[str, Tensor], tuple[str, ...]]:
        """The same of a part of a batch, and the optimizers that wait for the other parts."""
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
    average: WeightAverage | SharedAverage | None
    validate: Validate | None


class Run:
    """What callbacks, and a step function of your own, get.

    Attributes:
        model: The model.
        optimizers: The optimizers by name.
        plan: What ``fit`` was asked to do.
        progress: Where the run is.
        metrics: The latest values that were read: means over an epoch at its end (``"loss"``), and
            those of a validation (``"val_loss"``).
        samples: How many samples the latest batch had.
        batches: The batches of an epoch; 0 if the loader cannot say.
        waited: Seconds that the loop has waited for batches.
        reading: Seconds that :meth:`read` has waited for the device.
        gradient_hooks: Called with an optimizer's gradients before each update, ahead of clipping.
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

    model: Module
    optimizers: Mapping[str, Any]
    plan: Plan
    rates: Rates
    progress: Progress
    samples: int
    waited: float
    reading: float
    means: Means
    epoch_start: Totals
    window: int
    epoch_is_over: bool
    hook_failed: bool
    position: Position
    batches: int
    hooks: Hooks
    interrupts: Interrupts
    folds: dict[str, Fold]
    device: Device
    edge: Edge
    is_talkative: bool

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
        shared: SharedStep | None = None,
    ) -> None:
        self.model, self.optimizers, self.plan, self.rates = model, optimizers, plan, rates
        self.progress = Progress()
        self._outputs: Mapping[str, Tensor] = {}
        self._told: Told | None = None
        """Of the latest step of several processes, whose outputs were not asked for yet."""
        self.metrics: dict[str, Any] = {}
        self.samples = 0
        self.stopped: str | None = None
        self.waited = self.reading = 0.0
        self.gradient_hooks: list[Callable[[GradientStore], object]] = []
        self._minimized: set[str] = set()
        self._untrained: int | None = 0
        """Batches without an update since the beginning; None from the first update on."""
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
        self.shared = shared
        self.edge = Edge(None if shared is None else shared.shards.group)
        self.is_talkative = False
        """Whether what callbacks decide is told to other processes at each edge."""
        self.is_writing: Callable[[], bool] = lambda: False
        """Whether this process writes a checkpoint."""
        now = self.edge.now
        self._validate_timer = Timer(plan.validate.every, now) if plan.validate else None

    if not TYPE_CHECKING:  # else checkers would take any name

        def __getattr__(self, name: str) -> Any:
            unknown(self, name, RUN_HINTS)

    @property
    def outputs(self) -> Mapping[str, Tensor]:
        """What the latest step returned, on the device; reading one waits for it."""
        self._hear()
        return self._outputs

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
        self._hear()
        return self.means.names

    def read(self) -> Totals:
        """The sums of the outputs so far, which waits for the device once a step at most.

        ``run.read().since(before)`` are the means by name since another reading.
        """
        started = perf_counter()
        self._hear()
        totals = self.means.read()
        self.reading += perf_counter() - started
        return totals

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
        self._untrained = None
        with nullcontext() if self.shared is None else self.shared.following(name):
            grads = checked_loss(loss).backward(retain_graph=retain_graph)
        if self.plan.accumulate == 1 and self.shared is None:
            return self._update(name, grads)
        if name in self._minimized:
            several = "several shards" if self.shared else f"accumulate={self.plan.accumulate}"
            raise ArgumentError(
                f"with {several} a batch has one loss for each optimizer, and {name!r} got a "
                "second one: add the losses"
            )
        self._minimized.add(name)
        if self.shared is None:
            self.folds[name].add(grads, self.samples)
        else:
            self.shared.settle(name, grads)
        return None

    def settled(self) -> tuple[str, ...]:
        """The optimizers that got a loss of the present part of a batch, which has no further."""
        if self.shared is not None:
            self.shared.release()
        return tuple(sorted(self._minimized))

    # The loop

    def is_over(self) -> bool:
        """Whether the run has come to its end, or was stopped."""
        plan, progress = self.plan, self.progress
        by_epochs = plan.epochs is not None and progress.epoch >= plan.epochs
        by_steps = plan.steps is not None and progress.step >= plan.steps
        is_stopped = self.stopped is not None if self.shared is None else self.edge.is_stopped
        return is_stopped or by_epochs or by_steps

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
        batches = self.position.epoch(in_hand=self.hooks.has(Event.STEP_START))
        while True:
            started = perf_counter()
            batch = next(batches, None)
            self.waited += perf_counter() - started
            if batch is None:
                return
            yield batch if self.shared is not None else placed(batch, self.device)

    def train(self, batch: Any) -> None:
        """Forward and backward of a batch; without accumulation also the update."""
        if self.shared is not None:
            is_last = self.window + 1 == self.plan.accumulate
            self.shared.shards.group.at(f"step {self.progress.step + 1}")
            self.shared.compute(batch, self._part, self.progress.step, is_last)
            self.position.in_hand = False
            self.progress = self.progress.after_batch(0)
            self.window += 1
            return
        self.samples = samples_of(batch)
        self._minimized.clear()
        self._outputs = self.plan.step(self, batch)
        if self._untrained is not None:
            self._untrained += 1
        self.position.in_hand = False
        self.means.count(self._outputs, self.samples)
        self.progress = self.progress.after_batch(self.samples)
        self.window += 1

    def finish_step(self) -> None:
        """Clip and update, if that has waited for several batches; then average and schedules."""
        if self.shared is not None:
            self._finish_shared(self.shared)
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
        if self.shared is not None:
            self.shared.shards.group.at(f"the validation behind step {self.progress.step}")
        average = self.plan.average if plan.averaged else None
        with average.applied() if average is not None else nullcontext():
            values = evaluation.run(leave=self._is_interrupted)
        if self.shared is not None:
            self.shared.shards.group.at(f"the end of step {self.progress.step}")
        if values is None:
            return False
        self.metrics |= {f"val_{name}": value for name, value in values.items()}
        self.open_edge["validated"] = True
        self.emit(Event.VALIDATION_END)
        return True

    def begin_together(self, settings: Mapping[str, Any]) -> None:
        """Before the first step of several processes: see that they train the same.

        Raises:
            GroupError: They do not.
        """
        if self.shared is None:
            return
        group = self.shared.shards.group
        group.at("the comparison before the first step")
        check_run(group, self, settings)
        may_stop = any(getattr(c, "may_stop", True) for c in self.hooks.callbacks)
        self.is_talkative = any_of(group, may_stop or group.size == 1)

    def end_together(self) -> None:
        """At the end of several processes: what each has kept a part of is whole on all."""
        if isinstance(self.plan.average, SharedAverage):
            self.plan.average.end()
        if self.shared is not None:
            self.shared.end()

    def agree(self) -> None:
        """Let all processes know of a signal or a stop that one of them has seen.

        Without callbacks that may stop one of them they know from the step, but for what came
        after the last one.
        """
        if self.shared is None:
            self.edge.signal = self.interrupts.pending or 0
            return
        if self.is_talkative or self.is_over():
            self.edge.exchange(self._notes())
        if self.edge.is_stopped:
            self.stop("another process stopped the run")

    def _notes(self) -> list[int]:
        return self.edge.notes(self.interrupts.pending, self.stopped is not None, self.is_writing())

    def _is_interrupted(self) -> bool:
        """Whether a signal ends what is done beside steps; with several processes none does."""
        return self.interrupts.pending is not None and self.shared is None

    def finish_epoch(self) -> None:
        """The means of the epoch, the schedules that count epochs, and the next epoch."""
        assert self.open_edge is not None, "an epoch ends at an edge"
        if self._untrained:
            self._untrained = None
            warn("no step of this epoch has called run.minimize(loss): nothing was trained")
        totals = self.read()
        self.metrics |= totals.since(self.epoch_start)
        if not self.open_edge["told"]:
            self.open_edge["told"] = True
            self.emit(Event.EPOCH_END)
        self.epoch_start = totals
        self.rates.after_epoch(self.metrics)
        self.progress = self.progress.after_epoch()

    def _part(self, part: Any) -> tuple[Mapping[str, Tensor], tuple[str, ...]]:
        """Forward and backward of this process's part of a batch."""
        self.samples = samples_of(part)
        self._minimized.clear()
        return self.plan.step.computed(self, placed(part, self.device))

    def _finish_shared(self, shared: SharedStep) -> None:
        """The update by all processes, and the means of what their parts returned."""
        clip = self.plan.clip
        assert not callable(clip), "functions of the gradients are refused with shards"
        told = shared.finish(clip, self._notes())
        self._hear()
        self._told = told
        self.edge.heard(told.notes)
        self.samples = told.samples[-1]
        all_samples = self.progress.samples + sum(told.samples)
        self.progress = replace(self.progress, samples=all_samples)

    def _hear(self) -> None:
        """Take in what the latest step of several processes returned."""
        told, self._told = self._told, None
        for outputs, samples in zip(told.outputs(), told.samples, strict=True) if told else ():
            self.means.add(outputs, samples)
            self.means.count(outputs, samples)
            self._outputs = outputs

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
        for hook in self.gradient_hooks:
            hook(grads)
        norm = None
        if callable(clip):
            clip(grads, list(optimizer.params))
        elif clip is not None:
            norm = clip_grad_norm_(grads, optimizer.params, clip)
        optimizer.step(grads)
        return norm
