"""Losses and their gradients are PyTorch's."""

import numpy as np
import pytest
import torch

from rumus.nn import Parameter
from rumus.nn import functional as ours
from rumus.tensor import tensor

theirs = torch.nn.functional
rng = np.random.default_rng(0)
LOGITS, IDS = rng.standard_normal((6, 5)) * 2, np.array([0, 4, 2, -100, 1, 2])
MAPS, MAP_IDS = rng.standard_normal((3, 5, 4)), rng.integers(0, 5, (3, 4))
SHARES = rng.dirichlet(np.ones(5), 6)
CLASSES = rng.random(5) + 0.2
X, T = rng.standard_normal((4, 3)), rng.random((4, 3))
SIGNS = np.where(rng.standard_normal((4, 3)) > 0, 1.0, -1.0)
A, B, C = rng.standard_normal((3, 5, 7))
LABELS = np.array([[3, 0, -1, 1, 2], [-1, 1, 1, 1, 1], [0, 1, 2, 3, 4]])
SURE = np.concatenate([T.ravel()[:-2], [0.0, 1.0]]).reshape(T.shape)
# name, inputs, options, the inputs whose gradients are compared
CASES = [
    ("cross_entropy", (LOGITS, IDS), {"weight": CLASSES, "label_smoothing": 0.1}, (0,)),
    ("cross_entropy", (LOGITS, IDS), {"label_smoothing": 0.1}, (0,)),
    ("cross_entropy", (MAPS, MAP_IDS), {"weight": CLASSES}, (0,)),
    ("cross_entropy", (LOGITS, SHARES), {"weight": CLASSES, "label_smoothing": 0.1}, (0, 1)),
    ("cross_entropy", (LOGITS[0], np.array(3)), {"weight": CLASSES}, (0,)),
    ("cross_entropy", (LOGITS[0], SHARES[0]), {}, (0, 1)),
    ("nll_loss", (LOGITS, IDS), {"weight": CLASSES}, (0,)),
    ("nll_loss", (MAPS, MAP_IDS), {}, (0,)),
    ("multi_margin_loss", (LOGITS, abs(IDS) % 5), {"p": 1, "weight": CLASSES}, (0,)),
    ("multi_margin_loss", (LOGITS, abs(IDS) % 5), {"p": 2, "margin": 0.7}, (0,)),
    ("multilabel_margin_loss", (LOGITS[:3], LABELS), {}, (0,)),
    ("smooth_l1_loss", (X, T), {"beta": 0.5}, (0, 1)),
    ("smooth_l1_loss", (X, T), {"beta": 0.0}, (0, 1)),
    ("huber_loss", (X, T), {"delta": 0.6}, (0, 1)),
    ("gaussian_nll_loss", (X, T, T), {"eps": 0.3}, (0, 1, 2)),
    ("gaussian_nll_loss", (X, T, T[:, 0]), {"full": True}, (0, 1, 2)),
    ("poisson_nll_loss", (T, 4 * T), {"full": True}, (0,)),
    ("poisson_nll_loss", (T, 4 * T), {"log_input": False}, (0,)),
    ("kl_div", (X, SURE), {}, (0,)),
    ("kl_div", (X, T), {"log_target": True}, (0, 1)),
    ("hinge_embedding_loss", (X, SIGNS), {"margin": 0.8}, (0,)),
    ("soft_margin_loss", (X, SIGNS), {}, (0,)),
    ("margin_ranking_loss", (X, T, SIGNS), {"margin": 0.3}, (0, 1)),
    ("cosine_embedding_loss", (A, B, np.array([1.0, -1, 1, -1, -1])), {"margin": -0.2}, (0, 1)),
    ("triplet_margin_loss", (A, B, C), {"p": 1}, (0, 1, 2)),
    ("triplet_margin_loss", (A, B, C), {"p": 3, "swap": True}, (0, 1, 2)),
    ("binary_cross_entropy", (SURE, T), {"weight": T}, (0,)),
    ("binary_cross_entropy", (T, T[::-1].copy()), {}, (0, 1)),
    ("binary_cross_entropy_with_logits", (5 * X, T), {"pos_weight": T[0], "weight": T}, (0, 1)),
    ("multilabel_soft_margin_loss", (X, (T > 0.5) * 1.0), {"weight": T[0]}, (0,)),
]


def ours_and_theirs(inputs, trained):
    them = [
        torch.tensor(a, dtype=torch.double, requires_grad=i in trained)
        if a.dtype.kind == "f"
        else torch.tensor(a)
        for i, a in enumerate(inputs)
    ]
    us = [tensor(a.astype(np.float32) if a.dtype.kind == "f" else a) for a in inputs]
    return [Parameter(x) if i in trained else x for i, x in enumerate(us)], them


@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides")
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("case", CASES, ids=[f"{name} {k}" for k, (name, *_) in enumerate(CASES)])
def test_losses_and_their_gradients_are_pytorch_s(case, reduction):
    name, inputs, options, trained = case
    us, them = ours_and_theirs(inputs, trained)
    arrays = {k: v for k, v in options.items() if isinstance(v, np.ndarray)}
    expected = getattr(theirs, name)(
        *them, **options | {k: torch.tensor(v) for k, v in arrays.items()}, reduction=reduction
    )
    loss = getattr(ours, name)(
        *us,
        **options | {k: tensor(v.astype(np.float32)) for k, v in arrays.items()},
        reduction=reduction,
    )
    np.testing.assert_allclose(loss.numpy(), expected.detach().numpy(), rtol=3e-5, atol=2e-6)
    seed = rng.standard_normal(expected.shape)
    expected.backward(torch.tensor(seed))
    grads = loss.backward(tensor(seed.astype(np.float32)))
    for i in trained:
        np.testing.assert_allclose(
            grads[us[i]].numpy(), them[i].grad.numpy(), rtol=1e-4, atol=1e-5, err_msg=str(i)
        )


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_ctc_and_its_gradient_are_pytorch_s(reduction):
    logits = rng.standard_normal((12, 4, 6))
    targets = np.array([[1, 1, 2, 3], [5, 5, 5, 5], [2, 1, 0, 0], [1, 2, 3, 4]])
    steps, lengths = [12, 5, 3, 3], [4, 4, 2, 0]
    them = torch.tensor(logits, requires_grad=True)
    us = Parameter(tensor(logits.astype(np.float32)))
    options = {"reduction": reduction, "zero_infinity": True}
    expected = theirs.ctc_loss(
        them.log_softmax(-1),
        torch.tensor(targets),
        torch.tensor(steps),
        torch.tensor(lengths),
        **options,
    )
    loss = ours.ctc_loss((us * 1.0).log_softmax(-1), tensor(targets), steps, lengths, **options)
    np.testing.assert_allclose(loss.numpy(), expected.detach().numpy(), rtol=1e-4)
    seed = np.ones(expected.shape)
    expected.backward(torch.tensor(seed))
    grads = loss.backward(tensor(seed.astype(np.float32)))
    np.testing.assert_allclose(grads[us].numpy(), them.grad.numpy(), rtol=1e-3, atol=1e-5)
