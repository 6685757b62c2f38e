"""Activations, dropout of channels and small layers against their formulas in float64."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rumus import nn
from rumus.nn import functional
from rumus.tensor import (
    ArgumentError,
    DTypeError,
    Generator,
    ShapeError,
    float16,
    int32,
    ones,
    randn,
    tensor,
    zeros,
)

INF, NAN = math.inf, math.nan


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softplus(x):
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def elu(x, alpha=1.0, inner=1.0):
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(inner * x, 0)))


def halves(x):
    return np.split(x, 2, -1)


# The layer, the function, its formula, and the gradient at points where the formula has a bend.
ACTIVATIONS = {
    "relu": (nn.ReLU(), functional.relu, lambda x: np.maximum(x, 0), {0: 0}),
    "relu6": (nn.ReLU6(), functional.relu6, lambda x: np.clip(x, 0, 6), {0: 0, 6: 0}),
    "leaky_relu": (
        nn.LeakyReLU(0.2),
        lambda x: functional.leaky_relu(x, 0.2),
        lambda x: np.where(x > 0, x, 0.2 * x),
        {0: 0.2},
    ),
    "elu": (nn.ELU(2.0), lambda x: functional.elu(x, 2.0), lambda x: elu(x, 2.0), {0: 2, -INF: 0}),
    "selu": (
        nn.SELU(),
        functional.selu,
        lambda x: 1.0507009873554805 * elu(x, 1.6732632423543772),
        {0: 1.7580993, -INF: 0, INF: 1.0507010},
    ),
    "celu": (
        nn.CELU(2.0),
        lambda x: functional.celu(x, 2.0),
        lambda x: elu(x, 2.0, 0.5),
        {0: 1, -INF: 0, INF: 1},
    ),
    "gelu": (
        nn.GELU("tanh"),
        lambda x: functional.gelu(x, "tanh"),
        lambda x: x / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
        {},
    ),
    "silu": (nn.SiLU(), functional.silu, lambda x: x * sigmoid(x), {}),
    "mish": (nn.Mish(), functional.mish, lambda x: x * np.tanh(softplus(x)), {1e30: 1, -1e30: 0}),
    "hardswish": (
        nn.Hardswish(),
        functional.hardswish,
        lambda x: x * np.clip(x + 3, 0, 6) / 6,
        {-3: 0, 3: 1, -1e30: 0, 1e30: 1, INF: 1},
    ),
    "hardsigmoid": (
        nn.Hardsigmoid(),
        functional.hardsigmoid,
        lambda x: np.clip(x + 3, 0, 6) / 6,
        {-3: 0, 3: 0, INF: 0},
    ),
    "hardtanh": (
        nn.Hardtanh(-2.0, 1.0),
        lambda x: functional.hardtanh(x, -2.0, 1.0),
        lambda x: np.clip(x, -2, 1),
        {-2: 0, 1: 0, INF: 0},
    ),
    "sigmoid": (nn.Sigmoid(), functional.sigmoid, sigmoid, {}),
    "logsigmoid": (
        nn.LogSigmoid(),
        functional.logsigmoid,
        lambda x: -softplus(-x),
        {INF: 0, -INF: 1, 1e30: 0},
    ),
    "tanh": (nn.Tanh(), functional.tanh, np.tanh, {}),
    "tanhshrink": (nn.Tanhshrink(), functional.tanhshrink, lambda x: x - np.tanh(x), {INF: 1}),
    "softplus": (
        nn.Softplus(2.0, 3.0),
        lambda x: functional.softplus(x, 2.0, 3.0),
        lambda x: np.where(2 * x > 3, x, softplus(2 * x) / 2),
        {INF: 1, -INF: 0},
    ),
    "softsign": (
        nn.Softsign(),
        functional.softsign,
        lambda x: x / (1 + np.abs(x)),
        {0: 1, 1e30: 0},
    ),
    "softshrink": (
        nn.Softshrink(0.5),
        lambda x: functional.softshrink(x, 0.5),
        lambda x: x - np.clip(x, -0.5, 0.5),
        {-0.5: 0, 0.5: 0, INF: 1},
    ),
    "hardshrink": (
        nn.Hardshrink(0.5),
        lambda x: functional.hardshrink(x, 0.5),
        lambda x: np.where(np.abs(x) <= 0.5, 0, x),
        {-0.5: 0, 0.5: 0, INF: 1},
    ),
    "threshold": (
        nn.Threshold(1.0, 7.0),
        lambda x: functional.threshold(x, 1.0, 7.0),
        lambda x: np.where(x > 1, x, 7),
        {1: 0, INF: 1, -INF: 0},
    ),
    "glu": (
        nn.GLU(),
        functional.glu,
        lambda x: halves(x)[0] * sigmoid(halves(x)[1]),
        {},
    ),
    "swiglu": (
        nn.SwiGLU(),
        functional.swiglu,
        lambda x: halves(x)[0] * sigmoid(halves(x)[0]) * halves(x)[1],
        {},
    ),
    "softmax": (
        nn.Softmax(dim=-1),
        functional.softmax,
        lambda x: np.exp(x) / np.exp(x).sum(-1, keepdims=True),
        {},
    ),
    "softmin": (
        nn.Softmin(dim=-1),
        lambda x: functional.softmin(x, dim=-1),
        lambda x: np.exp(-x) / np.exp(-x).sum(-1, keepdims=True),
        {},
    ),
    "log_softmax": (
        nn.LogSoftmax(),
        functional.log_softmax,
        lambda x: x - np.log(np.exp(x).sum(-1, keepdims=True)),
        {},
    ),
}
POINTS = np.random.default_rng(0).normal(0, 3, (5, 8)).astype(np.float32)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_values_and_gradients_equal_their_formulas(name, device):
    layer, function, formula, _ = ACTIVATIONS[name]
    x = nn.Parameter(tensor(POINTS, device=device))
    y = function(x)
    wide, step = POINTS.astype(np.float64), 1e-5
    np.testing.assert_allclose(y.numpy(), formula(wide), rtol=2e-6, atol=1e-7)
    assert np.array_equal(layer(x).numpy(), y.numpy())
    g = np.random.default_rng(1).normal(size=y.shape)
    into = y.backward(tensor(g, device=device)).get(x.id).numpy()
    wanted = np.zeros_like(wide)
    for at in np.ndindex(wide.shape):
        moved = np.zeros_like(wide)
        moved[at] = step
        wanted[at] = ((formula(wide + moved) - formula(wide - moved)) * g).sum() / (2 * step)
    np.testing.assert_allclose(into, wanted, rtol=2e-4, atol=2e-6)


# Left out: differences of near numbers, of the formula in float64 (gelu) or in any float.
@pytest.mark.parametrize("name", sorted(ACTIVATIONS.keys() - {"gelu", "tanhshrink"}))
def test_small_and_large_numbers_keep_their_digits(name, device):
    _, function, formula, _ = ACTIVATIONS[name]
    x = np.array([1e-4, -1e-4, 0.03, -0.03, 1.1, -1.1, 9.0, -9.0, 14.0, -14.0], np.float32)
    with np.errstate(all="ignore"):
        wanted = formula(x.astype(np.float64))
    np.testing.assert_allclose(function(tensor(x, device=device)).numpy(), wanted, rtol=3e-6)


@pytest.mark.parametrize("name", [name for name in ACTIVATIONS if ACTIVATIONS[name][3]])
def test_gradients_at_bends_and_far_away_are_pytorchs(name, device):
    _, function, _, bends = ACTIVATIONS[name]
    x = nn.Parameter(tensor(list(map(float, bends)), device=device))
    into = function(x).backward(ones(len(bends), device=device)).get(x.id)
    np.testing.assert_allclose(into.numpy(), list(bends.values()), rtol=1e-6, atol=1e-30)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_nan_half_precision_views_and_nothing(name, device):
    _, function, _, _ = ACTIVATIONS[name]
    x = tensor(POINTS, device=device)
    turned = tensor(POINTS.T.copy(), device=device).T
    np.testing.assert_allclose(function(turned).numpy(), function(x).numpy(), rtol=1e-6)
    half = nn.Parameter(x.to(float16))
    y = function(half)
    assert y.dtype == float16
    wanted = function(half.detach().to("float32")).numpy()
    np.testing.assert_allclose(y.numpy(), wanted, rtol=2e-3, atol=2e-3)
    assert y.sum().backward().get(half.id).dtype == float16
    assert function(zeros((0, 4), device=device)).shape[0] == 0
    assert np.isnan(function(tensor([[NAN] * 4], device=device)).numpy()).all()


def test_a_learned_slope_gets_its_gradient(device):
    for channels, x in ((1, POINTS), (4, POINTS.reshape(5, 4, 2))):
        layer = nn.PReLU(channels, 0.5).to(device)
        variable = nn.Parameter(tensor(x, device=device))
        y = layer(variable)
        grads = y.sum().backward()
        np.testing.assert_allclose(y.numpy(), np.where(x > 0, x, 0.5 * x), rtol=1e-6)
        slopes = np.where(x > 0, 0, x)
        wanted = slopes.sum() if channels == 1 else slopes.sum((0, 2))
        np.testing.assert_allclose(grads.get(layer.weight.id).numpy(), wanted, rtol=1e-5)
    with pytest.raises(ShapeError, match="one element or one a channel"):
        nn.PReLU(3).to(device)(variable)


@pytest.mark.gpu
def test_activations_give_the_same_bits_captured():
    from rumus import gpu

    x = tensor(POINTS, device="gpu")
    for name in ("relu6", "hardtanh", "mish", "hardshrink", "selu"):
        function = ACTIVATIONS[name][1]
        step = gpu.capture(lambda a, function=function: function(a * 2.0))
        assert np.array_equal(step(x).numpy(), function(x * 2.0).numpy())


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Dropout1d, (200, 4, 5)),
        (nn.Dropout1d, (4, 5)),
        (nn.Dropout2d, (200, 4, 5, 2)),
        (nn.Dropout2d, (4, 5, 2)),
    ],
)
def test_dropout_of_channels_drops_them_whole(layer, shape, device):
    dropout = layer(0.25, Generator(3))
    x = nn.Parameter(ones(shape, device=device))
    y = dropout(x)
    values = y.numpy().reshape(*shape[: -1 if layer is nn.Dropout1d else -2], -1)
    assert (values == values[..., :1]).all()
    assert set(np.unique(values)) <= {0.0, np.float32(4 / 3)}
    if len(values) == 200:
        assert abs((values == 0).mean() - 0.25) < 0.05
    assert np.array_equal(y.sum().backward().get(x.id).numpy(), y.numpy())
    assert np.array_equal(dropout.eval()(x).numpy(), x.numpy())


def test_alpha_dropout_keeps_mean_and_variance(device):
    layer = nn.AlphaDropout(0.2, Generator(1))
    x = nn.Parameter(randn(200_000).to(device))
    y = layer(x)
    values = y.numpy()
    assert abs(values.mean()) < 0.02 and abs(values.std() - 1) < 0.02
    lowest, counts = np.unique(values, return_counts=True)
    assert abs(counts.max() / values.size - 0.2) < 0.01
    scale = y.sum().backward().get(x.id).numpy()
    dropped = values == lowest[counts.argmax()]
    assert not scale[dropped].any() and (scale[~dropped] == scale.max()).all()
    assert np.array_equal(layer.eval()(x).numpy(), x.numpy())


def test_dropout_of_everything_gives_zeros(device):
    assert not nn.Dropout(1.0)(ones((3, 4), device=device)).numpy().any()


def test_identity_flatten_and_unflatten_change_shapes_alone(device):
    x = tensor(POINTS, device=device)
    assert nn.Identity(7, unused=True)(x) is x
    y = nn.Unflatten(1, (2, -1))(x)
    assert y.shape == (5, 2, 4) and np.array_equal(nn.Flatten()(y).numpy(), POINTS)
    assert nn.Unflatten(-2, (5, 1))(x).shape == (5, 1, 8)
    with pytest.raises(ShapeError, match=r"length 8 cannot become \(3, -1\)"):
        nn.Unflatten(1, (3, -1))(x)


def test_a_bilinear_layer_equals_its_formula(device):
    layer = nn.Bilinear(3, 4, 2).to(device)
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(5, 6, 3)), rng.normal(size=(5, 6, 4))
    y = layer(*(tensor(given, device=device) for given in (a, b)))
    wanted = np.einsum("...i,kij,...j->...k", a, layer.weight.numpy(), b) + layer.bias.numpy()
    np.testing.assert_allclose(y.numpy(), wanted, rtol=1e-5, atol=1e-6)
    grads = y.sum().backward()
    into = np.einsum("nmi,nmj->ij", a, b)
    np.testing.assert_allclose(grads.get(layer.weight.id).numpy()[1], into, rtol=1e-4, atol=1e-5)
    halves = [tensor(given, dtype=float16, device=device) for given in (20 * a, 20 * b)]
    weight = layer.weight.detach().to(float16)
    exact = np.einsum("...i,kij,...j->...k", *(t.numpy().astype(np.float64) for t in
                      (halves[0], weight, halves[1])))  # fmt: skip
    y = functional.bilinear(halves[0], halves[1], weight)
    np.testing.assert_allclose(y.numpy().astype(np.float64), exact, rtol=6e-4, atol=1e-3)
    with pytest.raises(ShapeError, match="takes"):
        layer(ones((5, 3), device=device), ones((4, 4), device=device))


def test_linear_as_a_function(device):
    x, layer = tensor(POINTS, device=device), nn.Linear(8, 3).to(device)
    got = functional.linear(x, layer.weight, layer.bias)
    assert np.array_equal(got.numpy(), layer(x).numpy())
    with pytest.raises(ShapeError, match=r"the bias has shape \(8,\), not \(3,\)"):
        functional.linear(x, layer.weight, ones(8, device=device))


def test_mistakes_say_what_was_expected():
    x = zeros((2, 3))
    for call, error, text in [
        (lambda: functional.glu(x), ShapeError, "has an odd length"),
        (
            lambda: functional.mish(zeros(3, dtype=int32)),
            DTypeError,
            "mish takes floats, not int32",
        ),
        (lambda: functional.selu(1.0), DTypeError, "takes tensors, not a float"),
        (lambda: functional.hardtanh(x, 2.0, 1.0), ArgumentError, "min_val is at most"),
        (lambda: functional.softplus(x, 0.0), ArgumentError, "beta is not 0"),
        (lambda: functional.celu(x, 0.0), ArgumentError, "alpha is not 0"),
        (lambda: functional.dropout(x, 1.5), ArgumentError, "p is from 0 to 1, not 1.5"),
        (lambda: nn.Dropout2d(-1.0), ArgumentError, "Dropout2d: p is from 0 to 1"),
        (lambda: nn.Dropout2d()(x), ShapeError, "takes 3 or 4 axes"),
        (lambda: functional.alpha_dropout(x, 1.0), ArgumentError, "below 1"),
        (lambda: nn.Softmax(1, dim=1), ArgumentError, "one argument"),
        (lambda: nn.PReLU(0), ArgumentError, "at least 1"),
        (lambda: nn.Bilinear(0, 1, 1), ArgumentError, "at least 1"),
    ]:
        with pytest.raises(error, match=text):
            call()


def test_dropout_draws_the_numbers_of_its_stream_and_drops_again_what_it_dropped(device):
    from rumus._backends.registry import backend_of

    be = backend_of(tensor(0.0, device=device).device)
    for shape in ((7,), (3, 5), (4, 0)):
        uniform = be.to_host(be.random("uniform", shape, Generator(4)))
        x = nn.Parameter(tensor(np.full(shape, 3.0, np.float32), device=device))
        y = nn.Dropout(0.3, Generator(4))(x)
        wanted = np.where(uniform >= np.float32(0.3), np.float32(3) * np.float32(1 / 0.7), 0)
        np.testing.assert_allclose(y.numpy(), wanted, rtol=1e-6)
        into = y.backward(ones(shape, device=device)).get(x.id).numpy()
        assert np.array_equal(into != 0, wanted != 0)
    nan = nn.Dropout(0.5, Generator(1))(tensor([NAN] * 64, device=device)).numpy()
    assert (np.isnan(nan) | (nan == 0)).all() and (nan == 0).any()
    part = tensor(POINTS, device=device)[1:, 3:]
    dropped = nn.Dropout(0.5, Generator(1))(part.to(float16))
    assert dropped.dtype == float16 and dropped.shape == part.shape
