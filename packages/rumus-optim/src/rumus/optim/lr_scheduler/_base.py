"""What a learning-rate scheduler is, and the base of those that are a formula of the step."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol, runtime_checkable

from rumus.optim import _checks
from rumus.optim._errors import OptimizerStateError
from rumus.optim._reading import reading

StateDict = dict[str, Any]


@runtime_checkable
class LRScheduler(Protocol):
    """A learning rate that changes from step to step.

    A scheduler does not own the optimizer: ``optimizer.set_lr(scheduler.get_lr())`` joins them.
    Whether a step is an epoch or a batch is decided by where :meth:`step` is called.
    """

    def step(self) -> None:
        """Go on to the next step."""
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


class Schedule(ABC):
    """A scheduler whose learning rate is a function of the number of steps alone.

    A subclass gives :meth:`lr_at`. Nothing is accumulated, so step 10,000 is as exact as step 1
    and a checkpoint needs no more than the counter.

    Args:
        initial_lr: the learning rate of step 0, at least 0.

    Raises:
        HyperparameterError: ``initial_lr`` is negative or not finite.
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

    def get_lr(self) -> float:
        """The learning rate of the current step."""
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
