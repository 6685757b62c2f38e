"""Losses against their formulas in float64; tests/parity holds them to PyTorch, gradients too."""

import itertools

import numpy as np
import pytest

from rumus import nn
from rumus.autograd import gradcheck
from rumus.nn import functional as f
from rumus.tensor import ArgumentError, DTypeError, IndexRangeError, ShapeError, float16, tensor

rng = np.random.default_rng(0)
X, T = rng.standard_normal((2, 4, 3))
T = 1 / (1 + np.exp(-T))
SIGNS = np.where(rng.standard_normal((4, 3)) > 0, 1.0, -1.0)
IDS = np.array([2, 0, 1, 1])
WEIGHT = np.array([0.5, 2.0, 1.5])
A, B, C = rng.standard_normal((3, 4, 5))


def logsoft(a):
    return (
        a
        - np.log(np.exp(a - a.max(1, keepdims=True)).sum(1, keepdims=True))
        - a.max(1, keepdims=True)
    )


def distance(a, b, p=2.0):
    return (np.abs(a - b + 1e-6) ** p).sum(-1) ** (1 / p)


def cosine(a, b):
    return (a * b).sum(-1) / np.sqrt((a * a).sum(-1) * (b * b).sum(-1))


def positive(a):
    return np.maximum(a, 0)


def softplus(a):
    return np.log1p(np.exp(a))


SIDE = SIGNS[:, 0]
BENT = np.abs(X - T)
ROWS = np.arange(4)
# name, inputs, options, the losses by their formula
CASES = [
    ("mse_loss", (X, T), {}, (X - T) ** 2),
    ("l1_loss", (X, T), {}, np.abs(X - T)),
    (
        "smooth_l1_loss",
        (X, T),
        {"beta": 0.5},
        np.where(BENT < 0.5, BENT**2, BENT - 0.25),
    ),
    ("huber_loss", (X, T), {"delta": 2.0}, np.where(BENT < 2, BENT**2 / 2, 2 * (BENT - 1))),
    ("gaussian_nll_loss", (X, T, T), {}, (np.log(T) + (X - T) ** 2 / T) / 2),
    (
        "gaussian_nll_loss",
        (X, T, T[:, 0]),
        {"full": True},
        (np.log(2 * np.pi * T[:, :1]) + (X - T) ** 2 / T[:, :1]) / 2,
    ),
    (
        "gaussian_nll_loss",
        (X, T[:, :1], T[:1]),
        {},
        (np.log(T[:1]) + (X - T[:, :1]) ** 2 / T[:1]) / 2,
    ),
    ("poisson_nll_loss", (X, T), {}, np.exp(X) - T * X),
    ("poisson_nll_loss", (T, T), {"log_input": False}, T - T * np.log(T + 1e-8)),
    ("kl_div", (np.log(T), T[::-1]), {}, T[::-1] * (np.log(T[::-1]) - np.log(T))),
    ("kl_div", (X, X[::-1]), {"log_target": True}, np.exp(X[::-1]) * (X[::-1] - X)),
    (
        "hinge_embedding_loss",
        (X, SIGNS),
        {"margin": 0.5},
        np.where(SIGNS == 1, X, positive(0.5 - X)),
    ),
    ("soft_margin_loss", (X, SIGNS), {}, softplus(-SIGNS * X)),
    ("margin_ranking_loss", (X, T, SIGNS), {"margin": 0.3}, positive(0.3 - SIGNS * (X - T))),
    (
        "cosine_embedding_loss",
        (A, B, SIDE),
        {"margin": -0.5},
        np.where(SIDE == 1, 1 - cosine(A, B), positive(cosine(A, B) + 0.5)),
    ),
    ("triplet_margin_loss", (A, B, C), {}, positive(distance(A, B) - distance(A, C) + 1)),
    (
        "triplet_margin_loss",
        (A, B, C),
        {"p": 3.0, "swap": True, "margin": 2.0},
        positive(distance(A, B, 3) - np.minimum(distance(A, C, 3), distance(B, C, 3)) + 2),
    ),
    ("nll_loss", (X, IDS), {}, -X[ROWS, IDS]),
    ("cross_entropy", (X, IDS), {}, -logsoft(X)[ROWS, IDS]),
    ("cross_entropy", (X, T), {"weight": WEIGHT}, -(WEIGHT * T * logsoft(X)).sum(1)),
    (
        "multi_margin_loss",
        (X, IDS),
        {"p": 2, "weight": WEIGHT},
        ((positive(1 - X[ROWS, IDS][:, None] + X) ** 2).sum(1) - 1) * WEIGHT[IDS] / 3,
    ),
    (
        "multilabel_margin_loss",
        (X[:1], np.array([[2, -1, 0]])),
        {},
        np.array([positive(1 - (X[0, 2] - X[0, :2])).sum() / 3]),
    ),
    (
        "multilabel_margin_loss",
        (X[0], np.array([2, 2, -1])),
        {},
        np.asarray(2 * positive(1 - (X[0, 2] - X[0, :2])).sum() / 3),
    ),
    ("binary_cross_entropy", (T, T[::-1]), {}, -T[::-1] * np.log(T)
     - (1 - T[::-1]) * np.log(1 - T)),
    (
        "binary_cross_entropy_with_logits",
        (X, T),
        {"pos_weight": WEIGHT, "weight": T},
        T * (WEIGHT * T * softplus(-X) + (1 - T) * softplus(X)),
    ),
    (
        "multilabel_soft_margin_loss",
        (X, T),
        {},
        (T * softplus(-X) + (1 - T) * softplus(X)).mean(1),
    ),
]  # fmt: skip
IDS_OF = [f"{name} {k}" for k, (name, *_) in enumerate(CASES)]


