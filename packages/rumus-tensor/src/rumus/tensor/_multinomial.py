"""Numbers of categories, by their probabilities."""

from __future__ import annotations

import math

from rumus._backends.generator import Generator
from rumus._backends.registry import backend_of
from rumus._core.dtypes import float32, int32, is_float
from rumus._core.errors import ArgumentError, DTypeError
from rumus._core.shapes import whole_number

from ._random import drawn_from
from ._tensor import Tensor


def multinomial(
    probs: Tensor,
    num_samples: int,
    replacement: bool = False,
    generator: Generator | None = None,
) -> Tensor:
    """Numbers of categories, drawn as likely as their probabilities say.

    Without replacement they come in the order of an exponential race, which draws one after the
    other from those that are left (Efraimidis and Spirakis, 2006).

    Args:
        probs: Floats of shape (…, categories), not negative; they need not add up to 1.
        num_samples: How many are drawn of each row.
        replacement: Whether a category can be drawn again.
        generator: What they are drawn from; by default what ``manual_seed`` starts.

    Returns:
        int32, of shape (…, ``num_samples``).

    Raises:
        ArgumentError: There are not so many categories, a probability is negative or not finite,
            or too few of a row are above 0; on the GPU, the last two are reported when results are
            next read.
        DTypeError: ``probs`` holds no floats.

    Example:
        >>> from rumus.tensor import tensor
        >>> multinomial(tensor([0.0, 1.0]), 1).tolist()
        [1]
    """
    if not is_float(probs.dtype):
        raise DTypeError(f"multinomial takes probabilities in floats, not {probs.dtype}")
    count = whole_number("multinomial: num_samples", num_samples)
    if not probs.ndim or count < 0 or (not replacement and count > probs.shape[-1]):
        raise ArgumentError(
            f"multinomial: {count} samples {'with' if replacement else 'without'} replacement "
            f"of probabilities of shape {probs.shape}"
        )
    whole = *probs.shape[:-1], count
    rows = math.prod(probs.shape[:-1])
    chances = probs.detach().to(float32).reshape(rows, probs.shape[-1])
    needed = min(1, count) if replacement else count
    _check_chances(chances, needed)
    if not chances.size or not count:
        return Tensor._wrap(backend_of(probs.device).full(whole, 0, int32), probs.device)
    draw = _with_replacement if replacement else _without_replacement
    return draw(chances, count, generator).reshape(whole)


def _check_chances(chances: Tensor, needed: int) -> None:
    be = backend_of(chances.device)
    is_right = (chances >= 0) & chances.isfinite()
    be.check(is_right.array, "multinomial: probability {0} is negative or not finite")
    enough = (chances > 0).sum(1) >= needed
    be.check(enough.array, f"multinomial: row {{0}} has fewer than {needed} categories above 0")


def _with_replacement(chances: Tensor, count: int, generator: Generator | None) -> Tensor:
    rows, categories = chances.shape
    sums = chances.cumsum(1)
    drawn = drawn_from("multinomial", "uniform", (rows, count), chances.device, generator)
    below = drawn * (sums[:, -1:] * (1 - 2.0**-23))
    be, device = backend_of(chances.device), chances.device
    found = be.search(sums.array, below.array, True)
    # Sums that are rounded may put the border of a category with probability 0 too high.
    numbers = Tensor._wrap(be.iota(categories), device)
    possible = (
        Tensor._wrap(be.elementwise("where", (chances > 0).array, numbers.array, -1), device)
        .cummax(1)
        .values
    )
    index = be.reshape(found, (rows, count, 1))
    table = be.reshape(possible.array, (rows, categories, 1))
    return Tensor._wrap(be.reshape(be.gather(table, index, "multinomial"), found.shape), device)


def _without_replacement(chances: Tensor, count: int, generator: Generator | None) -> Tensor:
    drawn = drawn_from("multinomial", "uniform", chances.shape, chances.device, generator)
    arrival = ((1.0 - drawn).log() * -1.0 / chances).clamp(None, 3e38)
    be = backend_of(chances.device)
    times = be.elementwise("where", (chances > 0).array, arrival.array, math.inf)
    return Tensor._wrap(times, chances.device).topk(count, largest=False).indices
