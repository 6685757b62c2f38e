"""Gradients of gradients against PyTorch's, in float64 there."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from rumus import nn, tensor
from rumus.autograd import checkpoint, grad, leaf

RNG = np.random.default_rng(5)
X = RNG.normal(size=(6, 5)).astype(np.float32)

ACTIVATIONS: dict[str, tuple[Callable[[], nn.Module], Callable[[], torch.nn.Module]]] = {
    "relu": (nn.ReLU, torch.nn.ReLU),
    "leaky relu": (nn.LeakyReLU, torch.nn.LeakyReLU),
    "tanh": (nn.Tanh, torch.nn.Tanh),
    "sigmoid": (nn.Sigmoid, torch.nn.Sigmoid),
    "gelu": (nn.GELU, torch.nn.GELU),
    "gelu_tanh": (lambda: nn.GELU("tanh"), lambda: torch.nn.GELU("tanh")),
    "silu": (nn.SiLU, torch.nn.SiLU),
    "softmax": (nn.Softmax, lambda: torch.nn.Softmax(-1)),
    "log softmax": (nn.LogSoftmax, lambda: torch.nn.LogSoftmax(-1)),
}


def pair(activation: str) -> tuple[nn.Sequential, torch.nn.Sequential]:
    """The same critic here, in float32, and there, in float64."""
    tensor.manual_seed(3)
    ours, theirs = ACTIVATIONS[activation]
    here = nn.Sequential(
        nn.Linear(5, 16), nn.LayerNorm(16), ours(), nn.Linear(16, 8), ours(), nn.Linear(8, 1)
    )
    t = torch.nn
    there = t.Sequential(
        t.Linear(5, 16), t.LayerNorm(16), theirs(), t.Linear(16, 8), theirs(), t.Linear(8, 1)
    ).double()
    with torch.no_grad():
        for a, b in zip(here.parameters(), there.parameters(), strict=True):
            b.copy_(torch.from_numpy(a.numpy()))
    return here, there


def penalised(model: Any, x: Any, slope: Any) -> Any:
    """A critic's loss with its gradient penalty, in operations that both have."""
    return model(x).mean() + (((slope * slope).sum(1) + 1e-12) ** 0.5 - 1.0).square().mean()


@pytest.mark.parametrize("call", [lambda f, x: f(x), checkpoint], ids=["plain", "checkpoint"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_gradient_penalty_has_pytorchs_gradients(activation: str, call: Any) -> None:
    here, there = pair(activation)
    x = leaf(tensor.tensor(X))
    (slope,) = grad(call(here, x).sum(), x, create_graph=True)
    loss = penalised(here, x, slope)
    y = torch.tensor(X, dtype=torch.float64, requires_grad=True)
    (other,) = torch.autograd.grad(there(y).sum(), y, create_graph=True)
    theirs = penalised(there, y, other)
    theirs.backward()
    np.testing.assert_allclose(slope.numpy(), other.detach().numpy(), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(loss.item(), theirs.item(), rtol=1e-5)
    grads = loss.backward()
    for a, b in zip([*here.parameters(), x], [*there.parameters(), y], strict=True):
        assert b.grad is not None
        scale = float(b.grad.abs().max())
        np.testing.assert_allclose(
            grads[a].numpy(), b.grad.numpy(), rtol=1e-3, atol=1e-5 * max(scale, 1.0)
        )
