"""Normalisation of channels: batch, group and instance norm."""

from __future__ import annotations

from rumus._core.devices import CPU, DeviceLike
from rumus._core.dtypes import int32
from rumus._core.errors import ArgumentError, ShapeError
from rumus.tensor._creation import ones, zeros
from rumus.tensor._tensor import Tensor

from . import functional
from ._layer import Layer
from ._lengths import check_lengths
from ._parameter import Parameter
from .functional._norm import trained_batch_norm


class GroupNorm(Layer):
    """``(x - mean) / sqrt(var + eps) * weight + bias``, over groups of channels of each sample.

    Wu and He, arXiv:1803.08494. The variance is the biased one.

    Args:
        num_groups: A divisor of ``num_channels``.
        num_channels: C of inputs of shape (N, C, …).
        eps: Added to the variance.
        affine: Whether each channel has a weight and a bias.
        device: Where the parameters start.
        bias: Whether there is a bias, if there is a weight.

    Attributes:
        weight: Ones at first, of shape (C,), or None.
        bias: Zeros at first, of shape (C,), or None.

    Raises:
        ArgumentError: The channels cannot be divided into so many groups.

    Example:
        >>> from rumus.tensor import ones
        >>> GroupNorm(2, 6)(ones((4, 6, 5, 5))).shape
        (4, 6, 5, 5)
    """

    num_groups: int
    num_channels: int
    eps: float
    weight: Parameter | None
    bias: Parameter | None

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: DeviceLike = CPU,
        *,
        bias: bool = True,
    ) -> None:
        check_lengths("GroupNorm", num_groups=num_groups, num_channels=num_channels)
        if num_channels % num_groups:
            raise ArgumentError(
                f"GroupNorm: {num_channels} channels cannot be divided into {num_groups} groups"
            )
        self.num_groups, self.num_channels, self.eps = num_groups, num_channels, eps
        self.weight, self.bias = _affine(num_channels, affine, bias, device)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise each group.

        Raises:
            ShapeError: x is not of shape (N, C, …).
            DTypeError: x is not float32 or float16.
        """
        _check_channels(self, x, self.num_channels)
        return functional.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """The numbers."""
        affine, bias = self.weight is not None, self.bias is not None
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={affine}, bias={bias}"
        )


class _Averaging(Layer):
    """What batch and instance norm have: parameters and averages, one number a channel."""

    _ranks: tuple[int, ...] = ()
    """How many axes an input may have."""
    num_features: int
    eps: float
    momentum: float | None
    affine: bool
    track_running_stats: bool
    weight: Parameter | None
    bias: Parameter | None
    num_batches_tracked: Tensor | None

    def __init__(
        self,
        num_features: int,
        eps: float,
        momentum: float | None,
        affine: bool,
        track_running_stats: bool,
        device: DeviceLike,
        bias: bool,
    ) -> None:
        check_lengths(type(self).__name__, num_features=num_features)
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self.weight, self.bias = _affine(num_features, affine, bias, device)
        self.running_mean: Tensor | None = None
        self.running_var: Tensor | None = None
        self.num_batches_tracked = None
        if track_running_stats:
            self.register_buffer("running_mean", zeros((num_features,), device=device))
            self.register_buffer("running_var", ones((num_features,), device=device))
            self.register_buffer("num_batches_tracked", zeros((), dtype=int32, device=device))

    def _check(self, x: Tensor) -> None:
        _check_channels(self, x, self.num_features)
        if x.ndim not in self._ranks:
            ranks = " or ".join(map(str, self._ranks))
            raise ShapeError(f"{type(self).__name__} takes {ranks} axes, not shape {x.shape}")

    def extra_repr(self) -> str:
        """The numbers."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )


