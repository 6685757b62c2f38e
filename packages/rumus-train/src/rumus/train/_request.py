"""The arguments of ``Trainer.fit``, checked and made into a run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

from rumus.nn import Module
from rumus.optim import WeightAverage
from rumus.tensor import ArgumentError

from ._checked import type_name
from ._evaluate import Evaluation, Loss, MetricLike, Validate
from ._events import Hooks
from ._parallel.averages import SharedAverage
from ._parallel.shards import Shards
from ._parallel.shared_step import SharedStep
from ._rates import Rates, Schedules
from ._run import Clip, Plan, Run, StepFunction
from ._signals import Interrupts
from ._step import Capture, LossStep, Stepper

_OF_RATES = ("lr", "params")
_ADDRESS = re.compile(r" at 0x[0-9A-Fa-f]+")
"""Of an object whose text names no value: another one in each process."""


@dataclass
class Request:
    """What ``Trainer.fit`` was given; see there."""

    model: Module
    loader: Iterable[Any]
    loss: Loss | None
    step: StepFunction | None
    epochs: int | None
    steps: int | None
    validate: Validate | Iterable[Any] | None
    metrics: Sequence[MetricLike]
    schedule: Schedules | None
    clip: Clip | None
    accumulate: int
    average: WeightAverage | None
    callbacks: Sequence[Any]

    def prepared(
        self, optimizers: Mapping[str, Any], capture: Capture, shards: Shards | None = None
    ) -> tuple[Run, dict[str, Any]]:
        """The run, and the settings that its numbers depend on.

        Args:
            optimizers: By name.
            capture: As in ``Trainer``.
            shards: Who computes what; None for a process alone with whole batches.

        Raises:
            ArgumentError: Arguments are outside their range, or do not go together.
        """
        self._check(optimizers)
        step = LossStep(self.loss) if self.step is None and self.loss else self.step
        assert step is not None, "one of the two is there, which was checked"
        validate = self._validate()
        plan = Plan(
            step=Stepper(step, capture),
            epochs=self.epochs,
            steps=self.steps,
            clip=self._clip(),
            accumulate=self.accumulate,
            average=self._average(shards),
            validate=validate,
        )
        evaluation = None
        if validate is not None:
            loss = validate.loss or self.loss
            evaluation = Evaluation(
                self.model, validate.loader, loss, self.metrics, validate.forward, shards
            )
        if not self.model.training:
            self.model.train()
        rates = Rates(optimizers, self.schedule)
        hooks = Hooks(self.callbacks, is_first=shards is None or shards.group.rank == 0)
        loader, shared = self.loader, None
        settings = self._settings(optimizers, rates)
        if shards is not None:
            if callable(self.clip):
                raise ArgumentError(
                    "with shards, of one process or several, clip is a norm: gradients are whole "
                    "only after the fold, each in the process that owns it, so that a function "
                    "would see a part of them"
                )
            settings["shards"] = shards.count
            loader = shards.loader(self.loader)
            shared = SharedStep(shards, optimizers, self.model.modules())
        run = Run(
            self.model, optimizers, loader, plan, rates, hooks, evaluation, Interrupts(), shared
        )
        return run, settings

    def _clip(self) -> Clip | None:
        """A norm as a float, whatever kind of number it was."""
        return self.clip if self.clip is None or callable(self.clip) else float(self.clip)

    def _average(self, shards: Shards | None) -> WeightAverage | SharedAverage | None:
        """What this process keeps of the averaged weights."""
        if self.average is None or shards is None or shards.group.size == 1:
            return self.average
        return SharedAverage(self.average, shards.group)

    def _validate(self) -> Validate | None:
        if self.validate is None or isinstance(self.validate, Validate):
            return self.validate
        return Validate(self.validate)

    def _settings(self, optimizers: Mapping[str, Any], rates: Rates) -> dict[str, Any]:
        """What may not change where a run goes on; how long it is may."""
        settings: dict[str, Any] = {
            **_modules(self.model),
            "loss": None if self.loss is None else _name(self.loss),
            "clip": _name(self.clip) if callable(self.clip) else self._clip(),
            "accumulate": self.accumulate,
            "average": None if self.average is None else self.average.decay,
        }
        for name, optimizer in optimizers.items():
            settings[name] = type(optimizer).__name__
            if name not in rates.schedules and hasattr(optimizer, "get_lr"):
                settings[f"{name}.lr"] = optimizer.get_lr()
            for k, group in enumerate(getattr(optimizer, "groups", ())):
                options = {n: v for n, v in group.items() if n not in _OF_RATES}
                settings |= {f"{name}.{k}.{n}": _plain(v) for n, v in options.items()}
        for name, schedule in rates.schedules.items():
            settings[f"{name}.schedule"] = _ADDRESS.sub("", repr(schedule))
        return settings

    def _check(self, optimizers: Mapping[str, Any]) -> None:
        if not isinstance(self.model, Module):
            raise ArgumentError(
                f"fit trains an nn.Module, not a {type_name(self.model)}: fit(model, loader, "
                "loss, epochs=...)"
            )
        if (self.loss is None) == (self.step is None):
            raise ArgumentError(
                "fit takes a loss, loss(output, target), or a step, step(run, batch): one of them"
            )
        for name, function in (("loss", self.loss), ("step", self.step)):
            if function is not None and not callable(function):
                raise ArgumentError(f"{name} is a function, not a {type_name(function)}")
        if self.step is None and len(optimizers) > 1:
            raise ArgumentError("with several optimizers fit takes a step, which says which to use")
        if self.epochs is None and self.steps is None:
            raise ArgumentError("fit takes the number of epochs, or of steps")
        for name, count in (("epochs", self.epochs), ("steps", self.steps)):
            if count is not None and (type(count) is not int or count < 0):
                raise ArgumentError(f"{name} is a whole number from 0, not {count!r}")
        if type(self.accumulate) is not int or self.accumulate < 1:
            raise ArgumentError(f"accumulate is a whole number from 1, not {self.accumulate!r}")
        is_norm = isinstance(self.clip, Real) and self.clip > 0
        if not (self.clip is None or callable(self.clip) or is_norm):
            raise ArgumentError(f"clip is a norm above 0, or a function, not {self.clip!r}")
        if self.average is not None and not hasattr(self.average, "decay"):
            raise ArgumentError(
                f"average is a WeightAverage(model.named_parameters(), decay), not {self.average!r}"
            )
        averaged = isinstance(self.validate, Validate) and self.validate.averaged
        if averaged and self.average is None:
            raise ArgumentError("Validate(averaged=True) needs fit(average=WeightAverage(...))")
        if self.metrics and self.validate is None:
            raise ArgumentError("metrics are measured in validations: pass validate= too")
        params = {id(p) for o in optimizers.values() for p in o.params}
        if not params & {id(p) for p in self.model.parameters()}:
            raise ArgumentError(
                f"the optimizer has no parameter of this {type(self.model).__name__}: make it of "
                "model.parameters()"
            )


def _modules(model: Module) -> dict[str, str]:
    """The model's layers by path, with what they were made with."""
    found = {"model": type(model).__name__}
    for path, module in model.named_modules():
        given = module.extra_repr()
        if path and (given or not list(module.children())):
            found[f"model.{path}"] = f"{type(module).__name__}({given})"
    return found


def _name(function: Any) -> str:
    return getattr(function, "__qualname__", type(function).__name__)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
