"""Losses and gradients of a small classifier against PyTorch, in float32 on the CPU."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import torch

from rumus import nn, tensor
from rumus.autograd import no_grad

TOLERANCE = {"rtol": 1e-6, "atol": 1e-6}
RNG = np.random.default_rng(11)
X = RNG.normal(size=(32, 20)).astype(np.float32)
CLASSES = RNG.integers(10, size=32)
Y = RNG.normal(size=(32, 10)).astype(np.float32)

ACTIVATIONS: dict[str, tuple[Callable[[], nn.Module], Callable[[], torch.nn.Module]]] = {
    "relu": (nn.ReLU, torch.nn.ReLU),
    "tanh": (nn.Tanh, torch.nn.Tanh),
    "sigmoid": (nn.Sigmoid, torch.nn.Sigmoid),
    "gelu": (nn.GELU, torch.nn.GELU),
}


def pair(activation: str) -> tuple[nn.Sequential, torch.nn.Sequential]:
    """The same model, with the same weights, here and there."""
    tensor.manual_seed(3)
    ours, theirs = ACTIVATIONS[activation]
    here = nn.Sequential(nn.Linear(20, 64), ours(), nn.Linear(64, 10))
    there = torch.nn.Sequential(torch.nn.Linear(20, 64), theirs(), torch.nn.Linear(64, 10))
    with torch.no_grad():
        for a, b in zip(here.parameters(), there.parameters(), strict=True):
            values = torch.from_numpy(a.numpy().copy())
            b.copy_(values if values.shape == b.shape else values.T)
    return here, there


def check(
    here: nn.Sequential, loss: tensor.Tensor, there: torch.nn.Sequential, theirs: torch.Tensor
) -> None:
    theirs.backward()
    grads = loss.backward()
    np.testing.assert_allclose(loss.item(), theirs.item(), **TOLERANCE)
    for a, b in zip(here.parameters(), there.parameters(), strict=True):
        ours, other = grads.get(a.id), b.grad
        assert ours is not None and other is not None
        expected: npt.NDArray[np.float32] = other.numpy()
        if ours.shape != expected.shape:
            expected = expected.T
        np.testing.assert_allclose(ours.numpy(), expected, **TOLERANCE)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_cross_entropy_and_its_gradients(activation: str) -> None:
    here, there = pair(activation)
    loss = nn.cross_entropy_loss(here(tensor.tensor(X)), tensor.tensor(CLASSES, dtype=tensor.int32))
    theirs = torch.nn.functional.cross_entropy(
        there(torch.from_numpy(X)), torch.from_numpy(CLASSES)
    )
    check(here, loss, there, theirs)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_mean_squared_error_and_its_gradients(activation: str) -> None:
    here, there = pair(activation)
    loss = nn.mse_loss(here(tensor.tensor(X)), tensor.tensor(Y))
    theirs = torch.nn.functional.mse_loss(there(torch.from_numpy(X)), torch.from_numpy(Y))
    check(here, loss, there, theirs)


@pytest.mark.parametrize("shape", [(64,), (8, 8)])
def test_layer_norms_and_their_gradients(shape: tuple[int, ...]) -> None:
    tensor.manual_seed(3)
    norm = nn.LayerNorm(shape, eps=1e-3)
    with no_grad():
        norm.weight.copy_(tensor.tensor(RNG.normal(size=shape).astype(np.float32)))
    here = nn.Sequential(nn.Linear(20, 64), norm)
    there = torch.nn.Sequential(torch.nn.Linear(20, 64), torch.nn.LayerNorm(shape, eps=1e-3))
    there.load_state_dict({k: torch.from_numpy(v.numpy()) for k, v in here.state_dict().items()})
    y = here[1](here[0](tensor.tensor(X)).reshape(32, *shape))
    theirs = there[1](there[0](torch.from_numpy(X)).reshape(32, *shape))
    target = RNG.normal(size=theirs.shape).astype(np.float32)
    loss = nn.mse_loss(y, tensor.tensor(target))
    check(here, loss, there, torch.nn.functional.mse_loss(theirs, torch.from_numpy(target)))