class _BatchNorm(_Averaging):
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: DeviceLike = CPU,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, bias)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise each channel: by the batch in training, else by the averages.

        Raises:
            ShapeError: The shape of x is another one, or in training a channel has one element.
            DTypeError: x is not float32 or float16.
        """
        self._check(x)
        mean, var, batches = self.running_mean, self.running_var, self.num_batches_tracked
        if mean is None or var is None:
            return trained_batch_norm(x, self.weight, self.bias, self.eps, None, None)
        if not self.training:
            return functional.batch_norm(x, mean, var, self.weight, self.bias, eps=self.eps)
        averages = mean, var, batches
        return trained_batch_norm(x, self.weight, self.bias, self.eps, averages, self.momentum)


class BatchNorm1d(_BatchNorm):
    """``(x - mean) / sqrt(var + eps) * weight + bias`` of each channel, over the batch.

    Ioffe and Szegedy, arXiv:1502.03167. In training mean and variance (the biased one) are those of
    the batch, and the averages follow it:
    ``running = (1 - momentum) * running + momentum * batch``, with the unbiased variance. In
    evaluation the averages are used.

    Args:
        num_features: C of inputs of shape (N, C) or (N, C, L).
        eps: Added to the variance.
        momentum: The weight of a batch in the averages; None for averages of all batches alike.
        affine: Whether each channel has a weight and a bias.
        track_running_stats: Whether there are averages; without, evaluation uses the batch too.
        device: Where parameters and averages start.
        bias: Whether there is a bias, if there is a weight.

    Attributes:
        weight: Ones at first, of shape (C,), or None.
        bias: Zeros at first, of shape (C,), or None.
        running_mean: Zeros at first, a buffer of shape (C,), or None.
        running_var: Ones at first, a buffer of shape (C,), or None.
        num_batches_tracked: Batches seen in training, an int32 buffer, or None.

    Raises:
        ArgumentError: ``num_features`` is not positive.

    Example:
        >>> from rumus.tensor import tensor
        >>> norm = BatchNorm1d(1, eps=0.0)
        >>> norm(tensor([[1.0], [3.0]])).tolist(), norm.running_mean.tolist()
        ([[-1.0], [1.0]], [0.20000000298023224])
    """

    _ranks = (2, 3)


class BatchNorm2d(_BatchNorm):
    """As :class:`BatchNorm1d`, of inputs of shape (N, C, H, W).

    Example:
        >>> from rumus.tensor import ones
        >>> BatchNorm2d(3).eval()(ones((2, 3, 4, 4))).shape
        (2, 3, 4, 4)
    """

    _ranks = (4,)


class _InstanceNorm(_Averaging):
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: DeviceLike = CPU,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, bias)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise each channel of each sample; without a batch axis, of the one sample.

        Raises:
            ShapeError: The shape of x is another one, or a channel has one element.
            DTypeError: x is not float32 or float16.
        """
        if x.ndim == self._ranks[0] - 1:
            return self.forward(x.unsqueeze(0)).squeeze(0)
        self._check(x)
        own = self.training or self.running_mean is None
        tracked = self.training or not own
        return functional.instance_norm(
            x,
            self.running_mean if tracked else None,
            self.running_var if tracked else None,
            self.weight,
            self.bias,
            own,
            0.1 if self.momentum is None else self.momentum,
            self.eps,
        )


class InstanceNorm1d(_InstanceNorm):
    """``(x - mean) / sqrt(var + eps) * weight + bias`` of each channel of each sample.

    Ulyanov, Vedaldi and Lempitsky, arXiv:1607.08022.

    Args:
        num_features: C of inputs of shape (N, C, L) or (C, L).
        eps: Added to the variance.
        momentum: The weight of a batch in the averages.
        affine: Whether each channel has a weight and a bias.
        track_running_stats: Whether there are averages, which evaluation then uses.
        device: Where parameters and averages start.
        bias: Whether there is a bias, if there is a weight.

    Raises:
        ArgumentError: ``num_features`` is not positive.

    Example:
        >>> from rumus.tensor import tensor
        >>> InstanceNorm1d(1, eps=0.0)(tensor([[[1.0, 3.0]]])).tolist()
        [[[-1.0, 1.0]]]
    """

    _ranks = (3,)


class InstanceNorm2d(_InstanceNorm):
    """As :class:`InstanceNorm1d`, of inputs of shape (N, C, H, W) or (C, H, W).

    Example:
        >>> from rumus.tensor import ones
        >>> InstanceNorm2d(3)(ones((2, 3, 4, 4))).shape
        (2, 3, 4, 4)
    """

    _ranks = (4,)


def _affine(
    channels: int, affine: bool, bias: bool, device: DeviceLike
) -> tuple[Parameter | None, Parameter | None]:
    """Ones and zeros, or None in their place."""
    if not affine:
        return None, None
    weight = Parameter(ones((channels,), device=device))
    return weight, Parameter(zeros((channels,), device=device)) if bias else None


def _check_channels(layer: Layer, x: Tensor, channels: int) -> None:
    if x.ndim < 2 or x.shape[1] != channels:
        raise ShapeError(
            f"{type(layer).__name__} takes (N, {channels}, …), {channels} channels, not {x.shape}"
        )
