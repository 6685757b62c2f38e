"""Sorting, scans and counts against PyTorch: values, positions and gradients."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from rumus import tensor as rt
from rumus.nn import Parameter

RNG = np.random.default_rng(5)
DISTINCT = RNG.permutation(60).reshape(3, 4, 5).astype(np.float32) / 7 - 4
WITH_ZEROS = DISTINCT * (RNG.random(DISTINCT.shape) > 0.2)
TIES = RNG.integers(0, 4, (3, 4, 5)).astype(np.float32)
WITH_NAN = np.where(RNG.random(TIES.shape) < 0.2, np.nan, TIES).astype(np.float32)

Case = tuple[Callable[[Any], Any], Callable[[torch.Tensor], torch.Tensor], Any]
DIFFERENTIABLE: dict[str, Case] = {
    "sort": (lambda x: x.sort(1), lambda x: x.sort(1).values, DISTINCT),
    "descending": (
        lambda x: x.sort(0, descending=True),
        lambda x: x.sort(0, descending=True).values,
        DISTINCT,
    ),
    "topk": (lambda x: x.topk(3, dim=1).values, lambda x: x.topk(3, dim=1).values, DISTINCT),
    "smallest": (
        lambda x: x.topk(2, largest=False).values,
        lambda x: x.topk(2, largest=False).values,
        DISTINCT,
    ),
    "kthvalue": (lambda x: x.kthvalue(2, 2).values, lambda x: x.kthvalue(2, 2).values, DISTINCT),
    "cumsum": (lambda x: x.cumsum(dim=1), lambda x: x.cumsum(dim=1), DISTINCT),
    "cumprod": (lambda x: x.cumprod(dim=1), lambda x: x.cumprod(dim=1), DISTINCT),
    "cumprod of zeros": (lambda x: x.cumprod(2), lambda x: x.cumprod(2), WITH_ZEROS),
    "cummax": (lambda x: x.cummax(1).values, lambda x: x.cummax(1).values, DISTINCT),
    "cummin": (lambda x: x.cummin(0).values, lambda x: x.cummin(0).values, DISTINCT),
    "logcumsumexp": (lambda x: x.logcumsumexp(1), lambda x: x.logcumsumexp(1), DISTINCT),
}


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_values_and_gradients_are_pytorchs(name: str) -> None:
    ours, theirs, numbers = DIFFERENTIABLE[name]
    x, y = Parameter(rt.tensor(numbers)), torch.tensor(numbers, requires_grad=True)
    a, b = ours(x), theirs(y)
    np.testing.assert_allclose(a.numpy(), b.detach().numpy(), rtol=1e-5, atol=1e-6)
    weights = RNG.normal(size=b.shape).astype(np.float32)
    (b * torch.from_numpy(weights)).sum().backward()
    grad = (a * rt.tensor(weights)).sum().backward().get(x.id)
    assert grad is not None and y.grad is not None
    np.testing.assert_allclose(grad.numpy(), y.grad.numpy(), rtol=2e-5, atol=1e-5)


CONSTANT: dict[str, Case] = {
    "argsort": (
        lambda x: x.argsort(1),
        lambda x: torch.sort(x, dim=1, stable=True).indices,
        WITH_NAN,
    ),
    "argsort descending": (
        lambda x: x.argsort(1, descending=True),
        lambda x: torch.sort(x, dim=1, stable=True, descending=True).indices,
        WITH_NAN,
    ),
    "cummax": (lambda x: x.cummax(2).indices, lambda x: x.cummax(2).indices, WITH_NAN),
    "cummin": (lambda x: x.cummin(2).indices, lambda x: x.cummin(2).indices, WITH_NAN),
    "unique": (lambda x: x.unique(), lambda x: x.unique(), TIES),
    "counts": (
        lambda x: x.unique(return_counts=True)[1],
        lambda x: x.unique(return_counts=True)[1],
        TIES,
    ),
    "bincount": (
        lambda x: x.reshape(-1).to("int32").bincount(minlength=6),
        lambda x: x.reshape(-1).long().bincount(minlength=6),
        TIES,
    ),
    "bucketize": (
        lambda x: rt.bucketize(x, rt.tensor([0.0, 1.0, 2.5]), right=True),
        lambda x: torch.bucketize(x, torch.tensor([0.0, 1.0, 2.5]), right=True),
        TIES,
    ),
}


@pytest.mark.parametrize("name", CONSTANT)
def test_positions_and_counts_are_pytorchs(name: str) -> None:
    ours, theirs, numbers = CONSTANT[name]
    a, b = ours(rt.tensor(numbers)), theirs(torch.from_numpy(numbers))
    np.testing.assert_array_equal(a.numpy(), b.numpy())
