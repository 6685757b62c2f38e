"""Choosing by position, embeddings and bags against PyTorch: values and gradients, on the CPU."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from rumus import nn
from rumus.nn import functional as F  # noqa: N812
from rumus.tensor import Tensor, tensor

RNG = np.random.default_rng(5)
LINES = np.array([[1, 0, 3], [2, 2, 0]])
MASK = RNG.random((4, 5)) < 0.5
IDS = RNG.integers(0, 6, (4, 7))
OFFSETS = np.array([0, 3, 3, 20])


def index(array: Any, like: Any) -> Any:
    """Integers or bools for the library that ``like`` is of."""
    return tensor(array) if isinstance(like, Tensor) else torch.as_tensor(array)


# name: shapes of the float arguments, and what both libraries compute
CASES: dict[str, tuple[list[tuple[int, ...]], Callable[..., Any]]] = {
    "gather": ([(4, 5)], lambda x: x.gather(1, index(LINES, x))),
    "scatter": ([(4, 5), (1, 3)], lambda x, s: x.scatter(1, index(LINES[:1], x), s)),
    "scatter_add": ([(4, 5), (2, 3)], lambda x, s: x.scatter_add(1, index(LINES, x), s)),
    "index_select": ([(4, 5)], lambda x: x.index_select(1, index([4, 4, 0], x))),
    "index_add": ([(4, 5), (4, 2)], lambda x, s: x.index_add(1, index([3, 3], x), s, alpha=0.5)),
    "index_copy": ([(4, 5), (4, 2)], lambda x, s: x.index_copy(1, index([3, 0], x), s)),
    "index_fill": ([(4, 5)], lambda x: x.index_fill(1, index([3, 0], x), 2.0)),
    "index_put": (
        [(4, 5), (3,)],
        lambda x, s: x.index_put((index([0, 3, 0], x), index([1, 1, 1], x)), s, accumulate=True),
    ),
    "masked_fill": ([(4, 5)], lambda x: x.masked_fill(index(MASK, x), -1.0)),
    "masked_select": ([(2, 4, 5)], lambda x: x.masked_select(index(MASK, x))),
    "an index": ([(4, 5, 3)], lambda x: x[index([0, 3], x), :, index([[2], [1]], x)]),
    "a mask": ([(4, 5, 3)], lambda x: x[index(MASK, x)]),
    "chunk": ([(5, 4)], lambda x: x.chunk(3, dim=0)[2]),
    "unbind": ([(5, 4)], lambda x: x.unbind(dim=1)[2]),
    "unflatten": ([(5, 4)], lambda x: x.unflatten(1, (2, -1))),
    "movedim": ([(5, 4, 3)], lambda x: x.movedim((0, 2), (1, 0))),
    "repeat_interleave": ([(5, 4)], lambda x: x.repeat_interleave(2, dim=1)),
    "roll": ([(5, 4)], lambda x: x.roll((1, -1), (0, 1))),
    "tril": ([(3, 5, 4)], lambda x: x.tril(diagonal=-1)),
    "diagonal": ([(3, 5, 4)], lambda x: x.diagonal(1, 1, 2)),
    "diag": ([(4,)], lambda x: x.diag(-1)),
}
for kind in ("sum", "mean", "amax", "amin"):
    for itself in (True, False):
        CASES[f"scatter_reduce {kind} {itself}"] = (
            [(4, 5), (2, 3)],
            lambda x, s, kind=kind, itself=itself: x.scatter_reduce(
                1, index(LINES, x), s, kind, include_self=itself
            ),
        )


def compared(ours: Callable[..., Any], theirs: Callable[..., Any], arrays: list[Any]) -> None:
    """Values and gradients of both, of the same arguments."""
    params = [nn.Parameter(tensor(a)) for a in arrays]
    leaves = [torch.tensor(a, requires_grad=True) for a in arrays]
    got, wanted = ours(*params), theirs(*leaves)
    np.testing.assert_allclose(got.numpy(), wanted.detach().numpy(), rtol=1e-5, atol=1e-6)
    g = np.cos(1 + np.arange(got.size)).reshape(got.shape).astype(np.float32)
    grads = got.backward(tensor(g))
    wanted.backward(torch.from_numpy(g))
    for p, leaf in zip(params, leaves, strict=True):
        expected = np.zeros(p.shape) if leaf.grad is None else leaf.grad.numpy()
        np.testing.assert_allclose(grads.get(p.id).numpy(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("case", CASES)
def test_values_and_gradients_are_pytorchs(case: str) -> None:
    shapes, compute = CASES[case]
    compared(compute, compute, [RNG.standard_normal(s).astype(np.float32) for s in shapes])


@pytest.mark.parametrize("padding", [None, 2])
@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize("flat", [False, True])
def test_bags_are_pytorchs(flat: bool, mode: str, padding: int | None) -> None:
    ids, offsets = (IDS.ravel(), OFFSETS) if flat else (IDS, None)

    def ours(w: Any) -> Any:
        starts = None if offsets is None else tensor(offsets)
        return F.embedding_bag(tensor(ids), w, starts, mode=mode, padding_idx=padding)

    def theirs(w: Any) -> Any:
        starts = None if offsets is None else torch.as_tensor(offsets)
        bag = torch.nn.functional.embedding_bag
        return bag(torch.as_tensor(ids), w, starts, mode=mode, padding_idx=padding)

    compared(ours, theirs, [RNG.standard_normal((6, 3)).astype(np.float32)])


@pytest.mark.parametrize("padding", [None, -1])
def test_rows_are_pytorchs(padding: int | None) -> None:
    compared(
        lambda w: F.embedding(tensor(IDS), w, padding_idx=padding),
        lambda w: torch.nn.functional.embedding(torch.as_tensor(IDS), w, padding_idx=padding),
        [RNG.standard_normal((6, 3)).astype(np.float32)],
    )
