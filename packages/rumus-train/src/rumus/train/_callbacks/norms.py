"""Callbacks that measure the norms of weights and of gradients."""

from __future__ import annotations

import numpy as np

from rumus import gpu
from rumus.autograd import GradientStore
from rumus.tensor import ArgumentError, Keyed, Tensor, stack, zeros

from .._every import Every, Timer
from .._run import Run

_EACH_50 = Every(steps=50)


class WeightNorms:
    """Puts the norm of each parameter into ``run.metrics``, in one transfer.

    Args:
        every: When (default: each 50 steps).

    Example:
        >>> from rumus import nn
        >>> from rumus.data import ArrayDataset, DataLoader
        >>> from rumus.optim import SGD
        >>> from rumus.train import Every, Trainer
        >>> loader = DataLoader(ArrayDataset(np.ones((8, 2)), np.ones((8, 1))), batch_size=4)
        >>> model = nn.Linear(2, 1)
        >>> trainer = Trainer(SGD(model.parameters(), lr=0.1))
        >>> norms = WeightNorms(Every(steps=1))
        >>> run = trainer.fit(model, loader, nn.mse_loss, epochs=1, callbacks=[norms])
        >>> sorted(run.metrics)
        ['loss', 'norm_bias', 'norm_weight']
    """

    may_stop = False

    def __init__(self, every: Every = _EACH_50) -> None:
        self._timer = Timer(every)

    def on_step_end(self, run: Run) -> None:
        """Measure, if it is time."""
        if not self._timer.is_due(run.progress):
            return
        named = list(run.model.named_parameters())
        norms = stack([_norm(parameter) for _, parameter in named]).numpy()
        for (name, _), norm in zip(named, norms, strict=True):
            run.metrics[f"norm_{name}"] = float(norm)


class GradientNorms:
    """Puts the norm of each parameter's gradient into ``run.metrics``, and that of all of them.

    They are those of a step at the trigger, before clipping, as ``"grad_norm_NAME"`` and
    ``"grad_norm"``. They are computed in that step alone, where it is captured too, and come in one
    transfer. A parameter that gets no gradient has 0; where a step updates one several times, the
    norms are added. It belongs before the loggers that write them.

    Args:
        every: When (default: each 50 steps).

    Raises:
        ArgumentError: In a run with shards, where no gradient is whole before the update.

    Example:
        >>> from rumus import nn
        >>> from rumus.data import ArrayDataset, DataLoader
        >>> from rumus.optim import SGD
        >>> from rumus.train import Every, Trainer
        >>> loader = DataLoader(ArrayDataset(np.ones((8, 2)), np.ones((8, 1))), batch_size=4)
        >>> model = nn.Linear(2, 1)
        >>> trainer = Trainer(SGD(model.parameters(), lr=0.1))
        >>> norms = GradientNorms(Every(steps=1))
        >>> run = trainer.fit(model, loader, nn.mse_loss, epochs=1, callbacks=[norms])
        >>> sorted(run.metrics)
        ['grad_norm', 'grad_norm_bias', 'grad_norm_weight', 'loss']
    """

    def __init__(self, every: Every = _EACH_50) -> None:
        self._timer = Timer(every)

    def on_fit_start(self, run: Run) -> None:
        """Have a look at the gradients before each update."""
        if run.shared is not None:
            raise ArgumentError(
                "GradientNorms sees no gradients with shards: they are whole only after the fold, "
                "each in the process that owns it"
            )
        self._named = list(run.model.named_parameters())
        self._due = Keyed(False)
        self._norms = zeros((len(self._named),), device=run.device)
        if run.device.kind == "gpu":
            gpu.persist(self._norms.array)
        run.gradient_hooks.append(self._measure)

    def on_step_start(self, run: Run) -> None:
        """Whether the step is one to measure is known before it is taken."""
        is_due = self._timer.is_due(run.progress.after_step())
        if is_due:
            self._norms.zero_()
        self._due.set(is_due)

    def on_step_end(self, run: Run) -> None:
        """Read what was measured."""
        if not self._due.get():
            return
        norms = self._norms.numpy().astype(np.float64)
        run.metrics["grad_norm"] = float(np.sqrt(np.sum(norms**2)))
        for (name, _), norm in zip(self._named, norms, strict=True):
            run.metrics[f"grad_norm_{name}"] = float(norm)

    def _measure(self, grads: GradientStore) -> None:
        """Measure an optimizer's gradients; those of another one are added to zeros."""
        if not self._due.get():
            return
        found = [grads.get(parameter) for _, parameter in self._named]
        none = zeros((), device=self._norms.device)
        self._norms.add_(stack([none if grad is None else _norm(grad) for grad in found]))


def _norm(values: Tensor) -> Tensor:
    values = values.detach().to(np.float32)
    return (values * values).sum().sqrt()
