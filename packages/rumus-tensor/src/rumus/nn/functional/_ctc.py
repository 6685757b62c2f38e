"""Connectionist temporal classification."""

from __future__ import annotations

from typing import Any

from rumus._core.dtypes import float32, int32
from rumus._core.errors import ArgumentError, DTypeError, ShapeError
from rumus.tensor._gathering import take, take_along_axis
from rumus.tensor._joining import cat, stack, where
from rumus.tensor._named import logaddexp
from rumus.tensor._spaced import arange
from rumus.tensor._tensor import Tensor

from ._loss_checks import Reduction, check_reduction, check_tensors
from ._sequence_lengths import sequence_lengths

_NEVER = -1e30
"""The logarithm of a probability of 0, which stays finite when it is added to."""


def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: Reduction = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """``-log`` of the probability of all ways in which steps spell the target, blanks between.

    (Graves et al., ICML 2006.) A step of the forward recursion is a few operations on the whole
    batch, so there are as many of those as there are steps.

    Args:
        log_probs: Logarithms of probabilities, as of ``log_softmax``, of shape
            (steps, batch, classes), or (steps, classes) of one sequence.
        targets: Class ids, int32 or uint8, of shape (batch, longest), where what lies behind a
            target's length is not read; or one behind the other, of shape (sum of their lengths,),
            for which the lengths are read.
        input_lengths: Steps of each sequence, int32 of shape (batch,), or a list.
        target_lengths: Lengths of the targets, likewise.
        blank: The class of the blank.
        reduction: ``"mean"`` of the losses over their target's lengths (of at least 1), ``"sum"``,
            or ``"none"``.
        zero_infinity: Whether a target that is too long for its steps gives 0 instead of infinity.

    Returns:
        float32.

    Raises:
        ShapeError: The shapes do not fit.
        DTypeError: The targets are no integers.
        ArgumentError: The blank is no class.

    Example:
        >>> from rumus.tensor import tensor, zeros
        >>> logs = zeros((2, 1, 2)).log_softmax(-1)  # two steps of a blank or an "a"
        >>> ctc_loss(logs, tensor([[1]]), [2], [1]).exp().item()  # "aa", "a ", " a": 3 of 4
        1.3333333730697632
    """
    name = "ctc_loss"
    check_reduction(name, reduction)
    check_tensors(name, log_probs, targets)
    if log_probs.ndim == 2 and targets.ndim == 1:
        one, row = log_probs.unsqueeze(1), targets.unsqueeze(0)
        alone = _alone(input_lengths), _alone(target_lengths)
        return ctc_loss(one, row, *alone, blank, reduction, zero_infinity).reshape(())
    if log_probs.ndim != 3 or targets.ndim not in (1, 2):
        raise ShapeError(
            f"{name} takes log_probs (steps, batch, classes) and targets (batch, longest) or "
            f"(sum of their lengths,), not {log_probs.shape} and {targets.shape}"
        )
    if targets.dtype.kind not in "iu":
        raise DTypeError(f"{name} takes class ids of int32 or uint8, not {targets.dtype}")
    batch, classes = log_probs.shape[1:]
    if not 0 <= blank < classes:
        raise ArgumentError(f"{name}: the blank is a class from 0 to {classes - 1}, not {blank}")
    sizes, device = (batch, log_probs.shape[0]), log_probs.device
    inputs = sequence_lengths(name, "input_lengths", input_lengths, *sizes, device)
    longest = targets.shape[-1]
    lengths = sequence_lengths(name, "target_lengths", target_lengths, batch, longest, device)
    if targets.ndim == 1:
        targets = _as_rows(name, targets, lengths)
    if targets.shape[0] != batch:
        raise ShapeError(
            f"{name}: log_probs of shape {log_probs.shape} are of {batch} sequences, targets of "
            f"shape {targets.shape} of {targets.shape[0]}"
        )
    losses = -_log_likelihood(log_probs.to(float32), targets.to(int32), inputs, lengths, blank)
    impossible = losses > -_NEVER / 2
    losses = where(impossible, 0.0 if zero_infinity else float("inf"), losses)
    if reduction == "mean":
        return (losses / lengths.to(float32).clamp(min=1.0)).mean()
    return losses.sum() if reduction == "sum" else losses


def _log_likelihood(
    logs: Tensor, targets: Tensor, inputs: Tensor, lengths: Tensor, blank: int
) -> Tensor:
    steps, batch, _ = logs.shape
    longest = targets.shape[1]
    device = logs.device
    inside = arange(longest, device=device).reshape(1, -1) < lengths.reshape(-1, 1)
    labels = where(inside, targets, blank)
    blanks = labels * 0 + blank
    # blank, label, blank, label, …, blank
    places = stack([blanks, labels], 2).reshape(batch, 2 * longest)
    places = cat([places, (lengths * 0 + blank).reshape(-1, 1)], 1)
    width = 2 * longest + 1
    emitted = take_along_axis(logs, places.reshape(1, batch, width), 2)
    never = emitted[0] * 0.0 + _NEVER
    place = arange(width, device=device).reshape(1, -1)
    state = where(place < 2, emitted[0], never)
    # A label may be reached from the label before it, unless that is the same
    none = (lengths * 0 - 1).reshape(-1, 1)
    before = cat([none, none, places], 1)[:, :width]
    leaps = (places != blank) & (places != before)
    for t in range(1, steps):
        one = cat([never[:, :1], state], 1)[:, :width]
        two = cat([never[:, :1], one], 1)[:, :width]
        reached = logaddexp(state, one)
        reached = where(leaps, logaddexp(reached, two), reached)
        moved = (reached + emitted[t]).clamp(min=_NEVER)
        state = where((inputs > t).reshape(-1, 1), moved, state)
    last = 2 * lengths.reshape(-1, 1)
    at_blank = take_along_axis(state, last, 1)
    at_label = take_along_axis(state, (last - 1).clamp(min=0), 1)
    at_label = where(lengths.reshape(-1, 1) > 0, at_label, _NEVER)
    return logaddexp(at_blank, at_label).reshape(batch)


def _alone(length: Any) -> Any:
    if isinstance(length, Tensor) and not length.ndim:
        return length.reshape(1)
    return [length] if isinstance(length, int) else length


def _as_rows(name: str, targets: Tensor, lengths: Tensor) -> Tensor:
    """Targets that lie one behind the other, as rows of the longest one's length."""
    if int(lengths.sum()) != targets.shape[0]:
        raise ShapeError(
            f"{name}: target_lengths add up to {int(lengths.sum())}, and there are "
            f"{targets.shape[0]} targets one behind the other"
        )
    longest = int(lengths.max()) if lengths.size else 0
    starts = (lengths.cumsum(0) - lengths).reshape(-1, 1)
    places = starts + arange(longest, device=targets.device)
    return take(targets, places.clamp(max=max(targets.shape[0] - 1, 0)))
