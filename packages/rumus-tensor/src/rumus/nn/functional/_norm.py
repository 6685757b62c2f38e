"""Normalisation: of the last axes, of groups of channels, of instances, of a batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rumus._backends.contract.channel_norm import Running
from rumus._core.base import TensorBase
from rumus._core.described import type_name
from rumus._core.dtypes import float32, is_float
from rumus._core.errors import ArgumentError, DTypeError, ShapeError
from rumus._core.mode import no_grad
from rumus.tensor._mutation import check_writable
from rumus.tensor._ops.channel_norm import AveragedNorm, ChannelNorm
from rumus.tensor._ops.layer_norm import LayerNorm
from rumus.tensor._tensor import Tensor


def layer_norm(
    x: Tensor,
    normalized_shape: int | Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """``(x - mean) / sqrt(var + eps) * weight + bias`` over the last axes; see :class:`LayerNorm`.

    Args:
        x: Floats of a shape that ends in ``normalized_shape``.
        normalized_shape: Lengths of the axes to normalise over, or of the last one.
        weight: Of that shape.
        bias: Of that shape.
        eps: Added to the variance.

    Raises:
        ShapeError: A shape does not fit.
        DTypeError: x is no float.

    Example:
        >>> from rumus.tensor import tensor
        >>> layer_norm(tensor([[1.0, 3.0]]), (2,), eps=0.0).tolist()
        [[-1.0, 1.0]]
    """
    shape = _lengths("layer_norm", normalized_shape)
    _check_rows("layer_norm", x, shape, weight, bias)
    affine = weight is not None, bias is not None
    return LayerNorm(shape, eps, affine)(*_given(x, weight, bias))


def rms_norm(
    x: Tensor,
    normalized_shape: int | Sequence[int],
    weight: Tensor | None = None,
    eps: float | None = None,
) -> Tensor:
    """``x / sqrt(mean(x^2) + eps) * weight`` over the last axes; see :class:`RMSNorm`.

    Args:
        x: Floats of a shape that ends in ``normalized_shape``.
        normalized_shape: Lengths of the axes to normalise over, or of the last one.
        weight: Of that shape.
        eps: By default the distance from 1 to the next number of x's dtype.

    Raises:
        ShapeError: A shape does not fit.
        DTypeError: x is no float.

    Example:
        >>> from rumus.tensor import tensor
        >>> rms_norm(tensor([[3.0, 3.0]]), (2,), eps=0.0).tolist()
        [[1.0, 1.0]]
    """
    shape = _lengths("rms_norm", normalized_shape)
    _check_rows("rms_norm", x, shape, weight, None)
    if eps is None:
        eps = float(np.finfo(x.dtype).eps)
    return LayerNorm(shape, eps, (weight is not None, False), centred=False)(*_given(x, weight))


def group_norm(
    x: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Each group of channels of each sample normalised; see :class:`GroupNorm`.

    Args:
        x: Floats of shape (N, C, …).
        num_groups: A divisor of C.
        weight: Of shape (C,).
        bias: Of shape (C,).
        eps: Added to the variance.

    Raises:
        ShapeError: A shape does not fit.
        ArgumentError: The channels cannot be divided into so many groups.
        DTypeError: x is no float.

    Example:
        >>> from rumus.tensor import ones
        >>> group_norm(ones(2, 6, 4), 3).shape
        (2, 6, 4)
    """
    _check_channels("group_norm", x, weight=weight, bias=bias)
    if num_groups < 1 or x.shape[1] % num_groups:
        raise ArgumentError(
            f"group_norm: {x.shape[1]} channels cannot be divided into {num_groups} groups"
        )
    affine = weight is not None, bias is not None
    return ChannelNorm(num_groups, eps, affine)(*_given(x, weight, bias))


