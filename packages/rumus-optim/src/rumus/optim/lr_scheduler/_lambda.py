"""A learning rate multiplied by a function of the user."""

from collections.abc import Callable

from rumus.optim import _checks
from rumus.optim._errors import HyperparameterError
from rumus.optim.lr_scheduler._base import Schedule, finite


class LambdaLR(Schedule):
    r"""``lr(t) = initial_lr · lr_lambda(t)``.

    Args:
        initial_lr: the learning rate that the function multiplies.
        lr_lambda: takes the step (an int, from 0), returns a factor of at least 0. It is not part
            of the state dict.

    Raises:
        HyperparameterError: ``initial_lr`` is outside its range, ``lr_lambda`` is no function, or
            (from :meth:`get_lr`) it returned a negative factor or none.

    Example:
        >>> LambdaLR(0.4, lambda t: 1 / (t + 1)).lr_at(3)
        0.1
    """

    def __init__(self, initial_lr: float, lr_lambda: Callable[[int], float]) -> None:
        super().__init__(initial_lr)
        if not callable(lr_lambda):
            raise HyperparameterError(f"lr_lambda must be a function, got {lr_lambda!r}")
        self._lambda = lr_lambda

    def lr_at(self, step: int) -> float:
        """The formula of the class at ``step``."""
        try:
            factor = _checks.non_negative(f"lr_lambda({step})", self._lambda(step))
        except OverflowError as error:
            raise HyperparameterError(f"lr_lambda({step}) is too large: {error}") from None
        return finite(self, step, self._initial_lr * factor)
