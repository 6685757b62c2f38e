"""A learning rate that drops by a factor at given steps."""

from bisect import bisect_right
from collections.abc import Iterable
from itertools import pairwise

from rumus.optim import _checks
from rumus.optim._errors import HyperparameterError
from rumus.optim.lr_scheduler._base import Schedule, finite, grown


class MultiStepLR(Schedule):
    r"""``lr(t) = initial_lr · gamma^k``, ``k`` the number of milestones that are ``≤ t``.

    Args:
        initial_lr: learning rate of step 0.
        milestones: steps at which the rate drops, in rising order.
        gamma: the factor of a drop, above 0 (default 0.1).

    Raises:
        HyperparameterError: a value is outside its range, or the milestones do not rise.

    Example:
        >>> schedule = MultiStepLR(0.4, milestones=[1, 3], gamma=0.5)
        >>> [schedule.lr_at(t) for t in range(4)]
        [0.4, 0.2, 0.2, 0.1]
    """

    def __init__(self, initial_lr: float, milestones: Iterable[int], gamma: float = 0.1) -> None:
        super().__init__(initial_lr)
        self._milestones = rising(milestones)
        self._gamma = _checks.positive("gamma", gamma)

    def lr_at(self, step: int) -> float:
        """The formula of the class at ``step``."""
        drops = bisect_right(self._milestones, step)
        return finite(self, step, grown(self._initial_lr, self._gamma, drops))


def rising(milestones: Iterable[int]) -> list[int]:
    """Milestones as a list, checked to be whole, at least 1 and in rising order."""
    if not isinstance(milestones, Iterable):
        raise HyperparameterError(f"milestones must be several steps, got {milestones!r}")
    result = [_checks.count("a milestone", m) for m in milestones]
    if not all(a < b for a, b in pairwise(result)):
        raise HyperparameterError(f"milestones must rise, got {result}")
    return result
