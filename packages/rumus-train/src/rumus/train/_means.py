"""The means of what steps return, each weighted by its samples, read when somebody asks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, NamedTuple

from rumus.tensor import Tensor

from ._exact_sum import UNITS
from ._loss_sum import LossSum, Read, read_all


class Sum(NamedTuple):
    """What was summed of one name.

    Attributes:
        samples: How many samples its values stand for.
        units: The sum of the finite ones, times the samples, in units of 2**-149.
        found: How often a reading found values that are not finite.
        special: What they came to at the latest such reading.
        values: How many values were summed.
        first: Which of them, from 0, was the first that is not finite; -1 if all are.
    """

    samples: int = 0
    units: int = 0
    found: int = 0
    special: float = 0.0
    values: int = 0
    first: int = -1

    def plus(self, other: Sum) -> Sum:
        """What was summed of both, the other's values behind these."""
        behind = -1 if other.first < 0 else self.values + other.first
        return Sum(
            self.samples + other.samples,
            self.units + other.units,
            self.found + other.found,
            self.special + other.special,
            self.values + other.values,
            self.first if self.first >= 0 else behind,
        )


@dataclass(frozen=True)
class Totals:
    """The sums of a run up to some step; the difference of two is what lies between."""

    sums: Mapping[str, Sum] = field(default_factory=dict)

    def since(self, before: Totals) -> dict[str, float]:
        """The means of what came after another reading, by name."""
        means = {}
        for name, now in self.sums.items():
            then = before.sums.get(name, Sum())
            samples = now.samples - then.samples
            if samples and now.found > then.found:
                means[name] = now.special
            elif samples:
                means[name] = float(Fraction(now.units - then.units, samples << UNITS))
        return means

    def plus(self, other: Totals) -> Totals:
        """The sums of both."""
        names = dict.fromkeys([*self.sums, *other.sums])
        return Totals({n: self.sums.get(n, Sum()).plus(other.sums.get(n, Sum())) for n in names})

    def state_dict(self) -> dict[str, list[Any]]:
        """The sums, as JSON can hold them."""
        return {name: list(total) for name, total in self.sums.items()}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Totals:
        """The totals of a :meth:`state_dict`."""
        return cls({name: Sum(*total) for name, total in state.items()})


class Means:
    """Sums scalars by name where they are; :meth:`read` waits for the device once."""

    def __init__(self) -> None:
        self._sums: dict[str, LossSum] = {}
        self._base: dict[str, Sum] = {}
        self._samples: dict[str, int] = {}
        self._values: dict[str, int] = {}
        self._cleared: dict[str, int] = {}
        """Values of a sum when it began anew."""
        self._read: Totals | None = None

    def add(self, outputs: Mapping[str, Tensor], samples: int) -> None:
        """Add what a step returned, on its device."""
        for name, value in outputs.items():
            if value.shape == ():
                if name not in self._sums:
                    self._sums[name] = LossSum(value.device)
                self._sums[name].add(value, samples)

    def count(self, outputs: Mapping[str, Tensor], samples: int) -> None:
        """Count what was added; a replayed step adds by itself, and does not count."""
        self._read = None
        for name, value in outputs.items():
            if value.shape == ():
                self._samples[name] = self._samples.get(name, 0) + samples
                self._values[name] = self._values.get(name, 0) + 1

    @property
    def names(self) -> list[str]:
        """What was counted so far."""
        return list(self._samples)

    def read(self) -> Totals:
        """All sums so far; read from the device once for each step at most."""
        if self._read is None:
            names = list(self._sums)
            found = dict(zip(names, read_all([self._sums[n] for n in names]), strict=True))
            nothing = Read(0, 0.0, 0)
            totals = {name: self._total(name, found.get(name, nothing)) for name in self._samples}
            self._read = Totals(totals)
        return self._read

    def load(self, totals: Totals) -> None:
        """Go on from other sums."""
        for sums in self._sums.values():
            sums.clear()
        self._base = dict(totals.sums)
        self._samples = {name: total.samples for name, total in totals.sums.items()}
        self._values = {name: total.values for name, total in totals.sums.items()}
        self._cleared = dict(self._values)
        self._read = None

    def _total(self, name: str, found: Read) -> Sum:
        base, values = self._base.get(name, Sum()), self._values[name]
        total = base._replace(
            samples=self._samples[name], units=base.units + found.units, values=values
        )
        if found.special:
            # Forgotten on the device, so that the next reading tells only what came after.
            total = total._replace(found=base.found + 1, special=found.special)
            if total.first < 0:
                total = total._replace(first=self._cleared.get(name, 0) + found.before)
            self._base[name], self._cleared[name] = total, values
            self._sums[name].clear()
        return total
