"""One training step, and the mean loss of the steps of an epoch."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, Generic, Protocol, TypeVar, TypeVarTuple

from rumus.autograd import GradientStore
from rumus.nn import Parameter
from rumus.tensor import ArgumentError, Device, ShapeError, Tensor

from ._errors import EmptyEpochError
from ._loss_sum import UNITS, LossSum
from ._replay import CapturedSteps


class OptimizerLike(Protocol):
    """What a trainer needs of an optimizer; every one in :mod:`rumus.optim` has it."""

    @property
    def params(self) -> Sequence[Parameter]:
        """The parameters that :meth:`step` changes."""
        ...

    def step(self, grads: GradientStore) -> None:
        """Change the parameters by their gradients, taking those out of the store."""
        ...


O = TypeVar("O", bound=OptimizerLike)  # noqa: E741  one letter, like every type variable here
Ts = TypeVarTuple("Ts")
GradHook = Callable[[GradientStore, list[Parameter]], object]


class Trainer(Generic[O]):
    """Takes training steps with an optimizer, and keeps the mean loss of the epoch.

    No step waits for the device: losses are summed where they are computed, exactly, and the sum is
    read when :meth:`epoch_avg_loss` is asked for.

    Args:
        optimizer: Changes the parameters. Its type is kept: ``Trainer(AdamW(...)).optimizer`` is an
            ``AdamW``.
        capture: Whether a step on a GPU is recorded once for each shape of its inputs and then
            replayed in one submission, see :func:`rumus.gpu.capture`. What changes from step to
            step, the batch above all, must then be among the inputs of :meth:`train_step`. Numbers
            and strings that ``forward`` and the hook take from variables around them, from
            attributes of these and of their classes, and through functions, methods and modules
            that they name (six of these away at most), may change too: the step is then recorded
            anew. What they read out of a list or a dict, and from files or clocks, stays as it was
            at the recording. On the CPU steps run as they do without.

    Raises:
        ArgumentError: ``optimizer`` has no ``params`` and ``step``.

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

    def __init__(self, optimizer: O, *, capture: bool = False) -> None:
        if not (hasattr(optimizer, "params") and callable(getattr(optimizer, "step", None))):
            raise ArgumentError(
                f"a Trainer takes an optimizer, such as AdamW(model.parameters(), lr=1e-3), not a "
                f"{type(optimizer).__name__}"
            )
        self._optimizer = optimizer
        self._replay = CapturedSteps(self._step) if capture else None
        self._steps = 0
        self._sums: dict[Device, LossSum] = {}

    @property
    def optimizer(self) -> O:
        """The optimizer that was given."""
        return self._optimizer

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
        _check_callable("forward", forward)
        _check_callable("grad_hook", grad_hook)
        device = self._optimizer.params[0].device
        if self._replay is not None and device.kind == "gpu":
            self._sum(device)
            loss = self._replay(grad_hook, forward, inputs=inputs)
        else:
            loss = self._step(grad_hook, forward, *inputs)
        self._steps += 1
        return loss

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
        totals, specials = zip(*(losses.read() for losses in self._sums.values()), strict=True)
        mean = sum(specials) or float(Fraction(sum(totals), self._steps << UNITS))
        if not math.isfinite(mean):
            warnings.warn(
                f"the mean loss of the epoch's {self._steps} steps is {mean}: training diverged in "
                "at least one of them; lower the learning rate or clip the gradients",
                RuntimeWarning,
                stacklevel=2,
            )
        return mean

    def reset_epoch(self) -> None:
        """Begin a new epoch: forget the losses so far."""
        self._steps = 0
        for losses in self._sums.values():
            losses.clear()

    def _step(self, grad_hook: GradHook, forward: Callable[[*Ts], Tensor], *inputs: *Ts) -> Tensor:
        """All that happens on the device in a step."""
        loss = _checked(forward(*inputs))
        grads = loss.backward()
        grad_hook(grads, list(self._optimizer.params))
        self._optimizer.step(grads)
        loss = loss.detach()
        self._sum(loss.device).add(loss)
        return loss

    def _sum(self, device: Device) -> LossSum:
        """The running sum on a device, one for the trainer's life."""
        if device not in self._sums:
            self._sums[device] = LossSum(device)
        return self._sums[device]


def _leave(grads: GradientStore, params: Sequence[Parameter]) -> None:
    """Leave the gradients as they are."""


def _check_callable(name: str, given: object) -> None:
    if not callable(given):
        raise ArgumentError(
            f"{name} is a function, and a {type(given).__name__} was given; as in "
            "trainer.train_step(lambda: nn.mse_loss(model(x), y))"
        )


def _checked(loss: Any) -> Tensor:
    if not isinstance(loss, Tensor):
        raise ArgumentError(
            f"forward must return the loss as a Tensor, and returned {type(loss).__name__}; "
            "a `def` needs a `return`"
        )
    if loss.shape != ():
        raise ShapeError(
            f"the loss must be a scalar, of shape (), and has shape {loss.shape}; "
            "take its mean() or sum()"
        )
    return loss
