"""Norms and activations, and their gradients, against PyTorch on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from rumus import nn, tensor

RNG = np.random.default_rng(5)
SHAPE = (6, 8, 5, 4)
X = RNG.normal(1, 3, SHAPE).astype(np.float32)
G = RNG.normal(size=SHAPE).astype(np.float32)

LAYERS: dict[str, Callable[[Any], Any]] = {
    "batch": lambda m: m.BatchNorm2d(8, momentum=0.3, eps=1e-3),
    "batch of averages": lambda m: m.BatchNorm2d(8).eval(),
    "batch of all alike": lambda m: m.BatchNorm2d(8, momentum=None),
    "batch alone": lambda m: m.BatchNorm2d(8, affine=False, track_running_stats=False),
    "group": lambda m: m.GroupNorm(4, 8),
    "instance": lambda m: m.InstanceNorm2d(8, affine=True, track_running_stats=True),
    "layer": lambda m: m.LayerNorm((5, 4)),
    "layer without bias": lambda m: m.LayerNorm(4, bias=False),
    "rms": lambda m: m.RMSNorm((5, 4)),
    "rms with eps": lambda m: m.RMSNorm(4, eps=0.1),
    "elu": lambda m: m.ELU(0.7),
    "selu": lambda m: m.SELU(),
    "celu": lambda m: m.CELU(0.7),
    "mish": lambda m: m.Mish(),
    "hardswish": lambda m: m.Hardswish(),
    "hardsigmoid": lambda m: m.Hardsigmoid(),
    "hardtanh": lambda m: m.Hardtanh(-0.5, 2.0),
    "relu6": lambda m: m.ReLU6(),
    "prelu": lambda m: m.PReLU(8),
    "logsigmoid": lambda m: m.LogSigmoid(),
    "softplus": lambda m: m.Softplus(0.5, 2.0),
    "softsign": lambda m: m.Softsign(),
    "softmin": lambda m: m.Softmin(dim=1),
    "tanhshrink": lambda m: m.Tanhshrink(),
    "softshrink": lambda m: m.Softshrink(0.7),
    "hardshrink": lambda m: m.Hardshrink(0.7),
    "threshold": lambda m: m.Threshold(0.3, -1.0),
    "glu": lambda m: m.GLU(1),
}


@pytest.mark.parametrize("name", LAYERS)
def test_results_gradients_and_averages(name: str) -> None:
    here, there = LAYERS[name](nn), LAYERS[name](torch.nn)
    for p in there.parameters():
        torch.nn.init.normal_(p, 1.0, 0.5, generator=torch.Generator().manual_seed(1))
    state = {k: tensor.tensor(v.numpy()) for k, v in there.state_dict().items()}
    here.load_state_dict(state)
    for _ in range(2):
        ours, theirs = nn.Parameter(X), torch.from_numpy(X.copy()).requires_grad_()
        y, z = here(ours), there(theirs)
        np.testing.assert_allclose(y.numpy(), z.detach().numpy(), rtol=1e-5, atol=1e-5)
        part = G[:, : y.shape[1]]
        grads = y.backward(tensor.tensor(part))
        into = torch.autograd.grad(z, [theirs, *there.parameters()], torch.from_numpy(part.copy()))
        for p, other in zip([ours, *here.parameters()], into, strict=True):
            got = grads.get(p.id)
            assert got is not None
            np.testing.assert_allclose(got.numpy(), other.numpy(), rtol=1e-4, atol=2e-5)
    for key, value in there.state_dict().items():
        np.testing.assert_allclose(here.state_dict()[key].numpy(), value.numpy(), rtol=1e-5)


@pytest.mark.parametrize("name", LAYERS)
def test_modules_print_alike(name: str) -> None:
    here, there = repr(LAYERS[name](nn)), repr(LAYERS[name](torch.nn))
    assert here.replace("axis=", "dim=") == there
