"""L-BFGS against torch.optim.LBFGS, step by step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rumus import optim
from rumus.nn import Parameter
from rumus.tensor import Tensor, tensor

torch = pytest.importorskip("torch")

RNG = np.random.default_rng(0)
X = RNG.standard_normal((50, 4)).astype(np.float32)
Y = np.tanh(X @ RNG.standard_normal((4, 2))).astype(np.float32)
STARTS = [RNG.standard_normal(s).astype(np.float32) * 0.5 for s in ((4, 8), (8,), (8, 2))]


@pytest.mark.parametrize(
    "options",
    [
        {"lr": 0.1, "max_iter": 4},
        {"lr": 0.3, "max_iter": 6, "history_size": 3},
        {"max_iter": 5, "line_search_fn": "strong_wolfe"},
        {"lr": 20.0, "max_iter": 8, "max_eval": 9, "line_search_fn": "strong_wolfe"},
    ],
)
def test_a_small_network_learns_the_same_way(options: dict[str, Any], device: str) -> None:
    ours = [Parameter(tensor(s).to(device)) for s in STARTS]
    theirs = [torch.nn.Parameter(torch.tensor(s)) for s in STARTS]
    x, y = tensor(X).to(device), tensor(Y).to(device)
    tx, ty = torch.tensor(X), torch.tensor(Y)
    mine, reference = optim.LBFGS(ours, **options), torch.optim.LBFGS(theirs, **options)

    def loss() -> Tensor:
        rest = (x @ ours[0] + ours[1]).tanh() @ ours[2] - y
        return (rest * rest).mean()

    def closure() -> Any:
        reference.zero_grad()
        rest = torch.tanh(tx @ theirs[0] + theirs[1]) @ theirs[2] - ty
        value = (rest * rest).mean()
        value.backward()
        return value

    for _ in range(3):
        assert mine.step(loss).item() == pytest.approx(reference.step(closure).item(), rel=1e-3)
    state = reference.state[reference._params[0]]
    assert (mine.steps, mine.evaluations) == (state["n_iter"], state["func_evals"])
    for p, q in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(p.numpy(), q.detach().numpy(), rtol=1e-3, atol=1e-3)
