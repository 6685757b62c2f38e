"""Normalisation on both devices against its formulas in float64."""

from __future__ import annotations

import numpy as np
import pytest

from rumus import nn
from rumus.autograd import no_grad
from rumus.nn import functional
from rumus.tensor import (
    ArgumentError,
    DTypeError,
    ShapeError,
    float16,
    int32,
    ones,
    tensor,
    zeros,
)

EPS = 1e-3


def numbers(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


class Exact:
    """A norm's result and gradients in float64.

    ``groups`` is 0 for the statistics of a batch, None for those of the last axis.
    """

    def __init__(self, x, weight, bias, grad, groups, centred=True):
        x, weight, bias, grad = (a.astype(np.float64) for a in (x, weight, bias, grad))
        shape = x.shape
        if groups is None:
            line, axes, others = (1,) * (x.ndim - 1) + (-1,), (-1,), tuple(range(x.ndim - 1))
        else:
            x, grad = (a.reshape(*shape[:2], -1) for a in (x, grad))
            line, others = (1, -1, 1), (0, 2)
            axes = (0, 2) if groups == 0 else (2,)

        def grouped(a):
            return a.reshape(shape[0], groups, -1) if groups else a

        rows = grouped(x)
        self.mean = rows.mean(axes, keepdims=True)
        self.var = rows.var(axes, keepdims=True)
        mean = self.mean if centred else 0.0
        scale = 1 / np.sqrt(((rows - mean) ** 2).mean(axes, keepdims=True) + EPS)
        n = (rows - mean) * scale
        self.y = (n.reshape(x.shape) * weight.reshape(line) + bias.reshape(line)).reshape(shape)
        w = grouped(grad * weight.reshape(line))
        middle = w.mean(axes, keepdims=True) if centred else 0.0
        dx = scale * (w - middle - n * (w * n).mean(axes, keepdims=True))
        self.into_x = dx.reshape(shape)
        self.into_weight = (grad * n.reshape(x.shape)).sum(others)
        self.into_bias = grad.sum(others)


NORMS = {
    "batch 1d": (lambda c: nn.BatchNorm1d(c, eps=EPS), (50, 7), 0),
    "batch 1d of lines": (lambda c: nn.BatchNorm1d(c, eps=EPS), (6, 5, 33), 0),
    "batch 1d of short lines": (lambda c: nn.BatchNorm1d(c, eps=EPS), (300, 6, 2), 0),
    "batch 1d of many rows": (lambda c: nn.BatchNorm1d(c, eps=EPS), (40_000, 4), 0),
    "batch 2d": (lambda c: nn.BatchNorm2d(c, eps=EPS), (4, 8, 6, 6), 0),
    "batch 2d of odd planes": (lambda c: nn.BatchNorm2d(c, eps=EPS), (3, 5, 7, 7), 0),
    "batch 2d of long planes": (lambda c: nn.BatchNorm2d(c, eps=EPS), (2, 3, 500, 400), 0),
    "group": (lambda c: nn.GroupNorm(3, c, eps=EPS), (4, 6, 5, 5), 3),
    "group of one": (lambda c: nn.GroupNorm(1, c, eps=EPS), (2, 6, 300, 100), 1),
    "group without lines": (lambda c: nn.GroupNorm(2, c, eps=EPS), (5, 8), 2),
    "instance 1d": (lambda c: nn.InstanceNorm1d(c, eps=EPS, affine=True), (3, 4, 40), 4),
    "instance 2d": (lambda c: nn.InstanceNorm2d(c, eps=EPS, affine=True), (3, 4, 5, 7), 4),
    "layer": (lambda c: nn.LayerNorm(c, eps=EPS), (3, 4, 50), None),
    "rms": (lambda c: nn.RMSNorm(c, eps=EPS), (3, 4, 50), None),
    "rms of long rows": (lambda c: nn.RMSNorm(c, eps=EPS), (3, 20_001), None),
}


def made(case, device):
    """A layer with parameters that are not 1 and 0, its input, the gradient, and what is right."""
    make, shape, groups = NORMS[case]
    channels = shape[-1] if groups is None else shape[1]
    layer = make(channels).to(device)
    x, grad = 2 * numbers(shape) + 1, numbers(shape, 1)
    weight, bias = numbers((channels,), 2) + 2, numbers((channels,), 3)
    with no_grad():
        layer.weight.copy_(tensor(weight))
        if getattr(layer, "bias", None) is None:
            bias = 0 * bias
        else:
            layer.bias.copy_(tensor(bias))
    exact = Exact(x, weight, bias, grad, groups, centred=not isinstance(layer, nn.RMSNorm))
    return layer, x, grad, exact


@pytest.mark.parametrize("case", NORMS)
def test_results_and_gradients_equal_their_formulas(case, device):
    layer, x, grad, exact = made(case, device)
    variable = nn.Parameter(tensor(x, device=device))
    y = layer(variable)
    grads = y.backward(tensor(grad, device=device))
    np.testing.assert_allclose(y.numpy(), exact.y, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(grads.get(variable.id).numpy(), exact.into_x, rtol=1e-4, atol=2e-5)
    size = np.sqrt(x.size)
    np.testing.assert_allclose(
        grads.get(layer.weight.id).numpy(), exact.into_weight, rtol=1e-5, atol=1e-6 * size
    )
    if getattr(layer, "bias", None) is not None:
        np.testing.assert_allclose(
            grads.get(layer.bias.id).numpy(), exact.into_bias, rtol=1e-5, atol=1e-6 * size
        )


@pytest.mark.parametrize("case", ["batch 2d", "batch 1d", "group", "instance 1d", "layer", "rms"])
def test_half_precision_and_views_are_computed_in_single(case, device):
    layer, x, grad, _ = made(case, device)
    turned = tensor(np.swapaxes(x, 0, -1).copy(), device=device).transpose(0, -1)
    wanted = layer(tensor(x, device=device)).numpy()
    np.testing.assert_allclose(layer(turned).numpy(), wanted, rtol=1e-5, atol=1e-5)
    layer.to(float16)
    half = nn.Parameter(tensor(x, device=device).to(float16))
    y = layer(half)
    assert y.dtype == float16
    np.testing.assert_allclose(y.numpy(), wanted, rtol=4e-3, atol=4e-3)
    into = y.backward(tensor(grad, device=device).to(float16)).get(half.id)
    assert into.dtype == float16 and np.isfinite(into.numpy()).all()


@pytest.mark.parametrize("case", ["batch 2d", "batch 1d of short lines", "group", "instance 1d"])
@pytest.mark.parametrize("trained", ["x", "weight", "bias", "x weight"])
def test_only_the_gradients_asked_for_are_given(case, trained, device):
    layer, x, grad, _ = made(case, device)
    variable = nn.Parameter(tensor(x, device=device))
    parts = {"x": variable, "weight": layer.weight, "bias": layer.bias}

    def gradients(names):
        for name, parameter in parts.items():
            parameter.requires_grad = name in names
        grads = layer(variable).backward(tensor(grad, device=device))
        return {name: grads.get(p.id).numpy() for name, p in parts.items() if p.id in grads}

    everything, some = gradients(parts), gradients(trained.split())
    assert set(some) == set(trained.split())
    for name, value in some.items():
        assert np.array_equal(value, everything[name])


@pytest.mark.parametrize("shape", [(8, 3), (2, 3, 50), (4, 3, 5, 5)])
def test_averages_follow_the_batches(shape, device):
    layer = (nn.BatchNorm2d if len(shape) == 4 else nn.BatchNorm1d)(3, momentum=0.3).to(device)
    mean, var = np.zeros(3), np.ones(3)
    axes = (0, *range(2, len(shape)))
    for step in range(3):
        x = numbers(shape, step) * (step + 1) + 1000
        layer(tensor(x, device=device))
        mean = 0.7 * mean + 0.3 * x.astype(np.float64).mean(axes)
        var = 0.7 * var + 0.3 * x.astype(np.float64).var(axes, ddof=1)
    assert layer.num_batches_tracked.item() == 3
    np.testing.assert_allclose(layer.running_mean.numpy(), mean, rtol=1e-6)
    np.testing.assert_allclose(layer.running_var.numpy(), var, rtol=1e-5)
    x = numbers(shape, 9)
    line = (3, *(1,) * (len(shape) - 2))
    wanted = (x - mean.reshape(line)) / np.sqrt(var.reshape(line) + 1e-5)
    got = layer.eval()(tensor(x, device=device)).numpy()
    np.testing.assert_allclose(got, wanted, rtol=1e-4)
    assert layer.num_batches_tracked.item() == 3


def test_averages_without_momentum_weigh_all_batches_alike(device):
    layer = nn.BatchNorm1d(2, momentum=None).to(device)
    batches = [numbers((10, 2), seed) for seed in range(4)]
    for batch in batches:
        layer(tensor(batch, device=device))
    np.testing.assert_allclose(
        layer.running_mean.numpy(), np.mean([b.mean(0) for b in batches], 0), atol=1e-6
    )
    np.testing.assert_allclose(
        layer.running_var.numpy(), np.mean([b.var(0, ddof=1) for b in batches], 0), rtol=1e-5
    )


def test_averages_of_half_precision_follow_too(device):
    layer = nn.BatchNorm1d(2).to(device).to(float16)
    x = numbers((64, 2))
    layer(tensor(x, device=device).to(float16))
    assert layer.running_mean.dtype == float16
    np.testing.assert_allclose(layer.running_mean.numpy(), 0.1 * x.mean(0), atol=1e-3)


def test_a_norm_without_averages_uses_the_batch_in_evaluation_too(device):
    layer = nn.BatchNorm1d(3, affine=False, track_running_stats=False).to(device).eval()
    x = numbers((20, 3))
    assert not layer.parameters() and not layer.buffers()
    np.testing.assert_allclose(
        layer(tensor(x, device=device)).numpy(),
        (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5),
        rtol=1e-4,
        atol=1e-5,
    )


def test_instance_averages_follow_and_serve_in_evaluation(device):
    layer = nn.InstanceNorm1d(3, track_running_stats=True, momentum=1.0).to(device)
    x = numbers((4, 3, 20))
    layer(tensor(x, device=device))
    mean, var = x.mean(2).mean(0), x.var(2, ddof=1).mean(0)
    np.testing.assert_allclose(layer.running_mean.numpy(), mean, atol=1e-6)
    np.testing.assert_allclose(layer.running_var.numpy(), var, rtol=1e-5)
    got = layer.eval()(tensor(x, device=device)).numpy()
    np.testing.assert_allclose(got, (x - mean[:, None]) / np.sqrt(var + 1e-5)[:, None], atol=1e-5)
    assert layer(tensor(x[0], device=device)).shape == (3, 20)


def test_gradients_through_averages_equal_their_formulas(device):
    layer = nn.BatchNorm2d(3).to(device).eval()
    with no_grad():
        layer.running_mean.copy_(tensor([1.0, 2.0, 3.0]))
        layer.running_var.copy_(tensor([4.0, 0.25, 1.0]))
        layer.weight.copy_(tensor([2.0, 3.0, -1.0]))
    x, grad = numbers((2, 3, 4, 4)), numbers((2, 3, 4, 4), 1)
    variable = nn.Parameter(tensor(x, device=device))
    grads = layer(variable).backward(tensor(grad, device=device))
    scale = 1 / np.sqrt(np.array([4.0, 0.25, 1.0]) + 1e-5)
    n = (x - np.array([1.0, 2.0, 3.0])[:, None, None]) * scale[:, None, None]
    weight = np.array([2.0, 3.0, -1.0])
    into_x = grad * (scale * weight)[:, None, None]
    np.testing.assert_allclose(grads.get(variable.id).numpy(), into_x, rtol=1e-5)
    into_weight = (grad * n).sum((0, 2, 3))
    np.testing.assert_allclose(grads.get(layer.weight.id).numpy(), into_weight, rtol=1e-4)
    np.testing.assert_allclose(grads.get(layer.bias.id).numpy(), grad.sum((0, 2, 3)), atol=1e-5)


def test_statistics_of_a_large_mean_keep_the_digits_that_x_has(device):
    x = numbers((64, 2, 30, 30)) + 1000
    y = nn.BatchNorm2d(2, eps=0.0).to(device)(tensor(x, device=device)).numpy()
    wide = x.astype(np.float64)
    wanted = (wide - wide.mean((0, 2, 3), keepdims=True)) / wide.std((0, 2, 3), keepdims=True)
    np.testing.assert_allclose(y, wanted, atol=2e-4)


def test_other_channels_do_not_see_what_is_not_finite(device):
    x = numbers((4, 3, 5, 5))
    x[1, 0, 2, 2], x[3, 2, 0, 0] = np.nan, np.inf
    y = nn.BatchNorm2d(3).to(device)(tensor(x, device=device)).numpy()
    assert np.isnan(y[:, [0, 2]]).all() and np.isfinite(y[:, 1]).all()


@pytest.mark.parametrize("shape", [(0, 3), (0, 3, 4), (2, 3, 0)])
def test_nothing_is_normalised_to_nothing(shape, device):
    layer = nn.BatchNorm1d(3).to(device)
    variable = nn.Parameter(zeros(shape, device=device))
    y = layer(variable)
    grads = y.sum().backward()
    assert y.shape == shape and grads.get(variable.id).shape == shape
    assert grads.get(layer.weight.id).tolist() == [0, 0, 0]


@pytest.mark.gpu
def test_a_captured_step_moves_the_averages_at_every_replay():
    from rumus import gpu

    def trained(captured):
        layer = nn.BatchNorm2d(3).to_gpu()

        def step(x):
            return layer(x).square().sum()

        run = gpu.capture(step) if captured else step
        results = []
        for seed in range(4):
            results.append(run(tensor(numbers((4, 3, 5, 5), seed), device="gpu")).item())
        layer.eval()
        results.append(run(tensor(numbers((4, 3, 5, 5), 7), device="gpu")).item())
        layer.train()
        results.append(run(tensor(numbers((4, 3, 5, 5), 8), device="gpu")).item())
        if captured:
            assert len(run.dispatches) == 2  # train() finds its recording
        return [*results, *layer.running_mean.tolist(), *layer.running_var.tolist()], layer

    (eager, _), (replayed, layer) = trained(False), trained(True)
    assert replayed == eager
    assert layer.num_batches_tracked.item() == 5


def test_functional_forms_give_what_the_layers_give(device):
    x = tensor(numbers((4, 6, 5)), device=device)
    weight, bias = ones(6, device=device) * 2.0, ones(6, device=device)
    line = ones(5, device=device)
    pairs = [
        (functional.batch_norm(x, None, None, training=True), nn.BatchNorm1d(6)),
        (functional.group_norm(x, 2), nn.GroupNorm(2, 6, affine=False)),
        (functional.instance_norm(x), nn.InstanceNorm1d(6)),
        (functional.layer_norm(x, 5), nn.LayerNorm(5, elementwise_affine=False)),
        (functional.layer_norm(x, [5], line), nn.LayerNorm(5, bias=False)),
        (functional.rms_norm(x, 5), nn.RMSNorm(5, elementwise_affine=False)),
    ]
    for got, layer in pairs:
        np.testing.assert_allclose(got.numpy(), layer.to(device)(x).numpy(), atol=1e-6)
    scaled = functional.group_norm(x, 2, weight, bias).numpy()
    np.testing.assert_allclose(scaled, functional.group_norm(x, 2).numpy() * 2 + 1, atol=1e-5)
    shifted = functional.group_norm(x, 2, None, bias).numpy()
    np.testing.assert_allclose(shifted, functional.group_norm(x, 2).numpy() + 1, atol=1e-5)


def test_mistakes_say_what_was_expected():
    x = zeros((4, 6, 5))
    with pytest.raises(ShapeError, match=r"BatchNorm1d takes \(N, 3, …\), 3 channels, not"):
        nn.BatchNorm1d(3)(x)
    with pytest.raises(ShapeError, match="BatchNorm2d takes 4 axes, not shape"):
        nn.BatchNorm2d(6)(x)
    with pytest.raises(ShapeError, match="one element, which has no variance"):
        nn.BatchNorm1d(3)(zeros((1, 3)))
    with pytest.raises(ArgumentError, match="6 channels cannot be divided into 4 groups"):
        nn.GroupNorm(4, 6)
    with pytest.raises(ArgumentError, match="6 channels cannot be divided into 4 groups"):
        functional.group_norm(x, 4)
    with pytest.raises(ShapeError, match="has 6 channels, and weight shape"):
        functional.group_norm(x, 2, ones(5))
    with pytest.raises(ArgumentError, match="running_mean and running_var are needed"):
        functional.batch_norm(x, None, None)
    with pytest.raises(ArgumentError, match="both running_mean and running_var"):
        functional.batch_norm(x, ones(6), None, training=True)
    with pytest.raises(DTypeError, match="takes floats, not int32"):
        nn.GroupNorm(2, 6)(zeros((4, 6), dtype=int32))
    with pytest.raises(ShapeError, match=r"ends in \(4,\), not"):
        nn.RMSNorm(4)(x)
