"""Losses as modules: the functions of :mod:`rumus.nn.functional` with their options kept."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, ClassVar, Literal, TypedDict, Unpack

from rumus._core.errors import ArgumentError
from rumus.tensor._tensor import Tensor

from . import functional as f
from ._module import Module
from .functional._loss_checks import Reduction


class Options(TypedDict, total=False):
    """The options of all losses, for checkers and editors; which one has which, its call checks."""

    reduction: Reduction | Literal["batchmean"]
    weight: Tensor | None
    pos_weight: Tensor | None
    ignore_index: int
    label_smoothing: float
    beta: float
    delta: float
    margin: float
    p: float
    eps: float
    full: bool
    swap: bool
    log_input: bool
    log_target: bool
    blank: int
    zero_infinity: bool


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

    def __init__(self, *values: Any, **options: Unpack[Options]) -> None:
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
        given.update(options)
        self._names = tuple(given)
        for name, value in given.items():
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

    function: ClassVar[Callable[..., Tensor]] = staticmethod(f.cross_entropy)


class NLLLoss(Loss):
    """:func:`rumus.nn.functional.nll_loss`.

    Example:
        >>> from rumus.tensor import tensor
        >>> NLLLoss()(tensor([[-0.5, -1.0]]), tensor([0])).item()
        0.5
    """

    function: ClassVar[Callable[..., Tensor]] = staticmethod(f.nll_loss)


class BCELoss(Loss):
    """:func:`rumus.nn.functional.binary_cross_entropy`.

    Example:
        >>> from rumus.tensor import tensor
        >>> f"{BCELoss()(tensor([0.9, 0.2]), tensor([1.0, 0.0])):.4f}"
        '0.1643'
    """

    function: ClassVar[Callable[..., Tensor]] = staticmethod(f.binary_cross_entropy)


class BCEWithLogitsLoss(Loss):
    """:func:`rumus.nn.functional.binary_cross_entropy_with_logits`.

    Example:
        >>> from rumus.tensor import tensor
        >>> f"{BCEWithLogitsLoss()(tensor([2.0, -1.0]), tensor([1.0, 0.0])):.4f}"
        '0.2201'
    """

    function: ClassVar[Callable[..., Tensor]] = staticmethod(f.binary_cross_entropy_with_logits)


class MSELoss(Loss):
    """:func:`rumus.nn.functional.mse_loss`.

    Example:
        >>> from rumus.tensor import tensor
        >>> f"{MSELoss()(tensor([0.5, 2.0]), tensor([1.0, 1.0])):.4f}"
        '0.6250'
    """

    function: ClassVar[Callable[..., Tensor]] = staticmethod(f.mse_loss)


class L1Loss(Loss):
    """:func:`rumus.nn.functional.l1_loss`.

    Example:
        >>> from rumus.tensor import tensor
        >>> f"{L1Loss()(tensor([0.5, 2.0]), tensor([1.0, 1.0])):.4f}"
        '0.7500'
    """

    function: ClassVar[Callable[..., Tensor]] = staticmethod(f.l1_loss)


class SmoothL1Loss(Loss):
    """:func:`rumus.nn.functional.smooth_l1_loss`.

    Example:
        >>> from rumus.tensor import tensor
        >>> f"{SmoothL1Loss()(tensor([0.5, 2.0]), tensor([1.0, 1.0])):.4f}"
        '0.3125'
    """

    function: ClassVar[Callable[..., Tensor]] = staticmethod(f.smooth_l1_loss)


class HuberLoss(Loss):
    """:func:`rumus.nn.functional.huber_loss`.

    Example:
        >>> from rumus.tensor import tensor
        >>> f"{HuberLoss()(tensor([0.5, 2.0]), tensor([1.0, 1.0])):.4f}"
        '0.3125'
    """

    function: ClassVar[Callable[..., Tensor]] = staticmethod(f.huber_loss)


class KLDivLoss(Loss):
    """:func:`rumus.nn.functional.kl_div`.

    Example:
        >>> from rumus.tensor import tensor
        >>> half = tensor([[0.5, 0.5]])
        >>> KLDivLoss(reduction="batchmean")(half.log(), half).item()
        0.0
    """

    function: ClassVar[Callable[..., Tensor]] = staticmethod(f.kl_div)


class GaussianNLLLoss(Loss):
    """:func:`rumus.nn.functional.gaussian_nll_loss`, called with mean, target and variance.

    Example:
        >>> from rumus.tensor import tensor
        >>> f"{GaussianNLLLoss()(tensor([1.0]), tensor([2.0]), tensor([4.0])):.4f}"
        '0.8181'
    """

    function: ClassVar[Callable[..., Tensor]] = staticmethod(f.gaussian_nll_loss)
    inputs = 3


class PoissonNLLLoss(Loss):
    """:func:`rumus.nn.functional.poisson_nll_loss`.

    Example:
        >>> from rumus.tensor import tensor
        >>> f"{PoissonNLLLoss()(tensor([0.5, 2.0]), tensor([1.0, 1.0])):.4f}"
        '3.2689'
    """

    function: ClassVar[Callable[..., Tensor]] = staticmethod(f.poisson_nll_loss)


class HingeEmbeddingLoss(Loss):
    """:func:`rumus.nn.functional.hinge_embedding_loss`.

    Example:
        >>> from rumus.tensor import tensor
        >>> f"{HingeEmbeddingLoss()(tensor([0.5, 2.0]), tensor([1.0, -1.0])):.4f}"
        '0.2500'
    """

    function: ClassVar[Callable[..., Tensor]] = staticmethod(f.hinge_embedding_loss)


class SoftMarginLoss(Loss):
    """:func:`rumus.nn.functional.soft_margin_loss`.

    Example:
        >>> from rumus.tensor import tensor
        >>> f"{SoftMarginLoss()(tensor([0.5, 2.0]), tensor([1.0, -1.0])):.4f}"
        '1.3005'
    """

    function: ClassVar[Callable[..., Tensor]] = staticmethod(f.soft_margin_loss)


class CosineEmbeddingLoss(Loss):
    """:func:`rumus.nn.functional.cosine_embedding_loss`, called with two tensors and a target.

    Example:
        >>> from rumus.tensor import tensor
        >>> CosineEmbeddingLoss()(tensor([[1.0, 0.0]]), tensor([[1.0, 0.0]]), tensor([1])).item()
        0.0
    """

    function: ClassVar[Callable[..., Tensor]] = staticmethod(f.cosine_embedding_loss)
    inputs = 3


class MarginRankingLoss(Loss):
    """:func:`rumus.nn.functional.margin_ranking_loss`, called with two tensors and a target.

    Example:
        >>> from rumus.tensor import tensor
        >>> MarginRankingLoss(margin=0.5)(tensor([1.0]), tensor([0.75]), tensor([1.0])).item()
        0.25
    """

    function: ClassVar[Callable[..., Tensor]] = staticmethod(f.margin_ranking_loss)
    inputs = 3


class TripletMarginLoss(Loss):
    """:func:`rumus.nn.functional.triplet_margin_loss`, of anchor, positive and negative.

    Example:
        >>> from rumus.tensor import tensor
        >>> loss = TripletMarginLoss()(tensor([[0.0]]), tensor([[3.0]]), tensor([[1.0]]))
        >>> f"{loss:.4f}"
        '3.0000'
    """

    function: ClassVar[Callable[..., Tensor]] = staticmethod(f.triplet_margin_loss)
    inputs = 3


class MultiMarginLoss(Loss):
    """:func:`rumus.nn.functional.multi_margin_loss`.

    Example:
        >>> from rumus.tensor import tensor
        >>> MultiMarginLoss()(tensor([[1.0, 0.5]]), tensor([0])).item()
        0.25
    """

    function: ClassVar[Callable[..., Tensor]] = staticmethod(f.multi_margin_loss)


class MultiLabelMarginLoss(Loss):
    """:func:`rumus.nn.functional.multilabel_margin_loss`.

    Example:
        >>> from rumus.tensor import tensor
        >>> MultiLabelMarginLoss()(tensor([[1.0, 0.5]]), tensor([[0, -1]])).item()
        0.25
    """

    function: ClassVar[Callable[..., Tensor]] = staticmethod(f.multilabel_margin_loss)


class MultiLabelSoftMarginLoss(Loss):
    """:func:`rumus.nn.functional.multilabel_soft_margin_loss`.

    Example:
        >>> from rumus.tensor import tensor
        >>> f"{MultiLabelSoftMarginLoss()(tensor([[2.0, -1.0]]), tensor([[1.0, 0.0]])):.4f}"
        '0.2201'
    """

    function: ClassVar[Callable[..., Tensor]] = staticmethod(f.multilabel_soft_margin_loss)


class CTCLoss(Loss):
    """:func:`rumus.nn.functional.ctc_loss`, of log_probs, targets and both lengths.

    Example:
        >>> from rumus.tensor import tensor, zeros
        >>> log_probs = zeros(4, 1, 3).log_softmax(2)
        >>> CTCLoss()(log_probs, tensor([[1, 2]]), tensor([4]), tensor([2])).shape
        ()
    """

    function: ClassVar[Callable[..., Tensor]] = staticmethod(f.ctc_loss)
    inputs = 4
