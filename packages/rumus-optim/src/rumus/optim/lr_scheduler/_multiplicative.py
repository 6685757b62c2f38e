"""A learning rate that each step multiplies by a factor of the user's."""

from collections.abc import Callable, Mapping
from typing import Any

from rumus.optim import _checks
from rumus.optim._errors import HyperparameterError
from rumus.optim.lr_scheduler._base import Schedule, finite


class MultiplicativeLR(Schedule):
    r"""``lr(t) = initial_lr · lr_lambda(1) · lr_lambda(2) · … · lr_lambda(t)``.

    Args:
        initial_lr: learning rate of step 0.
        lr_lambda: takes the step (an int, from 1), returns a factor of at least 0, the same each
            time that it is asked. It is not part of the state dict.

    Raises:
        HyperparameterError: ``initial_lr`` is outside its range, ``lr_lambda`` is no function, or
            (from :meth:`get_lr`) it returned a negative factor or none.

    Example:
        >>> MultiplicativeLR(0.8, lambda t: 0.5).lr_at(3)
        0.1
    """

    def __init__(self, initial_lr: float, lr_lambda: Callable[[int], float]) -> None:
        super().__init__(initial_lr)
        if not callable(lr_lambda):
            raise HyperparameterError(f"lr_lambda must be a function, got {lr_lambda!r}")
        self._lambda = lr_lambda
        self._known = (0, 1.0)
        """A step, and the product of the factors up to it."""

    def lr_at(self, step: int) -> float:
        """The formula of the class at ``step``; later steps go on from the product of this one."""
        at, product = self._known if self._known[0] <= step else (0, 1.0)
        while at < step:
            at += 1
            product *= _checks.non_negative(f"lr_lambda({at})", self._lambda(at))
        self._known = at, product
        return finite(self, step, self._initial_lr * product)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue where a scheduler of the same class stood; the function is asked anew."""
        super().load_state_dict(state)
        self._known = (0, 1.0)
