"""Reading what may not be a state dict."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from rumus.optim._errors import OptimizerStateError


@contextmanager
def reading(whose: str, state: object) -> Iterator[None]:
    """Turn whatever goes wrong with a state's contents into an error that says whose state it is.

    Raises:
        OptimizerStateError: ``state`` is no mapping, or cannot be read.
    """
    if not isinstance(state, Mapping):
        raise OptimizerStateError(
            f"the state of {whose} is a dict that state_dict() made, not a {type(state).__name__}"
        )
    try:
        yield
    except OptimizerStateError:
        raise
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise OptimizerStateError(f"the state of {whose} cannot be read: {error}") from error