def instance_norm(
    x: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Each channel of each sample normalised; see :class:`InstanceNorm2d`.

    Args:
        x: Floats of shape (N, C, …).
        running_mean: Of shape (C,): an average that follows in place, or the mean to use.
        running_var: Of shape (C,), in the same way, of the unbiased variance.
        weight: Of shape (C,).
        bias: Of shape (C,).
        use_input_stats: Whether to normalise by x itself, else by the running averages.
        momentum: The weight of x in the running averages.
        eps: Added to the variance.

    Raises:
        ShapeError: A shape does not fit, or a channel has one element alone.
        ArgumentError: Averages are to be used, and missing.
        DTypeError: x is no float.

    Example:
        >>> from rumus.tensor import tensor
        >>> instance_norm(tensor([[[1.0, 3.0]]]), eps=0.0).tolist()
        [[[-1.0, 1.0]]]
    """
    if not use_input_stats:
        return _averaged("instance_norm", x, running_mean, running_var, weight, bias, eps)
    _check_channels("instance_norm", x, weight, bias, running_mean, running_var)
    spatial = x.shape[2:]
    if np.prod(spatial, dtype=int) == 1:
        raise ShapeError(
            f"instance_norm: a channel of shape {x.shape} has one element, which has no variance"
        )
    if running_mean is not None and running_var is not None:
        axes = tuple(range(2, x.ndim))
        with no_grad():
            wide = x.detach().to(float32)
            means, variances = wide.mean(axes).mean(0), wide.var(axes, correction=1).mean(0)
            for average, value in ((running_mean, means), (running_var, variances)):
                average.add_((value - average) * momentum)
    affine = weight is not None, bias is not None
    return ChannelNorm(x.shape[1], eps, affine)(*_given(x, weight, bias))


def batch_norm(
    x: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Each channel normalised over the batch; see :class:`BatchNorm2d`.

    Args:
        x: Floats of shape (N, C, …).
        running_mean: Of shape (C,): in training an average that follows in place, else the mean.
        running_var: Of shape (C,), in the same way, of the unbiased variance.
        weight: Of shape (C,).
        bias: Of shape (C,).
        training: Whether to normalise by the batch itself, else by the running averages.
        momentum: The weight of the batch in the running averages.
        eps: Added to the variance.

    Raises:
        ShapeError: A shape does not fit, or in training a channel has one element alone.
        ArgumentError: Averages are to be used, and missing.
        DTypeError: x is no float.

    Example:
        >>> from rumus.tensor import ones, zeros
        >>> mean, var = zeros(3), ones(3)
        >>> batch_norm(ones(4, 3), mean, var).shape
        (4, 3)
    """
    if not training:
        return _averaged("batch_norm", x, running_mean, running_var, weight, bias, eps)
    if (running_mean is None) != (running_var is None):
        raise ArgumentError("batch_norm takes both running_mean and running_var, or neither")
    if running_mean is None or running_var is None:
        return trained_batch_norm(x, weight, bias, eps, None, momentum)
    return trained_batch_norm(x, weight, bias, eps, (running_mean, running_var, None), momentum)


Averages = tuple[Tensor, Tensor, Tensor | None]
"""Running mean, running variance, and the number of batches, int32 of one element."""


def trained_batch_norm(
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    eps: float,
    averages: Averages | None,
    momentum: float | None,
) -> Tensor:
    """A batch normalised by its own statistics, which the averages follow.

    Args:
        x: Floats of shape (N, C, …).
        weight: Of shape (C,).
        bias: Of shape (C,).
        eps: Added to the variance.
        averages: What is changed in place.
        momentum: The weight of the batch; None for averages of all batches alike.
    """
    _check_channels("batch_norm", x, weight, bias, *(averages or ())[:2])
    count = x.size // max(x.shape[1], 1)
    if count == 1:
        raise ShapeError(
            f"batch_norm: a channel of shape {x.shape} has one element, which has no variance; "
            "train with larger batches, or normalise by the averages, in eval()"
        )
    affine = weight is not None, bias is not None
    inputs = _given(x, weight, bias)
    if averages is None or not count:
        return ChannelNorm(0, eps, affine)(*inputs)
    if momentum is None or not _direct(averages):
        return _followed_by_copies(inputs, affine, eps, averages, momentum)
    changed = [average for average in averages if average is not None]
    for average in changed:
        average._check_mutable("batch_norm")
        check_writable("batch_norm", average.array)
    mean, var, batches = (None if a is None else a.array for a in averages)
    y: Tensor = ChannelNorm(0, eps, affine, Running(mean, var, batches, momentum))(*inputs)
    for average in changed:
        average._changed()
    return y


def _direct(averages: Averages) -> bool:
    """Whether a kernel can change the averages where they lie."""
    return all(a is None or a.ndim < 2 for a in averages) and all(
        average.dtype == float32 and _is_dense(average)
        for average in averages[:2]
        if average is not None
    )


def _is_dense(average: Tensor) -> bool:
    array = average.array
    steps = getattr(array, "is_contiguous", None)
    return bool(array.flags.c_contiguous if steps is None else steps)


def _followed_by_copies(
    inputs: tuple[Tensor, ...],
    affine: tuple[bool, bool],
    eps: float,
    averages: Averages,
    momentum: float | None,
) -> Tensor:
    """The same through tensors beside the averages, of the batch alone."""
    mean, var, batches = averages
    with no_grad():
        of_batch = [average.detach().to(float32) * 0.0 for average in (mean, var)]
    running = Running(of_batch[0].array, of_batch[1].array, None, 1.0)
    y: Tensor = ChannelNorm(0, eps, affine, running)(*inputs)
    with no_grad():
        if batches is not None:
            batches.add_(1)
        for average, value in zip((mean, var), of_batch, strict=True):
            apart = value - average.to(float32)
            if momentum is not None:
                apart = apart * momentum
            elif batches is not None:
                apart = apart / batches
            average.add_(apart)
    return y


def _averaged(
    name: str,
    x: Tensor,
    mean: Tensor | None,
    var: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
    eps: float,
) -> Tensor:
    if mean is None or var is None:
        raise ArgumentError(
            f"{name}: without statistics of x, running_mean and running_var are needed"
        )
    _check_channels(name, x, weight, bias, mean, var)
    affine = weight is not None, bias is not None
    return AveragedNorm(eps, affine)(*_given(x, weight, bias), mean.detach(), var.detach())


def _given(*tensors: Tensor | None) -> tuple[Tensor, ...]:
    return tuple(tensor for tensor in tensors if tensor is not None)


def _lengths(name: str, shape: int | Sequence[int]) -> tuple[int, ...]:
    lengths = (shape,) if isinstance(shape, int) else tuple(shape)
    if not lengths or min(lengths) < 1:
        raise ArgumentError(f"{name}: lengths are at least 1, not {lengths}")
    return lengths


def _check_rows(
    name: str, x: Tensor, shape: tuple[int, ...], weight: Tensor | None, bias: Tensor | None
) -> None:
    _check_float(name, x)
    first = x.ndim - len(shape)
    if first < 0 or x.shape[first:] != shape:
        raise ShapeError(f"{name} takes a shape that ends in {shape}, not {x.shape}")
    for what, line in (("weight", weight), ("bias", bias)):
        if line is not None and line.shape != shape:
            raise ShapeError(f"{name}: the {what} has shape {line.shape}, not {shape}")


def _check_channels(
    name: str,
    x: Tensor,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
) -> None:
    _check_float(name, x)
    if x.ndim < 2:
        raise ShapeError(f"{name} takes samples and channels, (N, C, …), not {x.shape}")
    lines = {
        "weight": weight, "bias": bias, "running_mean": running_mean, "running_var": running_var
    }  # fmt: skip
    for what, line in lines.items():
        if line is not None and line.shape != x.shape[1:2]:
            raise ShapeError(
                f"{name}: x of shape {x.shape} has {x.shape[1]} channels, "
                f"and {what} shape {line.shape}"
            )


def _check_float(name: str, x: Tensor) -> None:
    if not isinstance(x, TensorBase):
        raise DTypeError(f"{name} takes tensors, not a {type_name(x)}")
    if not is_float(x.dtype):
        raise DTypeError(f"{name} takes floats, not {x.dtype}; convert with .to(float32)")