def given(a, device):
    return tensor(a.astype(np.float32) if a.dtype.kind == "f" else a, device=device)


def called(name, inputs, options, device, **others):
    placed = {
        key: given(value, device) if isinstance(value, np.ndarray) else value
        for key, value in options.items()
    }
    return getattr(f, name)(*(given(a, device) for a in inputs), **placed, **others)


@pytest.mark.parametrize("case", CASES, ids=IDS_OF)
def test_losses_are_their_formulas_under_every_reduction(case, device):
    name, inputs, options, wanted = case
    for reduction, expected in (
        ("none", wanted),
        ("sum", wanted.sum()),
        ("mean", wanted.mean()),
    ):
        got = called(name, inputs, options, device, reduction=reduction).numpy()
        np.testing.assert_allclose(got, expected, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("case", CASES, ids=IDS_OF)
def test_gradients_are_those_of_differences(case, device):
    name, inputs, options, _ = case
    placed = {
        key: given(value, device) if isinstance(value, np.ndarray) else value
        for key, value in options.items()
    }
    rest = [given(a, device) for a in inputs[1:]]
    assert gradcheck(lambda x: getattr(f, name)(x, *rest, **placed), [given(inputs[0], device)])


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_class_weights_weigh_the_mean_and_ignored_rows_do_not_count(smoothing, device):
    ids = np.array([2, -100, 1, 1])
    logs, kept = logsoft(X), ids != -100
    safe = np.where(kept, ids, 0)
    losses = -(1 - smoothing) * logs[ROWS, safe] * WEIGHT[safe]
    losses = np.where(kept, losses - smoothing / 3 * (logs * WEIGHT).sum(1), 0)
    options = {"weight": WEIGHT, "label_smoothing": smoothing}
    for reduction, wanted in (
        ("none", losses),
        ("sum", losses.sum()),
        ("mean", losses.sum() / WEIGHT[safe][kept].sum()),
    ):
        got = called("cross_entropy", (X, ids), options, device, reduction=reduction).numpy()
        np.testing.assert_allclose(got, wanted, rtol=2e-5, atol=1e-6)
    got = called("nll_loss", (X, ids), {"weight": WEIGHT}, device).item()
    wanted = -(X[ROWS, safe] * WEIGHT[safe])[kept].sum() / WEIGHT[safe][kept].sum()
    assert got == pytest.approx(wanted, rel=1e-5)


def test_one_sample_and_pixels_are_classified_as_well(device):
    one = called("cross_entropy", (X[0], np.array(2)), {}, device)
    assert one.shape == ()
    assert one.item() == pytest.approx(-logsoft(X)[0, 2], rel=1e-5)
    pixels = rng.standard_normal((2, 3, 4, 5))
    ids = rng.integers(0, 3, (2, 4, 5))
    got = called("nll_loss", (pixels, ids), {}, device, reduction="none").numpy()
    wanted = -np.take_along_axis(pixels, ids[:, None], 1)[:, 0]
    np.testing.assert_allclose(got, wanted, rtol=1e-6)


def test_a_certain_probability_has_a_finite_loss_and_a_way_out(device):
    p = nn.Parameter(tensor([0.0, 1.0, 0.0], device=device))
    loss = f.binary_cross_entropy(p, tensor([1.0, 0.0, 0.0], device=device), reduction="sum")
    assert loss.item() == 200.0
    np.testing.assert_allclose(loss.backward()[p].numpy(), [-1e12, 1e12, 0], rtol=1e-6)


def spelled(logs, labels, blank=0):
    """-log of the sum over all paths that spell the labels, one after the other."""
    total = 0.0
    for path in itertools.product(range(logs.shape[1]), repeat=len(logs)):
        shown = [key for key, _ in itertools.groupby(path) if key != blank]
        if shown == list(labels):
            total += np.exp(logs[np.arange(len(logs)), path].sum())
    return -np.log(total) if total else np.inf


def test_ctc_adds_up_all_paths(device):
    logs = rng.standard_normal((5, 4, 3))
    logs -= np.log(np.exp(logs).sum(-1, keepdims=True))
    targets, steps, lengths = [[1, 1], [2, 1], [1, 0], [1, 1]], [5, 4, 3, 2], [2, 2, 0, 2]
    wanted = [spelled(logs[: steps[n], n], targets[n][: lengths[n]]) for n in range(4)]
    given_logs = tensor(logs.astype(np.float32), device=device)
    ids = tensor(targets, device=device)
    got = f.ctc_loss(given_logs, ids, steps, lengths, reduction="none").numpy()
    np.testing.assert_allclose(got, wanted, rtol=1e-4)
    assert np.isinf(got[3])
    zeroed = f.ctc_loss(given_logs, ids, steps, lengths, zero_infinity=True).item()
    assert zeroed == pytest.approx((wanted[0] / 2 + wanted[1] / 2 + wanted[2]) / 4, rel=1e-4)
    assert gradcheck(
        lambda x: f.ctc_loss(x.log_softmax(-1), ids, steps, lengths, zero_infinity=True),
        [given_logs],
    )


def test_ctc_takes_targets_one_behind_the_other_and_single_sequences(device):
    logs = given(rng.standard_normal((7, 3, 5)).astype(np.float32), device).log_softmax(-1)
    rows = tensor([[1, 2, 2], [3, 0, 0], [4, 1, 0]], device=device)
    line = tensor([1, 2, 2, 3, 4, 1], device=device)
    steps, lengths = [7, 5, 6], [3, 1, 2]
    wanted = f.ctc_loss(logs, rows, steps, lengths, reduction="none").numpy()
    got = f.ctc_loss(logs, line, steps, tensor(lengths, device=device), reduction="none")
    np.testing.assert_array_equal(got.numpy(), wanted)
    one = f.ctc_loss(logs[:, 1], line[3:4], 5, 1, reduction="none")
    assert one.shape == ()
    np.testing.assert_allclose(one.item(), wanted[1], rtol=1e-6)
    with pytest.raises(ShapeError, match="add up to 6, and there are 5 targets"):
        f.ctc_loss(logs, line[:5], steps, lengths)
    with pytest.raises(ShapeError, match="of 3 sequences"):
        f.ctc_loss(logs, rows[:2], steps, lengths)


def test_a_divergence_of_what_is_no_probability_is_nan(device):
    logs = tensor([0.0, 0.0, 0.0], device=device)
    target = tensor([0.0, 1.0, -0.5], device=device)
    np.testing.assert_array_equal(f.kl_div(logs, target, "none").numpy(), [0.0, 0.0, np.nan])


def test_float16_is_float32_inside(device):
    x = tensor(np.full((2000,), 300.0), dtype=float16, device=device)
    zero = tensor(np.zeros(2000), dtype=float16, device=device)
    loss = f.huber_loss(x, zero, delta=0.01)
    assert loss.dtype == float16
    assert loss.item() == pytest.approx(3.0, rel=1e-3)


def test_modules_keep_their_options_and_move_their_weights(device):
    loss = nn.CrossEntropyLoss(tensor(WEIGHT.astype(np.float32)), label_smoothing=0.1).to(device)
    got = loss(given(X, device), given(IDS, device))
    wanted = called("cross_entropy", (X, IDS), {"weight": WEIGHT, "label_smoothing": 0.1}, device)
    assert got.item() == wanted.item()
    assert repr(nn.HuberLoss("sum", delta=2.0)) == "HuberLoss(reduction='sum', delta=2.0)"
    assert nn.TripletMarginLoss(2.0)(*(given(a, device) for a in (A, B, C))).shape == ()
    with pytest.raises(ArgumentError, match="takes the options reduction, delta"):
        nn.HuberLoss(margin=1.0)


def test_mistakes_say_what_was_expected():
    x, ids = tensor(X.astype("f4")), tensor(IDS)
    for call, error, words in [
        (lambda: f.mse_loss(x, ids), ShapeError, r"\(4, 3\), the target \(4,\)"),
        (lambda: f.huber_loss(x, x, delta=0), ArgumentError, "delta is positive"),
        (lambda: f.smooth_l1_loss(x, x, beta=-1), ArgumentError, "beta is not negative"),
        (lambda: f.kl_div(x, x, "median"), ArgumentError, "reduction is 'mean', 'sum' or 'none'"),
        (lambda: f.cross_entropy(x, ids, x[0, :2]), ShapeError, r"shape \(3,\), not \(2,\)"),
        (lambda: f.cross_entropy(x, ids > 0), DTypeError, "not bool"),
        (lambda: f.cross_entropy(x, x[0]), ShapeError, r"class ids of shape \(4,\)"),
        (lambda: f.nll_loss(x, ids + 2), IndexRangeError, "nll_loss"),
        (lambda: f.nll_loss(x, ids - 1), IndexRangeError, "nll_loss"),
        (lambda: f.multi_margin_loss(x, ids, p=3), ArgumentError, "p is 1 or 2"),
        (lambda: f.multilabel_margin_loss(x, x), DTypeError, "int32"),
        (lambda: f.binary_cross_entropy(x, x), ArgumentError, "from 0 to 1"),
        (lambda: f.gaussian_nll_loss(x, x, x[:2]), ShapeError, r"\(4, 3\).*not \(2, 3\)"),
        (
            lambda: f.multilabel_margin_loss(x, ids.reshape(4, 1).expand(4, 3) + 3),
            IndexRangeError,
            "multilabel_margin_loss.* length 3",
        ),
        (lambda: f.triplet_margin_loss(x, x, x, margin=0), ArgumentError, "margin is positive"),
        (lambda: f.cosine_embedding_loss(x, x, ids[:2]), ShapeError, r"\(N, D\)"),
        (lambda: f.ctc_loss(x[0], ids, [1], [1]), ShapeError, "steps, batch, classes"),
        (lambda: f.mse_loss(x, [1.0]), DTypeError, "takes tensors"),
    ]:
        with pytest.raises(error, match=words):
            call()
