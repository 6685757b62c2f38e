"""Functions, reductions and products against PyTorch in float64: values and gradients."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import rumus.tensor as rt
from rumus.nn import Parameter
from rumus.nn.functional import cosine_similarity, normalize
from rumus.tensor import tensor

Operation = Callable[..., Any]
RNG = np.random.default_rng(2)
A, B = (RNG.normal(size=(3, 4)) for _ in range(2))
UNARY = "exp2 expm1 erf erfc tan atan sinh cosh asinh sigmoid".split()
POSITIVE = "log1p log2 log10 rsqrt".split()
CASES: dict[str, tuple[Operation, Operation, list[np.ndarray[Any, Any]]]] = {
    **{name: (getattr(rt, name), getattr(torch, name), [A]) for name in UNARY},
    **{name: (getattr(rt, name), getattr(torch, name), [abs(A) + 0.1]) for name in POSITIVE},
    **{
        name: (getattr(rt, name), getattr(torch, name), [np.tanh(A)])
        for name in ("asin", "acos", "atanh")
    },
    **{
        name: (getattr(rt, name), getattr(torch, name), [A, B])
        for name in "atan2 hypot logaddexp copysign remainder fmod maximum minimum".split()
    },
    "acosh": (rt.acosh, torch.acosh, [abs(A) + 1.1]),
    "lerp": (lambda a, b: rt.lerp(a, b, 0.3), lambda a, b: torch.lerp(a, b, 0.3), [A, B]),
    "prod": (lambda a: a.prod(dim=1), lambda a: a.prod(dim=1), [A]),
    "std": (lambda a: a.std(1, correction=1), lambda a: a.std(1), [A]),
    "logsumexp": (lambda a: a.logsumexp(0), lambda a: a.logsumexp(0), [A]),
    "amax": (lambda a: a.amax(dim=1), lambda a: a.amax(dim=1), [np.round(A)]),
    "norm": (lambda a: a.norm(dim=1), lambda a: a.norm(dim=1), [A]),
    "norm of order 3": (lambda a: a.norm(3), lambda a: a.norm(3), [A]),
    "einsum": (
        lambda a, b: rt.einsum("ij,kj,k->i", a, b, b[:, 0]),
        lambda a, b: torch.einsum("ij,kj,k->i", a, b, b[:, 0]),
        [A, B],
    ),
    "kron": (rt.kron, torch.kron, [A, B]),
    "outer": (rt.outer, torch.outer, [A[0], B[1]]),
    "addmm": (
        lambda a, b: rt.addmm(a[0, :3], a, b.T, beta=0.5, alpha=2.0),
        lambda a, b: torch.addmm(a[0, :3], a, b.T, beta=0.5, alpha=2.0),
        [A, B],
    ),
    "normalize": (normalize, torch.nn.functional.normalize, [A]),
    "cosine_similarity": (cosine_similarity, torch.nn.functional.cosine_similarity, [A, B]),
}


@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients_are_pytorchs(name: str) -> None:
    ours, theirs, arrays = CASES[name]
    singles = [a.astype(np.float32) for a in arrays]
    params = [Parameter(tensor(a)) for a in singles]
    leaves = [torch.tensor(a.astype(np.float64), requires_grad=True) for a in singles]
    result, wanted = ours(*params), theirs(*leaves)
    np.testing.assert_allclose(result.numpy(), wanted.detach().numpy(), rtol=5e-6, atol=1e-6)
    grads = (result * result).sum().backward()
    (wanted * wanted).sum().backward()
    for param, leaf in zip(params, leaves, strict=True):
        assert leaf.grad is not None
        np.testing.assert_allclose(grads[param].numpy(), leaf.grad.numpy(), rtol=5e-5, atol=1e-5)
