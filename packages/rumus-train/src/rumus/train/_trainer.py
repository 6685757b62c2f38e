"""One training step, and the mean loss of the steps of an epoch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, TypeVarTuple

from rumus.autograd import GradientStore
from rumus.nn import Module, Parameter
from rumus.optim import WeightAverage
from rumus.tensor import ArgumentError, Device, Tensor

from ._checked import check_callable, checked_loss
from ._errors import EmptyEpochError
from ._evaluate import Evaluation, Forward, Loss, MetricLike, Validate, gathered, predictions
from ._exact_sum import UNITS
from ._fit import fit
from ._foreign import unknown
from ._group.contract import Group
from ._group.find import find_group
from ._loss_sum import LossSum
from ._optimizers import OptimizerLike, named_optimizers
from ._parallel.loop import PartsLoader, SharedLoop
from ._parallel.shards import Shards, checked_shards, shards_of
from ._rates import Schedules
from ._replay import CapturedSteps
from ._request import Request
from ._run import Clip, Run, StepFunction
from ._run_folder import RunFolder, saved_shards
from ._step import Capture
from ._tools._shards import find_shards
from ._warn import warn

O = TypeVar("O", bound=OptimizerLike | Mapping[str, Any])  # noqa: E741  one letter, like every type variable here
T = TypeVar("T")
Ts = TypeVarTuple("Ts")
GradHook = Callable[[GradientStore, list[Parameter]], object]


class Trainer(Generic[O]):
    """Takes training steps with an optimizer, and keeps the mean loss of the epoch.

    No step waits for the device: losses are summed where they are computed, exactly, and the sum is
    read when :meth:`epoch_avg_loss` is asked for.

    Args:
        optimizer: Changes the parameters. Its type is kept: ``Trainer(AdamW(...)).optimizer`` is an
            ``AdamW``. :meth:`fit` takes several by name too.
        capture: Whether a step on a GPU is recorded once for each shape of its inputs and then
            replayed in one submission, see :func:`rumus.gpu.capture`. What changes from step to
            step, the batch above all, must then be among the inputs of :meth:`train_step`. Numbers
            and strings that ``forward`` and the hook take from variables around them, from
            attributes of these and of their classes, and through functions, methods and modules
            that they name (six of these away at most), may change too: the step is then recorded
            anew. What they read out of a list or a dict, and from files or clocks, stays as it was
            at the recording. On the CPU steps run as they do without. With ``"auto"``, :meth:`fit`
            captures where it can see that this is safe, and says once why where it does not.
        group: Which processes train together: by default those that a launcher such as ``mpiexec``
            has started with this one, otherwise this one alone. All run the same script.
        shards: Into how many parts each batch is cut, by default as many as there are processes
            when the run begins. They share the parts, and the weights are the same to the bit for
            every number of processes up to it, on devices of a kind. In each process the optimizer
            keeps the state of its part of the parameters from then on, and changes that alone.
            ``"auto"``, of a process alone with one optimizer: :meth:`fit` with a loss cuts batches
            into as few parts as fit the memory, by :func:`find_shards`, and ``trainer.shards`` says
            into how many.

    Raises:
        ArgumentError: ``optimizer`` has no ``params`` and ``step``, or another argument is none of
            those named.

    Example:
        >>> from rumus import nn, tensor
        >>> from rumus.optim import SGD
        >>> tensor.manual_seed(0)
        >>> model = nn.Linear(2, 1)
        >>> trainer = Trainer(SGD(model.parameters(), lr=0.1))
        >>> x, y = tensor.ones((8, 2)), tensor.zeros((8, 1))
        >>> for epoch in range(30):
        ...     trainer.reset_epoch()
        ...     loss = trainer.train_step(lambda: nn.mse_loss(model(x), y))
        >>> trainer.epoch_avg_loss() < 1e-3
        True
    """

    def __init__(
        self,
        optimizer: O,
        *,
        capture: Capture = False,
        group: Group | Literal["auto"] = "auto",
        shards: int | Literal["auto"] | None = None,
    ) -> None:
        several = isinstance(optimizer, Mapping)
        self._optimizers = named_optimizers(optimizer)
        if capture not in (True, False, "auto"):
            raise ArgumentError(f'capture is True, False or "auto", not {capture!r}')
        self._group = find_group(group)
        self._splits = shards == "auto"
        if self._splits and (several or self._group.size > 1):
            raise ArgumentError(
                'shards="auto" is for a process alone and one optimizer; give a number of parts'
            )
        self._count = checked_shards(None if shards == "auto" else shards, self._group)
        self._shards = shards_of(self._group, self._count)
        self._of_run = self._shards
        self._loop: SharedLoop | None = None
        self._optimizer = optimizer
        self._capture: Capture = capture
        self._several = several
        self._replay = CapturedSteps(self._step) if capture is True else None
        self._steps = 0
        self._sums: dict[Device, LossSum] = {}

    def __repr__(self) -> str:
        return f"Trainer({self._optimizer!r}, capture={self._capture!r})"

    if not TYPE_CHECKING:  # else checkers would take any name

        def __getattr__(self, name: str) -> Any:
            unknown(self, name)

    @property
    def optimizer(self) -> O:
        """The optimizer that was given; several by name are."""
        return self._optimizer

    @property
    def shards(self) -> int:
        """Into how many parts each batch is cut: in the latest :meth:`fit`, if there was one.

        A run that goes on has the number with which it was begun.
        """
        return 1 if self._of_run is None else self._of_run.count

    def train_step(self, forward: Callable[[*Ts], Tensor], *inputs: *Ts) -> Tensor:
        """Take one step: loss, gradients, new parameters.

        Args:
            forward: Called with ``inputs``; returns the loss, of shape ``()``.
            inputs: What the step depends on. A closure without inputs does the same; naming them is
                what lets a step be captured.

        Returns:
            The loss, cut off from the graph. Reading it (``item()``) waits for the device.

        Raises:
            ArgumentError: ``forward`` is no function, or returned something else than a tensor.
            ShapeError: The loss is not a scalar.
            MissingGradError: A parameter of the optimizer has no part in the loss; nothing has
                changed then, and the step does not count.
        """
        return self.train_step_with(_leave, forward, *inputs)

    def train_step_with(
        self, grad_hook: GradHook, forward: Callable[[*Ts], Tensor], *inputs: *Ts
    ) -> Tensor:
        """Take one step, with a look at the gradients before the parameters change.

        Args:
            grad_hook: Called with the gradients and the optimizer's parameters between backward
                and step, for instance to clip; what it returns is not used.
            forward: As in :meth:`train_step`.
            inputs: As in :meth:`train_step`.

        Returns:
            The loss, cut off from the graph.

        Raises:
            ArgumentError: As in :meth:`train_step`; so for the other two.
            ShapeError: The loss is not a scalar.
            MissingGradError: A parameter of the optimizer has no part in the loss.
            CaptureError: With ``capture``, if the step cannot be replayed as it stands.
        """
        check_callable("forward", forward)
        check_callable("grad_hook", grad_hook)
        if self._several:
            raise ArgumentError("train_step takes steps of one optimizer; fit(step=) of several")
        if self._shards is not None:
            shared = self._shared_step(self._shards, grad_hook, forward, inputs)
            self._steps += 1
            return shared
        device = self._optimizers["optimizer"].params[0].device
        if self._replay is not None and device.kind == "gpu":
            self._sum(device)
            loss: Tensor = self._replay(grad_hook, forward, inputs=inputs)
        else:
            loss = self._step(grad_hook, forward, *inputs)
        self._steps += 1
        return loss

    def share(self, loader: Iterable[T]) -> Iterable[T]:
        """A loader for a loop that is written by hand, of which each process makes its parts alone.

        What it gives is for :meth:`train_step`, as its only input. A loop works without it, too:
        each process then makes whole batches, which ``train_step`` cuts.

        Args:
            loader: Of whole batches, the same in all processes.

        Returns:
            A loader of as many items; the one given, where a process trains alone on whole batches.

        Example:
            >>> from rumus import nn
            >>> from rumus.data import ArrayDataset, DataLoader
            >>> from rumus.optim import SGD
            >>> import numpy as np
            >>> data = ArrayDataset(np.ones((8, 2), np.float32), np.ones((8, 1), np.float32))
            >>> model = nn.Linear(2, 1)
            >>> trainer = Trainer(SGD(model.parameters(), lr=0.1), shards=2)
            >>> for batch in trainer.share(DataLoader(data, batch_size=4)):
            ...     trainer.train_step(lambda b: nn.mse_loss(model(b.input), b.target), batch).shape
            ()
            ()
        """
        if self._shards is None:
            return loader
        return PartsLoader(self._shards.loader(loader))

    def fit(
        self,
        model: Module,
        loader: Iterable[Any],
        loss: Loss | None = None,
        *,
        step: StepFunction | None = None,
        epochs: int | None = None,
        steps: int | None = None,
        validate: Validate | Iterable[Any] | None = None,
        metrics: Sequence[MetricLike] = (),
        schedule: Schedules | None = None,
        clip: Clip | None = None,
        accumulate: int = 1,
        average: WeightAverage | None = None,
        callbacks: Sequence[Any] = (),
        run: RunFolder | None = None,
    ) -> Run:
        """Train a model to an epoch or a step; :class:`Event` has the loop.

        Args:
            model: The model. It is put into training mode if it is in evaluation mode; modules
                inside it that are in evaluation mode by themselves stay so.
            loader: The batches of an epoch each time it is iterated.
            loss: ``loss(output, target)``, the mean over a batch of an input and a target.
            step: Instead of ``loss``, for all else: ``step(run, batch)`` computes, updates by
                ``run.minimize(loss)`` (with several optimizers ``run.minimize(loss, "name")``), and
                returns tensors by name, whose scalars are averaged.
            epochs: Epochs in the whole life of the run, before it was resumed too.
            steps: Steps in the whole life of the run; whichever comes first.
            validate: The loader of a validation at each epoch's end, or a :class:`Validate`.
            metrics: Measured in validations.
            schedule: A learning-rate schedule, by optimizer if there are several. It is advanced
                after each step or epoch, as its ``unit`` says.
            clip: The largest norm of an optimizer's gradients, or a function of the gradients and
                the parameters.
            accumulate: Batches of a step. The gradient is that of one batch of all their samples,
                also where an epoch's last step has fewer.
            average: Averaged weights, moved after each step; ``Validate(averaged=True)`` uses them.
            callbacks: Objects with methods for events.
            run: Where checkpoints go, and whether the run goes on from one.

        Returns:
            The run: its ``progress``, ``metrics`` and why it was ``stopped``.

        Raises:
            ArgumentError: An argument is outside its range, or two do not go together.
            EmptyEpochError: The loader gave no batch.
            RunFolderError: The folder is in use, has another run, or one that is not to go on.
            CheckpointError: The newest checkpoint is of something else.
            KeyboardInterrupt: After Ctrl-C, when the run is saved.
            SystemExit: After SIGTERM, when the run is saved; the code is 143.

        Example:
            >>> from rumus import nn
            >>> from rumus.data import ArrayDataset, DataLoader
            >>> from rumus.optim import SGD
            >>> import numpy as np
            >>> data = ArrayDataset(np.ones((8, 2), np.float32), np.ones((8, 1), np.float32))
            >>> model = nn.Linear(2, 1)
            >>> trainer = Trainer(SGD(model.parameters(), lr=0.1))
            >>> run = trainer.fit(model, DataLoader(data, batch_size=4), nn.mse_loss, epochs=20)
            >>> run.progress.step, run.metrics["loss"] < 0.1
            (40, True)
        """
        given = Request(
            model, loader, loss, step, epochs, steps, validate, metrics, schedule, clip,
            accumulate, average, callbacks,
        )  # fmt: skip
        saved = saved_shards(run, self._group)
        if self._splits:
            self._count = saved or self._parts_that_fit(model, loader, loss)
        self._of_run = shards_of(self._group, self._count, saved)
        prepared, settings = given.prepared(self._optimizers, self._capture, self._of_run)
        fit(prepared, run, settings)
        return prepared

    def _parts_that_fit(self, model: Module, loader: Iterable[Any], loss: Loss | None) -> int:
        """How ``shards="auto"`` cuts the batches of a run that begins."""
        if loss is None or not hasattr(loader, "peek"):
            raise ArgumentError(
                'shards="auto" tries the first batch with the loss: fit takes loss= then, and a '
                "DataLoader, or another loader with peek(); otherwise give a number of parts"
            )
        model.train()
        optimizer: Any = self._optimizer
        return find_shards(model, optimizer, loader, loss)

    def evaluate(
        self,
        model: Module,
        loader: Iterable[Any],
        loss: Loss | None = None,
        metrics: Sequence[MetricLike] = (),
        *,
        forward: Forward | None = None,
    ) -> dict[str, Any]:
        """The loss and the metrics over a loader, without gradients and in evaluation mode.

        Args:
            model: The model; the modes of its modules are as before afterwards.
            loader: The batches.
            loss: ``loss(output, target)``, the mean over a batch; its mean over all samples is
                ``"loss"``.
            metrics: Begun anew, and updated with each batch.
            forward: ``forward(batch)`` gives the output and the target, for batches that are no
                input and target.

        Returns:
            The values by name, which are read from the device at the end.

        Raises:
            ArgumentError: There is neither a loss nor a metric, or two have one name.
            EmptyEpochError: The loader has no batch.
        """
        values = Evaluation(model, loader, loss, metrics, forward, self._of_run).run()
        assert values is not None, "nobody asked the evaluation to leave"
        return values

    def predict(
        self,
        model: Module,
        loader: Iterable[Any],
        *,
        forward: Callable[[Any], Any] | None = None,
        keep: bool = False,
    ) -> Any:
        """The outputs of a model, without gradients and in evaluation mode.

        Args:
            model: The model.
            loader: The batches: inputs, or inputs and targets.
            forward: ``forward(batch)`` gives the output (default: ``model(input)``).
            keep: Whether all outputs are gathered, on the host.

        Returns:
            An iterator over the outputs of batches, each made when it is asked for; with ``keep``,
            the outputs of all samples in one. They come in the loader's order, which is that of the
            data set only without ``shuffle``.

        Warns:
            RuntimeWarning: With ``keep``, the loader shuffles.

        Raises:
            EmptyEpochError: With ``keep``, if the loader has no batch.
        """
        if keep and getattr(loader, "shuffle", False) is True:
            warn(
                "the loader shuffles, so the outputs are not in the data set's order: predict from "
                "a loader without shuffle=True"
            )
        outputs = predictions(model, loader, forward)
        return gathered(outputs) if keep else outputs

    def epoch_avg_loss(self) -> float:
        """The mean of the losses of all steps since :meth:`reset_epoch`; waits for the device.

        Every step weighs the same, however many samples its batch held.

        Warns:
            RuntimeWarning: The mean is infinite or not a number.

        Raises:
            EmptyEpochError: There was no step.
        """
        if self._steps == 0:
            raise EmptyEpochError(
                "no step was taken since the epoch began, so its mean loss is undefined; an empty "
                "loader (fewer samples than a batch, with drop_last=True) is the usual reason"
            )
        totals, specials, _ = zip(*(losses.read() for losses in self._sums.values()), strict=True)
        mean = sum(specials) or float(Fraction(sum(totals), self._steps << UNITS))
        if not math.isfinite(mean):
            warn(
                f"the mean loss of the epoch's {self._steps} steps is {mean}: training diverged in "
                "at least one of them; lower the learning rate or clip the gradients"
            )
        return mean

    def reset_epoch(self) -> None:
        """Begin a new epoch: forget the losses so far."""
        self._steps = 0
        for losses in self._sums.values():
            losses.clear()

    def _step(self, grad_hook: GradHook, forward: Callable[[*Ts], Tensor], *inputs: *Ts) -> Tensor:
        """All that happens on the device in a step."""
        loss = checked_loss(forward(*inputs))
        grads = loss.backward()
        optimizer = self._optimizers["optimizer"]
        grad_hook(grads, list(optimizer.params))
        optimizer.step(grads)
        loss = loss.detach()
        self._sum(loss.device).add(loss)
        return loss

    def _shared_step(
        self, shards: Shards, grad_hook: GradHook, forward: Callable[..., Tensor], inputs: Any
    ) -> Tensor:
        """A step over shards, of this process alone or of several."""
        if self._loop is None:
            self._loop = SharedLoop(shards, self._optimizers, self._capture is True)
        loss = self._loop(forward, inputs, is_hooked=grad_hook is not _leave)
        self._sum(loss.device).add(loss)
        return loss

    def _sum(self, device: Device) -> LossSum:
        """The running sum on a device, one for the trainer's life."""
        if device not in self._sums:
            self._sums[device] = LossSum(device)
        return self._sums[device]


def _leave(grads: GradientStore, params: Sequence[Parameter]) -> None:
    """Leave the gradients as they are."""
