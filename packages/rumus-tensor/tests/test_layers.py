"""Layers and losses against their formulas in numpy."""

import math

import numpy as np
import pytest

from rumus import nn
from rumus.autograd import no_grad
from rumus.tensor import (
    ArgumentError,
    AutogradError,
    DTypeError,
    Generator,
    ShapeError,
    Tensor,
    float16,
    int32,
    manual_seed,
    ones,
    randn,
    tensor,
    uint8,
    zeros,
)


def log_softmax(a):
    a = np.asarray(a, np.float64)
    a = a - a.max(-1, keepdims=True)
    return a - np.log(np.exp(a).sum(-1, keepdims=True))


def logits(*shape):
    return np.random.default_rng(1).normal(0, 2, shape).astype(np.float32)


@pytest.mark.parametrize("shape", [(4,), (5, 4), (2, 3, 4), (0, 4)])
def test_linear_equals_its_formula(shape, device):
    layer = nn.Linear(4, 3, device=device)
    x = logits(*shape)
    y = layer(tensor(x, device=device)).numpy()
    wanted = x.astype(np.float64) @ layer.weight.numpy().T + layer.bias.numpy()
    assert y.shape == (*shape[:-1], 3)
    np.testing.assert_allclose(y, wanted, rtol=1e-5, atol=1e-6)


def test_gradients_of_linear_equal_their_formulas(device):
    layer, x = nn.Linear(4, 3).to(device), nn.Parameter(tensor(logits(6, 4), device=device))
    g = logits(6, 3)
    grads = layer(x).backward(tensor(g, device=device))
    for p, wanted in [
        (x, g @ layer.weight.numpy()),
        (layer.weight, g.T @ x.numpy()),
        (layer.bias, g.sum(0)),
    ]:
        np.testing.assert_allclose(grads.get(p.id).numpy(), wanted, rtol=1e-5, atol=1e-5)


def test_linear_without_bias(device):
    layer = nn.Linear(2, 3, bias=False, device=device)
    assert layer.bias is None and len(layer.parameters()) == 1
    np.testing.assert_allclose(
        layer(ones((1, 2), device=device)).numpy()[0], layer.weight.numpy().sum(1), rtol=1e-6
    )


def test_linear_starts_uniform_within_its_bound():
    manual_seed(0)
    layer = nn.Linear(100, 300)
    for values in (layer.weight.numpy(), layer.bias.numpy()):
        assert np.abs(values).max() <= 0.1
        assert abs(values.mean()) < 0.01 and abs(values.std() - 0.1 / math.sqrt(3)) < 0.005


def test_linear_says_what_it_takes():
    with pytest.raises(ShapeError, match=r"Linear\(4, 3\) takes \(…, 4\), not \(2, 5\)"):
        nn.Linear(4, 3)(zeros((2, 5)))
    with pytest.raises(DTypeError, match="input is uint8, the weight float32"):
        nn.Linear(4, 3)(zeros(2, 4, dtype=uint8))
    with pytest.raises(ArgumentError, match="at least 1, not 0"):
        nn.Linear(0, 3)


