"""What a batch goes through: a step function, captured on a GPU where that was asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from rumus.tensor import ArgumentError, Tensor

from ._batches import input_and_target
from ._capturable import reason_against
from ._replay import CapturedSteps
from ._run import Run, StepFunction
from ._warn import warn

Capture = bool | Literal["auto"]


class LossStep:
    """The step of a loss: ``loss(model(input), target)``, and its minimization.

    Args:
        loss: A mean over the batch.
    """

    def __init__(self, loss: Callable[[Any, Any], Tensor]) -> None:
        self.loss = loss

    def __call__(self, run: Run, batch: Any) -> Mapping[str, Tensor]:
        """One batch."""
        input, target = input_and_target(batch, "step=, a function of the run and the batch")
        loss = self.loss(run.model(input), target)
        run.minimize(loss)
        return {"loss": loss}


class Stepper:
    """Runs a step function, checks and sums what it returns.

    Args:
        step: Of the user's, or a :class:`LossStep`.
        capture: As in ``Trainer``.
    """

    def __init__(self, step: StepFunction, capture: Capture) -> None:
        self._step, self._capture = step, capture
        self._run: Run | None = None
        self._replay: CapturedSteps | None = None

    def __call__(self, run: Run, batch: Any) -> Mapping[str, Tensor]:
        """One batch: what the step returns, cut off from the graph."""
        return self.computed(run, batch)[0]

    def computed(self, run: Run, batch: Any) -> tuple[Mapping[str, Tensor], tuple[str, ...]]:
        """The same of a part of a batch, and the optimizers that wait for the other parts."""
        if run is not self._run:
            self._run = run
            self._replay = CapturedSteps(self._whole) if self._is_captured(run) else None
        if self._replay is None:
            return self._whole(batch)
        functions: list[Any] = [
            self._step.loss if isinstance(self._step, LossStep) else self._step,
            run.model,
        ]
        if callable(run.plan.clip):
            functions.append(run.plan.clip)
        result: tuple[Mapping[str, Tensor], tuple[str, ...]] = self._replay(
            *functions, inputs=(batch,)
        )
        return result

    def uncaptured(self) -> Stepper:
        """The same step, run as it is."""
        return Stepper(self._step, capture=False)

    def release(self) -> None:
        """Give back what recordings hold, and forget the run."""
        self._run = self._replay = None

    def _whole(self, *given: Any) -> tuple[Mapping[str, Tensor], tuple[str, ...]]:
        """All that happens on the device; the batch is the last of what is given."""
        assert self._run is not None, "the run is known before its first batch"
        outputs = _checked_outputs(self._step(self._run, given[-1]))
        if self._run.shared is not None:
            return outputs, self._run.settled()
        self._run.means.add(outputs, self._run.samples)
        return outputs, ()

    def _is_captured(self, run: Run) -> bool:
        """Whether steps are captured; if not, though it was asked for, a warning says why."""
        if not self._capture or run.device.kind == "cpu":
            return False
        reason = ""
        if self._capture == "auto":
            reason = (
                reason_against(run.model, self._step.loss)
                if isinstance(self._step, LossStep)
                else "a step of your own is captured only by Trainer(capture=True)"
            )
        if reason:
            warn(f"steps are not captured: {reason}")
        return not reason


def _checked_outputs(outputs: Any) -> dict[str, Tensor]:
    is_mapping = type(outputs) is dict or isinstance(outputs, Mapping)
    if not is_mapping or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in outputs.items()
    ):
        raise ArgumentError(
            f'a step returns tensors by name, such as {{"loss": loss}}, and returned '
            f"{type(outputs).__name__}; the scalars among them are averaged"
        )
    return {name: value.detach() for name, value in outputs.items()}
