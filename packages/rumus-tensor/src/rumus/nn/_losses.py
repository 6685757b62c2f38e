"""Losses as modules: the functions of :mod:`rumus.nn.functional` with their options kept."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, ClassVar

from rumus._core.errors import ArgumentError
from rumus.tensor._tensor import Tensor

from . import functional as f
from ._module import Module


class Loss(Module):
    """A loss function and its options, which come in the function's order or by name.

    Tensors among them (class weights) move with the module.

    Attributes:
        function: The loss.
        inputs: How many of its first arguments are given to each call.

    Raises:
        ArgumentError: The function has no such option.
    """

    function: ClassVar[Callable[..., Tensor]]
    inputs: ClassVar[int] = 2

    def __init__(self, *values: Any, **options: Any) -> None:
        known = list(inspect.signature(self.function).parameters)[self.inputs :]
        given = dict(zip(known, values, strict=False))
        if len(values) > len(known) or sum(isinstance(value, Tensor) for value in values) > 1:
            owner = type(self).__name__
            raise ArgumentError(
                f"{owner} is made with its options ({', '.join(known)}) and called with tensors: "
                f"{owner}()(prediction, target); the function is "
                f"rumus.nn.functional.{self.function.__name__}"
            )
        wrong = [name for name in options if name not in known or name in given]
        if wrong:
            raise ArgumentError(
                f"{type(self).__name__} takes the options {', '.join(known)}, each once, not "
                f"{', '.join(wrong)}"
            )
        self._names = tuple(given | options)
        for name, value in (given | options).items():
            if isinstance(value, Tensor):
                self.register_buffer(name, value)
            else:
                setattr(self, name, value)

    def forward(self, *inputs: Tensor) -> Tensor:
        """The loss of a prediction, or of several tensors, against a target."""
        return type(self).function(*inputs, **{name: getattr(self, name) for name in self._names})

    def extra_repr(self) -> str:
        """The options that were given."""
        return ", ".join(
            f"{name}={getattr(self, name)!r}"
            for name in self._names
            if not isinstance(getattr(self, name), Tensor)
        )


class CrossEntropyLoss(Loss):
    """:func:`rumus.nn.functional.cross_entropy`.

    Example:
        >>> from rumus.tensor import tensor
        >>> loss = CrossEntropyLoss(label_smoothing=0.1)
        >>> loss(tensor([[2.0, 0.0]]), tensor([0])).shape
        ()
    """

    function = staticmethod(f.cross_entropy)


class NLLLoss(Loss):
    """:func:`rumus.nn.functional.nll_loss`."""

    function = staticmethod(f.nll_loss)


class BCELoss(Loss):
    """:func:`rumus.nn.functional.binary_cross_entropy`."""

    function = staticmethod(f.binary_cross_entropy)


class BCEWithLogitsLoss(Loss):
    """:func:`rumus.nn.functional.binary_cross_entropy_with_logits`."""

    function = staticmethod(f.binary_cross_entropy_with_logits)


class MSELoss(Loss):
    """:func:`rumus.nn.functional.mse_loss`."""

    function = staticmethod(f.mse_loss)


class L1Loss(Loss):
    """:func:`rumus.nn.functional.l1_loss`."""

    function = staticmethod(f.l1_loss)


class SmoothL1Loss(Loss):
    """:func:`rumus.nn.functional.smooth_l1_loss`."""

    function = staticmethod(f.smooth_l1_loss)


class HuberLoss(Loss):
    """:func:`rumus.nn.functional.huber_loss`."""

    function = staticmethod(f.huber_loss)


class KLDivLoss(Loss):
    """:func:`rumus.nn.functional.kl_div`."""

    function = staticmethod(f.kl_div)


class GaussianNLLLoss(Loss):
    """:func:`rumus.nn.functional.gaussian_nll_loss`, called with mean, target and variance."""

    function = staticmethod(f.gaussian_nll_loss)
    inputs = 3


class PoissonNLLLoss(Loss):
    """:func:`rumus.nn.functional.poisson_nll_loss`."""

    function = staticmethod(f.poisson_nll_loss)


class HingeEmbeddingLoss(Loss):
    """:func:`rumus.nn.functional.hinge_embedding_loss`."""

    function = staticmethod(f.hinge_embedding_loss)


class SoftMarginLoss(Loss):
    """:func:`rumus.nn.functional.soft_margin_loss`."""

    function = staticmethod(f.soft_margin_loss)


class CosineEmbeddingLoss(Loss):
    """:func:`rumus.nn.functional.cosine_embedding_loss`, called with two tensors and a target."""

    function = staticmethod(f.cosine_embedding_loss)
    inputs = 3


class MarginRankingLoss(Loss):
    """:func:`rumus.nn.functional.margin_ranking_loss`, called with two tensors and a target."""

    function = staticmethod(f.margin_ranking_loss)
    inputs = 3


class TripletMarginLoss(Loss):
    """:func:`rumus.nn.functional.triplet_margin_loss`, of anchor, positive and negative."""

    function = staticmethod(f.triplet_margin_loss)
    inputs = 3


class MultiMarginLoss(Loss):
    """:func:`rumus.nn.functional.multi_margin_loss`."""

    function = staticmethod(f.multi_margin_loss)


class MultiLabelMarginLoss(Loss):
    """:func:`rumus.nn.functional.multilabel_margin_loss`."""

    function = staticmethod(f.multilabel_margin_loss)


class MultiLabelSoftMarginLoss(Loss):
    """:func:`rumus.nn.functional.multilabel_soft_margin_loss`."""

    function = staticmethod(f.multilabel_soft_margin_loss)


class CTCLoss(Loss):
    """:func:`rumus.nn.functional.ctc_loss`, of log_probs, targets and both lengths."""

    function = staticmethod(f.ctc_loss)
    inputs = 4