@pytest.mark.parametrize(
    ("layer", "formula"),
    [
        (nn.ReLU(), lambda x: np.maximum(x, 0)),
        (nn.LeakyReLU(0.1), lambda x: np.where(x > 0, x, 0.1 * x)),
        (nn.Tanh(), np.tanh),
        (nn.Sigmoid(), lambda x: 1 / (1 + np.exp(-x))),
        (nn.GELU(), lambda x: x * (1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2),
        (
            nn.GELU("tanh"),
            lambda x: x / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
        ),
        (nn.SiLU(), lambda x: x / (1 + np.exp(-x))),
        (nn.Softmax(), lambda x: np.exp(log_softmax(x))),
        (nn.LogSoftmax(), log_softmax),
        (nn.Flatten(), lambda x: x.reshape(len(x), -1)),
        (nn.Flatten(0, 1), lambda x: x.reshape(-1, x.shape[-1])),
    ],
    ids=lambda value: repr(value) if isinstance(value, nn.Module) else "",
)
def test_a_layer_without_parameters_equals_its_formula(layer, formula, device):
    x = logits(3, 4, 5)
    wanted = formula(x.astype(np.float64))
    y = layer(tensor(x, device=device)).numpy()
    assert y.shape == wanted.shape
    np.testing.assert_allclose(y, wanted, rtol=1e-5, atol=1e-6)


def test_options_of_layers_are_checked():
    with pytest.raises(ArgumentError, match="'none' or 'tanh'"):
        nn.GELU("exact")
    for p in (-0.1, 1.1, float("nan")):
        with pytest.raises(ArgumentError, match="from 0 to 1"):
            nn.Dropout(p)


def test_dropout_zeros_a_share_and_scales_the_rest(device):
    manual_seed(0)
    y = nn.Dropout(0.25)(ones((400, 250), device=device)).numpy()
    np.testing.assert_allclose(np.unique(y), [0, 4 / 3], rtol=1e-6)
    assert abs((y == 0).mean() - 0.25) < 0.005
    assert abs(y.mean() - 1) < 0.01


def test_dropout_gives_the_gradient_the_same_mask(device):
    p = nn.Parameter(ones(1000, device=device))
    y = nn.Dropout(0.5)(p)
    np.testing.assert_array_equal(y.sum().backward().get(p.id).numpy(), y.numpy())


def test_dropout_differs_between_calls_and_repeats_with_its_seed(device):
    x = ones(200, device=device)
    layer = nn.Dropout(0.5, Generator(9))
    first, second = layer(x).numpy(), layer(x).numpy()
    assert (first != second).any()
    layer.generator.set_state(9)
    np.testing.assert_array_equal(layer(x).numpy(), first)


def test_dropout_does_nothing_in_evaluation_and_at_zero():
    x = ones(100)
    assert nn.Dropout(0.9).eval()(x) is x and nn.Dropout(0.0)(x) is x


def test_dropout_keeps_the_dtype(device):
    p = nn.Parameter(ones(50, dtype=float16, device=device))
    y = nn.Dropout(0.5)(p)
    assert y.dtype == float16 and y.sum().backward().get(p.id).dtype == float16


@pytest.mark.parametrize("shape", [(2, 5), (3, 4, 5)])
def test_layer_norm_equals_its_formula(shape, device):
    layer = nn.LayerNorm(shape[-1]).to(device)
    with no_grad():
        layer.weight.copy_(tensor(logits(shape[-1])))
        layer.bias.fill_(0.5)
    x = logits(*shape)
    wide = x.astype(np.float64)
    centered = wide - wide.mean(-1, keepdims=True)
    wanted = centered / np.sqrt(wide.var(-1, keepdims=True) + 1e-5)
    y = layer(tensor(x, device=device)).numpy()
    np.testing.assert_allclose(y, wanted * layer.weight.numpy() + 0.5, rtol=1e-4, atol=1e-5)
    assert nn.LayerNorm((4, 5))(zeros((3, 4, 5))).shape == (3, 4, 5)
    with pytest.raises(ShapeError, match=r"ends in \(5,\), not \(2, 4\)"):
        nn.LayerNorm(5)(zeros((2, 4)))
    with pytest.raises(DTypeError, match="takes floats, not int32"):
        nn.LayerNorm(4)(zeros((2, 4), dtype=int32))
    for lengths in (0, (), (3, -1)):
        with pytest.raises(ArgumentError, match="lengths are at least 1"):
            nn.LayerNorm(lengths)


@pytest.mark.parametrize("trained", [(), ("weight",), ("bias",), ("x",), ("x", "weight", "bias")])
def test_layer_norm_gives_the_gradients_that_are_asked_for(trained, device):
    layer = nn.LayerNorm(4).to(device)
    x = nn.Parameter(tensor(logits(3, 4), device=device))
    parts = {"weight": layer.weight, "bias": layer.bias, "x": x}

    def gradients(names):
        for name, parameter in parts.items():
            parameter.requires_grad = name in names
        grads = (layer(x) * tensor(logits(3, 4) + 1, device=device)).sum().backward()
        return {name: grads.get(p.id).numpy() for name, p in parts.items() if p.id in grads}

    if not trained:
        with pytest.raises(AutogradError):
            gradients(trained)
        return
    wanted, got = gradients(parts), gradients(trained)
    assert set(got) == set(trained)
    for name in trained:
        np.testing.assert_allclose(got[name], wanted[name], rtol=1e-6, atol=1e-6)


def test_layer_norm_keeps_only_what_its_gradients_read(device):
    layer = nn.LayerNorm(4).to(device)
    layer.weight.requires_grad = False
    x = tensor(logits(3, 4), device=device)
    loss = layer(x).sum()
    with no_grad():
        layer.weight.fill_(7.0)
        x.fill_(0.0)
    assert loss.backward().get(layer.bias.id).tolist() == [3, 3, 3, 3]


@pytest.mark.parametrize("name", ["weight", "bias"])
@pytest.mark.parametrize("shape", [(), (1,), (2,), (8,), (2, 2)])
def test_layer_norm_refuses_parameters_of_another_shape(shape, name, device):
    layer = nn.LayerNorm(4).to(device)
    setattr(layer, name, nn.Parameter(ones(shape, device=device)))
    with pytest.raises(ShapeError, match=rf"the {name} has shape .*, not \(4,\)"):
        layer(zeros((3, 4), device=device))


def test_sequential_is_a_list_of_layers():
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    assert len(model) == 2 and isinstance(model[-1], nn.ReLU) and list(model) == model.layers
    assert isinstance(model(zeros((1, 2))), Tensor)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("shape", [(1, 2), (7, 5), (300, 33), (3, 4, 2, 5)])
def test_cross_entropy_equals_its_formula(shape, smoothing, reduction, device):
    x = logits(*shape)
    batch, classes = (shape[0], *shape[2:]), shape[1]
    ids = np.random.default_rng(0).integers(0, classes, batch)
    log_p = np.moveaxis(log_softmax(np.moveaxis(x, 1, -1)), -1, 1)
    q = np.moveaxis(np.eye(classes)[ids], -1, 1) * (1 - smoothing) + smoothing / classes
    losses = -(q * log_p).sum(1)
    wanted = losses if reduction == "none" else getattr(losses, reduction)()
    p = nn.Parameter(tensor(x, device=device))
    loss = nn.cross_entropy_loss(p, tensor(ids, device=device), reduction, -100, smoothing)
    assert loss.shape == wanted.shape and loss.dtype == np.float32
    np.testing.assert_allclose(loss.numpy(), wanted, rtol=1e-5, atol=1e-6)
    grad = loss.sum().backward().get(p.id).numpy()
    scale = losses.size if reduction == "mean" else 1
    np.testing.assert_allclose(grad, (np.exp(log_p) - q) / scale, rtol=1e-4, atol=2e-6)


def test_cross_entropy_of_float16_logits(device):
    p = nn.Parameter(tensor(logits(4, 3), float16, device))
    loss = nn.cross_entropy_loss(p, tensor([0, 1, 2, 0], device=device))
    wanted = -log_softmax(p.numpy())[range(4), [0, 1, 2, 0]].mean()
    assert loss.dtype == np.float32
    np.testing.assert_allclose(loss.item(), wanted, rtol=1e-4)
    assert loss.backward().get(p.id).dtype == float16


def test_ignored_rows_count_nothing(device):
    x = logits(4, 3)
    p = nn.Parameter(tensor(x, device=device))
    loss = nn.cross_entropy_loss(p, tensor([0, -1, 2, -1], device=device), ignore_index=-1)
    wanted = -log_softmax(x)[[0, 2], [0, 2]].mean()
    np.testing.assert_allclose(loss.item(), wanted, rtol=1e-5)
    grad = loss.backward().get(p.id).numpy()
    assert not grad[[1, 3]].any() and grad[[0, 2]].all()
    nothing = nn.cross_entropy_loss(p, tensor([-1] * 4, device=device), ignore_index=-1)
    assert math.isnan(nothing.item())


def test_class_ids_may_be_bytes_or_whole_floats(device):
    x = tensor(logits(3, 4), device=device)
    wanted = nn.cross_entropy_loss(x, tensor([3, 0, 1], device=device)).item()
    for ids in (tensor([3, 0, 1], uint8, device), tensor([3.0, 0.0, 1.0], device=device)):
        assert nn.cross_entropy_loss(x, ids).item() == wanted


def test_probabilities_may_be_targets(device):
    x = logits(3, 4)
    q = np.random.default_rng(0).dirichlet(np.ones(4), 3)
    p = nn.Parameter(tensor(x, device=device))
    loss = nn.cross_entropy_loss(p, tensor(q, device=device), label_smoothing=0.2)
    smooth = q * 0.8 + 0.2 / 4
    np.testing.assert_allclose(loss.item(), -(smooth * log_softmax(x)).sum(1).mean(), rtol=1e-5)
    grad = loss.backward().get(p.id).numpy()
    np.testing.assert_allclose(grad, (np.exp(log_softmax(x)) - smooth) / 3, atol=1e-6)


@pytest.mark.parametrize("ids", [[0, 4], [-1, 0], [0, 1000]])
def test_a_class_id_out_of_range_is_refused(ids, device):
    with pytest.raises(ArgumentError, match=r"target|class"):
        loss = nn.cross_entropy_loss(
            tensor(logits(2, 4), device=device), tensor(ids, device=device)
        )
        loss.item()


def test_a_fractional_class_id_is_refused(device):
    with pytest.raises(ArgumentError, match=r"target|class"):
        x, ids = tensor(logits(2, 4), device=device), tensor([0.0, 1.5], device=device)
        nn.cross_entropy_loss(x, ids).item()


def test_the_cpu_says_which_class_id_is_wrong():
    with pytest.raises(ArgumentError, match=r"target\[1\] is 4, outside the 4 classes \(0 to 3\)"):
        nn.cross_entropy_loss(zeros((2, 4)), tensor([0, 4]))


@pytest.mark.parametrize(
    ("x", "target", "error", "message"),
    [
        (
            zeros((2, 3)),
            tensor([0, 1, 2]),
            ShapeError,
            r"\(2, 3\) need .*\(2,\).*int32 of shape \(3,\)",
        ),
        (zeros((2, 3)), zeros((2, 4)), ShapeError, r"not float32 of shape \(2, 4\)"),
        (zeros(()), tensor([0]), ShapeError, r"\(N, C, …\) or \(C,\), not \(\)"),
        (zeros(3), tensor([0]), ShapeError, r"\(3,\) of one sample need .*, not \(1,\)"),
        (tensor([[1, 2]]), tensor([0]), DTypeError, "float logits, not int32"),
        (zeros((1, 2)), tensor([True]), DTypeError, "not bool"),
        (zeros((2, 3)), tensor([0.0, 1.5]), ArgumentError, "whole numbers"),
    ],
)
def test_cross_entropy_says_what_does_not_fit(x, target, error, message):
    with pytest.raises(error, match=message):
        nn.cross_entropy_loss(x, target)


def test_options_of_losses_are_checked():
    for loss in (nn.cross_entropy_loss, nn.mse_loss, nn.l1_loss):
        with pytest.raises(ArgumentError, match="'average'"):
            loss(zeros((2, 2)), zeros((2, 2)), reduction="average")
    with pytest.raises(ArgumentError, match="label_smoothing"):
        nn.cross_entropy_loss(zeros((1, 2)), tensor([0]), label_smoothing=1.5)


ELEMENTWISE = {
    nn.mse_loss: lambda x, t: (x - t) ** 2,
    nn.l1_loss: lambda x, t: np.abs(x - t),
    nn.binary_cross_entropy_with_logits: lambda x, t: (
        -t * -np.logaddexp(0, -x) - (1 - t) * -np.logaddexp(0, x)
    ),
}


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("loss", ELEMENTWISE, ids=lambda f: f.__name__)
def test_an_elementwise_loss_equals_its_formula(loss, reduction, device):
    x, t = logits(5, 3), np.random.default_rng(2).random((5, 3)).astype(np.float32)
    losses = ELEMENTWISE[loss](x.astype(np.float64), t)
    wanted = losses if reduction == "none" else getattr(losses, reduction)()
    actual = loss(tensor(x, device=device), tensor(t, device=device), reduction)
    np.testing.assert_allclose(actual.numpy(), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("loss", ELEMENTWISE, ids=lambda f: f.__name__)
def test_an_elementwise_loss_does_not_broadcast(loss):
    with pytest.raises(ShapeError, match=r"\(3, 1\), the target \(3,\)"):
        loss(zeros((3, 1)), zeros(3))


def test_gradient_of_mse(device):
    p, t = (
        nn.Parameter(tensor(logits(4, 2), device=device)),
        tensor(logits(4, 2) + 1, device=device),
    )
    grad = nn.mse_loss(p, t).backward().get(p.id).numpy()
    np.testing.assert_allclose(grad, np.full((4, 2), -2 / 8), rtol=1e-5)


def test_a_classifier_learns(device):
    manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2)).to(device)
    x = randn((256, 2))
    y = (x[:, 0] * x[:, 1] > 0).to("int32").to(device)
    x = x.to(device)
    for _ in range(300):
        loss = nn.cross_entropy_loss(model(x), y)
        grads = loss.backward()
        for p in model.parameters():
            step = grads.get(p.id) * 0.5
            p.detach().sub_(step)
    assert loss.item() < 0.2 and (model(x).argmax(1) == y).to("float32").mean().item() > 0.95
