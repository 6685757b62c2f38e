"""What a learning-rate scheduler is, and the base of those that are a formula of the step."""

import inspect
import math
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, Self, cast, runtime_checkable

from rumus.optim import _checks
from rumus.optim._errors import HyperparameterError, OptimizerStateError
from rumus.optim._foreign import unknown
from rumus.optim._foreign_options import NAMES_OF_SCHEDULES, OF_SCHEDULES, refuse_foreign
from rumus.optim._reading import reading

StateDict = dict[str, Any]
Unit = Literal["epoch", "step"]
"""What a schedule counts: epochs, or optimizer steps."""


class _Rates(Protocol):
    """What all schedulers have."""

    @property
    def unit(self) -> Unit:
        """What the schedule counts, and so where :meth:`step` is called."""
        ...

    def get_lr(self) -> float:
        """The learning rate of the current step."""
        ...

    def set_initial_lr(self, lr: float) -> None:
        """Rescale the whole schedule to another initial learning rate."""
        ...

    def state_dict(self) -> StateDict:
        """Where the schedule stands: a few numbers that JSON can hold."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue where a scheduler of the same class stood."""
        ...


@runtime_checkable
class LRScheduler(_Rates, Protocol):
    """A learning rate that changes from step to step.

    A scheduler does not own the optimizer: ``optimizer.set_lr(scheduler.get_lr())`` joins them.

    Example:
        >>> schedule: LRScheduler = StepLR(0.8, step_size=1, gamma=0.5)
        >>> schedule.step()
        >>> schedule.get_lr()
        0.4
    """

    def step(self) -> None:
        """Go on to the next step."""
        ...


@runtime_checkable
class MetricScheduler(_Rates, Protocol):
    """A learning rate that follows a metric, which each step is given.

    Example:
        >>> schedule: MetricScheduler = ReduceLROnPlateau(0.1, factor=0.5, patience=0)
        >>> for loss in (1.0, 1.0, 1.0):
        ...     schedule.step(loss)
        >>> schedule.get_lr()
        0.025
    """

    @property
    def mode(self) -> Literal["min", "max"]:
        """Whether a smaller or a larger metric is better."""
        ...

    def step(self, metric: float) -> None:
        """Take the metric of a step into account."""
        ...


MOST_UNREAD = 10
"""Steps in a row without a look at the rate until a schedule says so."""


class Counting:
    """What a schedule counts."""

    counts: ClassVar[Unit] = "epoch"
    """The :attr:`unit` that schedules of a class begin with."""
    _unit: Unit | None = None
    _unread = 0
    """Steps since the rate was read; negative once somebody was told."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Note what it is made of."""
        if kwargs:
            refuse_foreign(cls.__name__, cls.__init__, kwargs, OF_SCHEDULES)
        made = super().__new__(cls)
        made._given = args, kwargs
        return made

    _given: tuple[tuple[Any, ...], dict[str, Any]]

    if not TYPE_CHECKING:  # else checkers would take any name

        def __getattr__(self, name: str) -> Any:
            unknown(self, name, NAMES_OF_SCHEDULES)

    def __repr__(self) -> str:
        args, kwargs = self._given
        bound = inspect.signature(type(self)).bind(*args, **kwargs)
        bound.apply_defaults()
        shown = [f"{name}={self._shown(name, given)}" for name, given in bound.arguments.items()]
        return f"{type(self).__name__}({', '.join(shown)})"

    def _shown(self, name: str, given: Any) -> str:
        """An argument as it is now, where it may be set, or was a sequence that is used up."""
        value = getattr(self, f"_{name}", given)
        return getattr(value, "__qualname__", None) or repr(value)

    def _stepped(self) -> None:
        """Say so once, where steps follow each other and nobody reads the rate."""
        if self._unread >= 0:
            self._unread += 1
        if self._unread == MOST_UNREAD:
            self._unread = -1
            warnings.warn(
                f"{type(self).__name__} was stepped {MOST_UNREAD} times in a row and its rate was "
                "not read: a schedule does not know the optimizer, which gets the rate by "
                "optimizer.set_lr(schedule.get_lr())",
                RuntimeWarning,
                stacklevel=3,
            )

    def _was_read(self) -> None:
        if self._unread > 0:
            self._unread = 0

    @property
    def unit(self) -> Unit:
        """What a step is: an ``"epoch"``, or a ``"step"`` of an optimizer; may be set.

        It says where ``step`` is called, and changes no rate. :class:`CyclicLR`,
        :class:`OneCycleLR` and :class:`WarmupCosine` count steps, all others epochs.

        Raises:
            HyperparameterError: set to something else.
        """
        return self._unit or self.counts

    @unit.setter
    def unit(self, unit: Unit) -> None:
        self._unit = cast(Unit, _checks.choice("unit", unit, ("epoch", "step")))


