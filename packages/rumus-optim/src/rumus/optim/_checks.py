"""Range checks that hyperparameters share; each returns the value it was given, as plain Python."""

import math
import numbers
from collections.abc import Sequence

from rumus.optim._errors import HyperparameterError


def number(name: str, value: object) -> float:
    """A finite real number."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise HyperparameterError(f"{name} must be a number, got {_shown(value)}")
    result = float(value)
    if not math.isfinite(result):
        raise HyperparameterError(f"{name} must be finite, got {value!r}")
    return result


def non_negative(name: str, value: object) -> float:
    """A finite number of at least 0."""
    result = number(name, value)
    if result < 0:
        raise HyperparameterError(f"{name} must be at least 0, got {value!r}")
    return result


def positive(name: str, value: object) -> float:
    """A finite number above 0."""
    result = number(name, value)
    if result <= 0:
        raise HyperparameterError(f"{name} must be above 0, got {value!r}")
    return result


def fraction(name: str, value: object) -> float:
    """A number in ``[0, 1)``, such as a decay rate of a moving average."""
    result = number(name, value)
    if not 0 <= result < 1:
        raise HyperparameterError(f"{name} must be in [0, 1), got {value!r}")
    return result


def several(name: str, values: object, count: int) -> Sequence[object]:
    """As many values as an option has."""
    if isinstance(values, str) or not isinstance(values, Sequence) or len(values) != count:
        raise HyperparameterError(f"{name} must be {count} numbers, got {values!r}")
    return values


def fractions(name: str, values: object) -> tuple[float, float]:
    """A pair of numbers in ``[0, 1)``."""
    first, second = several(name, values, 2)
    return fraction(f"{name}[0]", first), fraction(f"{name}[1]", second)


def count(name: str, value: object, least: int = 1, most: int | None = None) -> int:
    """A whole number of at least ``least``, and at most ``most`` if that is given."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise HyperparameterError(f"{name} must be a whole number, got {value!r}")
    result = int(value)
    if result < least:
        raise HyperparameterError(f"{name} must be at least {least}, got {value!r}")
    if most is not None and result > most:
        raise HyperparameterError(f"{name} must be at most {most}, got {value!r}")
    return result


def choice(name: str, value: str, allowed: tuple[str, ...]) -> str:
    """One of a few words."""
    if value not in allowed:
        raise HyperparameterError(f"{name} must be one of {', '.join(allowed)}, got {value!r}")
    return value


def _shown(value: object) -> str:
    """A value in an error; of an optimizer given to a schedule, what to give."""
    if callable(getattr(value, "get_lr", None)):
        return (
            f"a {type(value).__name__}; a schedule takes the rate, such as optimizer.get_lr(), and "
            "optimizer.set_lr(schedule.get_lr()) sets what it says"
        )
    return repr(value)


def type_name(value: object) -> str:
    """The name of a value's class, behind its package if that is another framework's."""
    cls = type(value)
    package = cls.__module__.partition(".")[0]
    named = package in ("rumus", "builtins", "numpy", "__main__")
    return cls.__name__ if named else f"{package}.{cls.__name__}"
