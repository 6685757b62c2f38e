"""Adam with decoupled weight decay."""

from __future__ import annotations

from rumus.optim._groups import ParamsLike
from rumus.optim._rules.adam import Adam


class AdamW(Adam):
    r"""Adam whose weight decay does not pass through the moments.

    With decay rates ``β₁, β₂``, weight decay ``λ`` and the step ``t`` from 1::

        p ← p - lr λ p
        m ← β₁ m + (1 - β₁) g
        v ← β₂ v + (1 - β₂) g²
        p ← p - lr · m/(1 - β₁ᵗ) / (√(v/(1 - β₂ᵗ)) + ε)

    ``ε`` is added outside the root and after the bias correction, as in PyTorch; the decay is
    multiplied by ``lr``, as in PyTorch and unlike the paper's ``η λ``.
    Loshchilov & Hutter, "Decoupled Weight Decay Regularization", 2019, algorithm 2.

    Args:
        params: parameters, ``(name, parameter)`` pairs or groups.
        lr: learning rate, at least 0 (default 1e-3).
        betas: ``β₁, β₂``, each in [0, 1) (default 0.9, 0.999).
        eps: ``ε``, at least 0 (default 1e-8).
        weight_decay: ``λ``, at least 0 (default 0.01).
        amsgrad: never let the denominator shrink (default False).
        maximize: climb instead of descending (default False).
        skip_nonfinite: leave out steps with a gradient that is not finite (default False).

    Raises:
        HyperparameterError: a value is outside its range.
        ParameterListError: no parameters, one of them twice, or another object.

    Example:
        >>> from rumus import nn, tensor
        >>> model = nn.Linear(2, 1)
        >>> optimizer = AdamW(model.parameters(), lr=0.1)
        >>> for _ in range(3):
        ...     optimizer.step(nn.mse_loss(model(tensor.ones(4, 2)), tensor.zeros(4, 1)).backward())
        >>> optimizer.steps
        3
    """

    scratch = "f"
    decoupled = True

    def __init__(
        self,
        params: ParamsLike,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        skip_nonfinite: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            maximize=maximize,
            skip_nonfinite=skip_nonfinite,
        )