class Schedule(Counting, ABC):
    """A scheduler whose learning rate is a function of the number of steps alone.

    A subclass gives :meth:`lr_at`. Nothing is accumulated, so step 10,000 is as exact as step 1
    and a checkpoint needs no more than the counter.

    Args:
        initial_lr: the learning rate of step 0, at least 0.

    Raises:
        HyperparameterError: ``initial_lr`` is negative or not finite; or, from :meth:`get_lr` and
            :meth:`lr_at`, the rate of a step is too large for a float.

    Example:
        >>> schedule: Schedule = StepLR(0.1, step_size=2, gamma=0.5)
        >>> rates = []
        >>> for epoch in range(4):
        ...     rates.append(schedule.get_lr())
        ...     schedule.step()
        >>> rates
        [0.1, 0.1, 0.05, 0.05]
    """

    def __init__(self, initial_lr: float) -> None:
        self._initial_lr = _checks.non_negative("initial_lr", initial_lr)
        self._step = 0

    @abstractmethod
    def lr_at(self, step: int) -> float:
        """The learning rate after ``step`` calls of :meth:`step`; ``step`` is at least 0."""

    @property
    def initial_lr(self) -> float:
        """The learning rate that the schedule scales."""
        return self._initial_lr

    @property
    def last_step(self) -> int:
        """How many times :meth:`step` was called."""
        return self._step

    def step(self) -> None:
        """Go on to the next step."""
        self._step += 1
        self._stepped()

    def get_lr(self) -> float:
        """The learning rate of the current step."""
        self._was_read()
        return self.lr_at(self._step)

    def set_initial_lr(self, lr: float) -> None:
        """Rescale the whole schedule to another initial learning rate.

        Raises:
            HyperparameterError: ``lr`` is negative or not finite.
        """
        self._initial_lr = _checks.non_negative("initial_lr", lr)

    def state_dict(self) -> StateDict:
        """The class's name, the initial learning rate and the step: all that JSON can hold."""
        return {
            "scheduler": type(self).__name__,
            "initial_lr": self._initial_lr,
            "step": self._step,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue where a scheduler of the same class stood.

        Raises:
            OptimizerStateError: ``state`` is of another class or lacks an entry.
        """
        with reading_state(self, state, ("initial_lr", "step")):
            lr = _checks.non_negative("initial_lr", state["initial_lr"])
            step = _checks.count("step", state["step"], least=0)
        self._initial_lr, self._step = lr, step


def finite(schedule: object, step: int, lr: float) -> float:
    """A learning rate that a step can have.

    Raises:
        HyperparameterError: it is infinite or NaN.
    """
    if not math.isfinite(lr):
        raise HyperparameterError(
            f"{type(schedule).__name__}'s learning rate at step {step} is too large for a float; "
            f"make its factors or its number of steps smaller"
        )
    return lr


def grown(lr: float, factor: float, times: int) -> float:
    """``lr · factor^times``, infinite where a float has no room for it."""
    try:
        return float(lr * factor**times)
    except OverflowError:
        # In halves: a small rate times a power without room may have room.
        half = times // 2
        try:
            return float(lr * factor**half * factor ** (times - half))
        except OverflowError:
            return math.inf if lr else 0.0


@contextmanager
def reading_state(
    scheduler: object, state: Mapping[str, Any], keys: tuple[str, ...]
) -> Iterator[None]:
    """Read a state, which must be of the same class and have the keys."""
    name = type(scheduler).__name__
    with reading(f"a {name}", state):
        given = state.get("scheduler")
        if given != name:
            raise OptimizerStateError(f"expected the state of a {name}, got that of {given!r}")
        missing = [key for key in keys if key not in state]
        if missing:
            raise OptimizerStateError(f"the state of the {name} lacks {', '.join(missing)}")
        yield
