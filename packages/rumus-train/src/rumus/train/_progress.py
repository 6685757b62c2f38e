"""Where a run is: the only clock there is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

from ._errors import CheckpointError


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run has come. The x axis of everything is :attr:`step`.

    Attributes:
        step: Steps of the optimizers; with accumulation a step is several batches.
        epoch: The epoch that is running, from 0.
        batch: Batches of that epoch that were taken.
        samples: Samples since the run began, in all epochs.

    Example:
        >>> Progress().after_batch(32).after_step()
        Progress(step=1, epoch=0, batch=1, samples=32)
    """

    step: int = 0
    epoch: int = 0
    batch: int = 0
    samples: int = 0

    def after_batch(self, samples: int) -> Progress:
        """One batch later."""
        return Progress(self.step, self.epoch, self.batch + 1, self.samples + samples)

    def after_step(self) -> Progress:
        """One step later."""
        return Progress(self.step + 1, self.epoch, self.batch, self.samples)

    def after_epoch(self) -> Progress:
        """At the beginning of the next epoch."""
        return Progress(self.step, self.epoch + 1, 0, self.samples)

    def state_dict(self) -> dict[str, int]:
        """The four numbers, which JSON can hold."""
        return asdict(self)

    @classmethod
    def from_state(cls, state: Mapping[str, int]) -> Progress:
        """The progress of a :meth:`state_dict`.

        Raises:
            CheckpointError: It has other entries, or one that is no count.
        """
        names = {field.name for field in fields(cls)}
        if set(state) != names or any(type(n) is not int or n < 0 for n in state.values()):
            raise CheckpointError(f"a progress is {', '.join(sorted(names))}, not {dict(state)!r}")
        return cls(**state)
