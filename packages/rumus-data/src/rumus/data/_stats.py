"""Where the time of an epoch went."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import perf_counter

from ._fetch import Fetched

_SMALL_WAIT = 0.05  # of the loop's time


@dataclass
class LoaderStats:
    """What a loader measured in its latest epoch, up to now.

    Attributes:
        epoch: The number of the epoch.
        num_workers: Threads that made batches; 0 if the loop's own thread made them.
        batches: Batches taken by the loop.
        samples: Samples in them.
        skipped: Samples left out because they could not be read.
        fetch_seconds: Time spent in the data set, summed over the threads.
        collate_seconds: Time spent putting samples together, summed over the threads.
        upload_seconds: Time spent on tensors and their way to the device, summed over the threads.
        wait_seconds: Time that the loop waited for batches.
        elapsed_seconds: Time from the start of the epoch to the latest batch.
        queue_depth: Finished batches that waited, on average over the moments when one was taken.

    Example:
        >>> loader = DataLoader(ArrayDataset(np.zeros(6), np.zeros(6)), batch_size=2)
        >>> for batch in loader:
        ...     pass
        >>> loader.stats().batches, loader.stats().samples
        (3, 6)
    """

    epoch: int = 0
    num_workers: int = 0
    batches: int = 0
    samples: int = 0
    skipped: int = 0
    fetch_seconds: float = 0.0
    collate_seconds: float = 0.0
    upload_seconds: float = 0.0
    wait_seconds: float = 0.0
    elapsed_seconds: float = 0.0
    queue_depth: float = 0.0
    _started: float = field(default_factory=perf_counter, repr=False)

    def add(self, batch: Fetched, waited: float, depth: int) -> None:
        """Count a batch that the loop took."""
        self.fetch_seconds += batch.fetch_seconds
        self.collate_seconds += batch.collate_seconds
        self.upload_seconds += batch.upload_seconds
        self.wait_seconds += waited
        self.elapsed_seconds = perf_counter() - self._started
        self.skipped += len(batch.failures)
        if batch.item is not None:
            self.batches += 1
            self.samples += batch.samples
            self.queue_depth += (depth - self.queue_depth) / self.batches

    @property
    def bottleneck(self) -> str:
        """One line that says what held the loop up."""
        if not self.batches:
            return "nothing measured yet: no batch was taken"
        waited = self.wait_seconds / max(self.elapsed_seconds, 1e-9)
        if waited < _SMALL_WAIT:
            return f"the loop's own work: it waited for data {waited:.1%} of its time"
        parts = {
            "reading samples (the data set)": self.fetch_seconds,
            "putting samples together (collate)": self.collate_seconds,
            "bringing batches to the device": self.upload_seconds,
        }
        worst = max(parts, key=parts.__getitem__)
        share = parts[worst] / max(sum(parts.values()), 1e-9)
        return (
            f"{worst}: {share:.0%} of the loader's work; the loop waited {waited:.0%} of its time"
        )
