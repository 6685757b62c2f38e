"""Where a callback can run: the loop of ``Trainer.fit``, with every event at its place."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Any

from rumus.tensor import ArgumentError


class Event(Enum):
    """An edge of the loop. A callback's method for it is ``on_`` and its value.

    ::

        # FIT_START                      the checkpoint, if the run goes on, is loaded
        while epoch < epochs:
            # EPOCH_START                not where a run goes on within an epoch
            for batch in loader:
                # STEP_START             before the first batch of a step
                output = step(batch)     forward, backward; with accumulation for several batches
                fold, clip, update       the optimizers, the average, a schedule that counts steps
                # STEP_END
                if validate is due:
                    # VALIDATION_START
                    evaluate
                    # VALIDATION_END     run.metrics has its values
                if a checkpoint is due:
                    # CHECKPOINT         before the state is taken
                    save
            if validate is due:
                # VALIDATION_START, VALIDATION_END
            # EPOCH_END                  run.progress and the rates are still the epoch's
            a schedule that counts epochs
            if a checkpoint is due:
                # CHECKPOINT
        # EXCEPTION                      instead of FIT_END, where something was raised
        # FIT_END                        the last checkpoint is on disk

    A callback runs between two steps and never within one: what it wants from inside is an output
    of the step. ``run.stop(reason)`` ends the run at the next edge.

    Example:
        >>> from rumus.train import OnEvent
        >>> hello = OnEvent(Event.FIT_START, lambda run: print("begun"))
        >>> [event.value for event in Event][:3]
        ['fit_start', 'epoch_start', 'step_start']
    """

    FIT_START = "fit_start"
    EPOCH_START = "epoch_start"
    STEP_START = "step_start"
    STEP_END = "step_end"
    VALIDATION_START = "validation_start"
    VALIDATION_END = "validation_end"
    EPOCH_END = "epoch_end"
    CHECKPOINT = "checkpoint"
    EXCEPTION = "exception"
    FIT_END = "fit_end"


class Callback:
    """Does something at the events that it has methods for; one that is missing costs nothing.

    Any object with such methods is a callback; deriving from this class is not needed. One with
    ``state_dict`` and ``load_state_dict`` is saved in checkpoints. Of several processes that train
    together each has its own; one whose ``first_only`` is true, as of all that write, works in the
    first process alone. Where one may call ``run.stop``, processes tell each other between any two
    steps whether it has; if it never does, ``may_stop = False`` saves them that.

    Example:
        >>> class PrintEpochs(Callback):
        ...     def on_epoch_end(self, run):
        ...         print(run.progress.epoch, run.read())
    """


class Hooks:
    """The methods of callbacks, by event.

    Args:
        callbacks: Objects with such methods.
        is_first: Whether this process is the first of those that train together.

    Raises:
        ArgumentError: A callback has a method for an event that does not exist, or none at all.
    """

    callbacks: list[Any]

    def __init__(self, callbacks: Iterable[Any], is_first: bool = True) -> None:
        if not isinstance(callbacks, Iterable):
            raise ArgumentError(
                f"callbacks is a list, as in [{type(callbacks).__name__}(...)], not one of them"
            )
        given = list(callbacks)
        for callback in given:
            _check(callback)
        self.callbacks = [c for c in given if is_first or not getattr(c, "first_only", False)]
        self._by_event = {
            event: [
                getattr(callback, f"on_{event.value}")
                for callback in self.callbacks
                if hasattr(callback, f"on_{event.value}")
            ]
            for event in Event
        }

    def has(self, event: Event) -> bool:
        """Whether a callback has a method for an event."""
        return bool(self._by_event[event])

    def emit(self, event: Event, run: Any) -> None:
        """Call what callbacks have for an event, in their order."""
        for hook in self._by_event[event]:
            hook(run)


def _check(callback: Any) -> None:
    known = {f"on_{event.value}" for event in Event}
    own = {name for name in dir(callback) if name.startswith("on_")}
    if isinstance(callback, type):
        raise ArgumentError(f"a callback is an object, {callback.__name__}(...), and not its class")
    if own - known:
        raise ArgumentError(
            f"{type(callback).__name__}.{min(own - known)} is no event's; there are "
            f"{', '.join(sorted(known))}"
        )
    if not own:
        raise ArgumentError(
            "a callback is an object with a method such as on_step_end(run), and a "
            f"{type(callback).__name__} has none; OnEvent(Event.STEP_END, function) makes one of a "
            "function"
        )
