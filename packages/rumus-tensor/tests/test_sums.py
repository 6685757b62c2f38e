"""Sums, means and variances keep their digits, whatever the layout: against numpy in float64."""

import numpy as np
import pytest

from rumus import nn
from rumus.nn import Parameter
from rumus.tensor import ones, tensor, zeros

ROUNDING = 2.0**-23


def random(*shape, seed=0):
    return np.random.default_rng(seed).random(shape, np.float32)


def assert_rounded(actual, wanted, roundings=2):
    np.testing.assert_allclose(actual, wanted, rtol=roundings * ROUNDING)


LAYOUTS = {
    "rows": lambda t: t,
    "turned": lambda t: t.T,
    "sliced columns": lambda t: t[:, 3:7],
    "sliced rows": lambda t: t[5:-3],
    "every third row": lambda t: t[::3],
    "backwards": lambda t: t[::-1, ::-1],
    "long rows": lambda t: t.reshape(3, -1),
    "thirds": lambda t: t.reshape(3, -1, t.shape[1]),
    "thirds, sliced": lambda t: t.reshape(3, -1, t.shape[1])[:, 7:, 1:],
    "thirds, axes turned": lambda t: (
        t.reshape(3, -1, t.shape[1]).transpose(1, 0, 2)
        if isinstance(t, np.ndarray)
        else t.reshape(3, -1, t.shape[1]).permute(1, 0, 2)
    ),
}


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_sums_over_any_axes_of_any_view_keep_their_digits(layout, dtype, device):
    a = (random(30_000, 8) / 8).astype(dtype)
    t, view = LAYOUTS[layout](tensor(a, device=device)), LAYOUTS[layout](a)
    axes = range(view.ndim)
    wide = view.astype(np.float64)
    for chosen in [*axes, (0, 1), (0, view.ndim - 1), tuple(axes)]:
        for op in ("sum", "mean", "var"):
            actual = getattr(t, op)(chosen).numpy()
            wanted = getattr(wide, op)(axis=chosen)
            if dtype == "float16":
                np.testing.assert_allclose(actual, wanted.astype(np.float16), rtol=2.0**-10)
            else:
                assert_rounded(actual, wanted, 8 if op == "var" else 4)


def test_a_sum_of_ones_goes_on_beyond_the_digits_of_float32(device):
    assert ones((4200, 4100), device=device).sum().item() == 17_220_000


@pytest.mark.slow
def test_two_columns_of_nineteen_million_ones_are_counted():
    assert ones((4400, 4400, 2)).sum((0, 1)).tolist() == [19_360_000.0] * 2


def test_equal_numbers_add_up_without_a_drift(device):
    t = tensor(np.full((1 << 20, 3), 0.1, np.float32), device=device)
    assert_rounded(t.sum(0).numpy(), np.float64(np.float32(0.1)) * (1 << 20), 3)
    assert_rounded(t.sum().item(), np.float64(np.float32(0.1)) * 3 * (1 << 20), 3)


def test_the_variance_of_many_pixels_a_channel_keeps_its_digits(device):
    a = random(4, 256, 256, 4) + np.float32(3)
    actual = tensor(a, device=device).var((0, 1, 2)).numpy()
    assert_rounded(actual, a.astype(np.float64).var((0, 1, 2)), 40)  # 3**2 / variance


def test_the_gradient_of_a_bias_over_many_rows_keeps_its_digits(device):
    layer = nn.Linear(2, 3, device=device)
    g = random(262_144, 3) + np.float32(0.5)
    y = layer(zeros((262_144, 2), device=device))
    grads = y.backward(tensor(g, device=device))
    assert_rounded(grads.get(layer.bias.id).numpy(), g.sum(0, dtype=np.float64))


def test_the_gradient_of_a_broadcast_operand_keeps_its_digits(device):
    p = Parameter(zeros((1, 5, 1), device=device))
    g = random(3000, 5, 40)
    grad = (p + zeros(g.shape, device=device)).backward(tensor(g, device=device)).get(p.id)
    assert_rounded(grad.numpy(), g.sum((0, 2), dtype=np.float64, keepdims=True))


@pytest.mark.parametrize("log", [False, True])
def test_softmax_of_a_turned_matrix_keeps_its_digits(log, device):
    a = random(40_000, 2)
    t = tensor(a, device=device)
    e = np.exp(a.T.astype(np.float64))
    p = e / e.sum(1, keepdims=True)
    actual = (t.T.log_softmax(1) if log else t.T.softmax(1)).numpy()
    assert_rounded(actual, np.log(p) if log else p, 6)


def test_layer_norm_of_a_turned_matrix_keeps_its_digits(device):
    a = random(60_000, 2) + np.float32(1)
    layer = nn.LayerNorm(60_000).to(device)
    wide = a.T.astype(np.float64)
    wanted = (wide - wide.mean(1, keepdims=True)) / np.sqrt(wide.var(1, keepdims=True) + 1e-5)
    actual = layer(tensor(a, device=device).T).numpy()
    np.testing.assert_allclose(actual, wanted, rtol=2e-6, atol=2e-6)


def test_a_mean_of_many_losses_keeps_its_digits(device):
    logits = random(300_000, 2)
    ids = np.zeros(300_000, np.int32)
    actual = nn.cross_entropy_loss(tensor(logits, device=device), tensor(ids, device=device))
    wide = logits.astype(np.float64)
    assert_rounded(actual.item(), np.logaddexp(0, wide[:, 1] - wide[:, 0]).mean(), 4)


def test_float16_is_rounded_once_at_the_end_of_a_variance(device):
    t = tensor(np.array([0.0] * 999 + [300.0], np.float16), device=device)
    wanted = np.float16(np.var([0.0] * 999 + [300.0]))
    assert t.var().item() == wanted and t.var().dtype == np.float16
    assert t.var(correction=1).item() == np.float16(np.var([0.0] * 999 + [300.0], ddof=1))
    p = Parameter(t)
    grad = p.var().backward().get(p.id)
    assert grad.dtype == np.float16 and np.isfinite(grad.numpy()).all()
