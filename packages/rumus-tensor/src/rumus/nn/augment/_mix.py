"""Two images of a batch in one, and both their classes as its target."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from rumus._backends.generator import Generator, default_generator
from rumus._core.dtypes import float32, int32, is_float
from rumus._core.errors import ArgumentError, ShapeError
from rumus.tensor._creation import from_numpy, rand
from rumus.tensor._joining import where
from rumus.tensor._moving import roll
from rumus.tensor._tensor import Tensor

from .._module import Module
from ..functional import one_hot
from ._base import as_floats, as_given, check_images
from ._erase import rectangle

_STEPS = 1024


class _Mixing(Module):
    """Each image with the one before it in the batch, which the loader has shuffled.

    In training, targets become probabilities; in evaluation nothing changes.
    """

    classes: int
    alpha: float
    generator: Generator
    draws: int
    quantiles: Tensor

    def __init__(
        self, classes: int, alpha: float = 1.0, generator: Generator = default_generator
    ) -> None:
        name = type(self).__name__
        if classes < 1 or not 0 < alpha < math.inf:
            raise ArgumentError(
                f"{name}: classes is from 1 and alpha above 0, not {classes} and {alpha}"
            )
        self.classes, self.alpha, self.generator = classes, alpha, generator
        self.register_buffer("quantiles", from_numpy(_beta_quantiles(alpha)), persistent=False)

    def forward(self, x: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Mix, in training.

        Args:
            x: Images, on the device of this module.
            target: Class ids of shape (N,), or probabilities of shape (N, classes).

        Returns:
            Images of the same kind, and probabilities, float32 of shape (N, classes), which
            :func:`~rumus.nn.functional.cross_entropy` takes.

        Raises:
            ShapeError: The shapes do not fit.
            DTypeError: x is neither uint8 nor floats.
        """
        if not self.training:
            return x, target
        check_images(self, x)
        shares = _as_shares(self, x, target)
        u = rand(x.shape[0], self.draws, device=x.device, generator=self.generator)
        mixed, kept = self._mixed(x, u, self._share(u[:, 0]))
        kept = kept.reshape((-1, 1))
        return mixed, shares * kept + roll(shares, 1, 0) * (1.0 - kept)

    def _mixed(self, x: Tensor, u: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """The images, and what share each has of its own."""
        raise NotImplementedError

    def _share(self, u: Tensor) -> Tensor:
        """Numbers of the distribution Beta(alpha, alpha), of uniform ones."""
        place = u * _STEPS
        below = place.floor().minimum(_STEPS - 1)
        index = below.to(int32)
        low, high = self.quantiles[index], self.quantiles[index + 1]
        return low + (high - low) * (place - below)

    def extra_repr(self) -> str:
        """The numbers."""
        return f"{self.classes}, alpha={self.alpha}"


class MixUp(_Mixing):
    """``share * image + (1 - share) * other``, for images and targets.

    Zhang et al., arXiv:1710.09412. The other is the image before in the batch, the share a random
    number of Beta(alpha, alpha) for each.

    Args:
        classes: How many there are.
        alpha: Above 0; small ones leave most images nearly as they are.
        generator: What shares are drawn from; by default what ``manual_seed`` starts.

    Raises:
        ArgumentError: A number is out of range.

    Example:
        >>> from rumus.tensor import tensor, zeros
        >>> x, target = MixUp(10)(zeros(2, 3, 8, 8), tensor([3, 7]))
        >>> target.shape, bool((target.sum(1) - 1).abs().max() < 1e-6)
        ((2, 10), True)
    """

    draws = 1

    def _mixed(self, x: Tensor, u: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        y, part = as_floats(x), share.reshape((-1, 1, 1, 1))
        return as_given(y * part + roll(y, 1, 0) * (1.0 - part), x), share


class CutMix(_Mixing):
    """A rectangle of each image from another one, and targets by the pixels of both.

    Yun et al., arXiv:1905.04899. The other is the image before in the batch; what share stays is a
    random number of Beta(alpha, alpha) for each, rounded to whole pixels.

    Args:
        classes: How many there are.
        alpha: Above 0.
        generator: What is drawn from; by default what ``manual_seed`` starts.

    Raises:
        ArgumentError: A number is out of range.

    Example:
        >>> from rumus.tensor import tensor, zeros
        >>> x, target = CutMix(10)(zeros(2, 3, 8, 8, dtype="uint8"), tensor([3, 7]))
        >>> x.shape, target.shape
        ((2, 3, 8, 8), (2, 10))
    """

    draws = 3

    def _mixed(self, x: Tensor, u: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        side = (1.0 - share).clip(0.0, None).sqrt()
        rows, columns = ((side * length).round() for length in x.shape[2:])
        inside = rectangle(x, rows, columns, u[:, 1], u[:, 2])
        kept = 1.0 - rows * columns / float(x.shape[2] * x.shape[3])
        return where(inside, roll(x, 1, 0), x), kept


def _as_shares(layer: _Mixing, x: Tensor, target: Tensor) -> Tensor:
    """Targets as probabilities."""
    n, name = x.shape[0], type(layer).__name__
    if target.shape == (n, layer.classes) and is_float(target.dtype):
        return target.to(float32)
    if target.shape != (n,):
        raise ShapeError(
            f"{name}: targets are class ids of shape ({n},) or floats of shape "
            f"({n}, {layer.classes}), not {target.dtype} of {target.shape}"
        )
    return one_hot(target.to(int32), layer.classes).to(float32)


def _beta_quantiles(alpha: float) -> npt.NDArray[np.float32]:
    """Of Beta(alpha, alpha), at even steps from 0 to 1.

    The density is integrated up to 1/2, over v = x^alpha where it has a pole at 0, so that it is
    smooth there; the upper half is the mirror image.
    """
    power = min(alpha, 1.0)
    v = np.linspace(0.0, 0.5**power, 1 << 16)
    x = v ** (1.0 / power)
    density = (1.0 - x if alpha < 1.0 else 4.0 * x * (1.0 - x)) ** (alpha - 1.0)
    total = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2)])
    lower = np.interp(np.linspace(0.0, 0.5, _STEPS // 2 + 1), total * (0.5 / total[-1]), x)
    return np.concatenate([lower, 1.0 - lower[-2::-1]]).astype(np.float32)
