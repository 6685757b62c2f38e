"""First values: their bounds and spreads against the papers' formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rumus import nn
from rumus.nn import init
from rumus.tensor import ArgumentError, Generator, ShapeError, float16, zeros

SHAPE = (40, 30, 3, 3)  # 270 inputs, 360 outputs
SPREADS = {
    "uniform": (lambda t, g: init.uniform_(t, 2.0, 6.0, g), 4.0, 4 / math.sqrt(12)),
    "normal": (lambda t, g: init.normal_(t, 1.0, 3.0, g), 1.0, 3.0),
    "xavier_uniform": (
        lambda t, g: init.xavier_uniform_(t, 2.0, g), 0.0, 2 * math.sqrt(2 / 630)
    ),
    "xavier_normal": (lambda t, g: init.xavier_normal_(t, 2.0, g), 0.0, 2 * math.sqrt(2 / 630)),
    "kaiming_uniform": (
        lambda t, g: init.kaiming_uniform_(t, nonlinearity="relu", generator=g),
        0.0,
        math.sqrt(2 / 270),
    ),
    "kaiming_normal": (
        lambda t, g: init.kaiming_normal_(t, 2.0, "fan_out", generator=g),
        0.0,
        math.sqrt(2 / 5 / 360),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SPREADS)
def test_numbers_have_the_spread_of_their_formula(name, device):
    fill, mean, deviation = SPREADS[name]
    t = zeros(SHAPE, device=device)
    assert fill(t, Generator(3)) is t
    values = t.numpy()
    assert abs(values.mean() - mean) < 0.03 * deviation
    assert abs(values.std() - deviation) < 0.02 * deviation
    if "uniform" in name:
        assert np.abs(values - mean).max() <= math.sqrt(3) * deviation * (1 + 1e-6)
    again = zeros(SHAPE, device="cpu")
    fill(again, Generator(3))
    np.testing.assert_array_equal(again.numpy(), values)


def test_a_truncated_normal_stays_within_its_bounds_and_has_its_moments():
    def moments(a, b):
        z = np.linspace(a, b, 2_000_001)
        weight = np.exp(-z * z / 2)
        mean = (z * weight).sum() / weight.sum()
        return mean, math.sqrt((weight * (z - mean) ** 2).sum() / weight.sum())

    t = zeros(200_000)
    for a, b in ((-2.0, 2.0), (0.5, 1.0), (-6.0, -1.0)):
        values = init.trunc_normal_(t, 3.0, 2.0, 3 + 2 * a, 3 + 2 * b, Generator(1)).numpy()
        mean, deviation = moments(a, b)
        assert values.min() >= 3 + 2 * a and values.max() <= 3 + 2 * b
        assert abs(values.mean() - 3 - 2 * mean) < 0.02 * deviation
        assert abs(values.std() - 2 * deviation) < 0.01 * deviation
    with pytest.raises(ArgumentError, match="nothing of the distribution"):
        init.trunc_normal_(t, a=1.0, b=1.0)


@pytest.mark.parametrize("shape", [(3, 5), (5, 3), (4, 2, 3), (0, 3)])
def test_an_orthogonal_weight_has_orthogonal_rows_or_columns(shape, device):
    t = init.orthogonal_(zeros(shape, device=device), 2.0, Generator(0))
    flat = t.numpy().reshape(shape[0], math.prod(shape[1:])).astype(np.float64)
    small = flat @ flat.T if len(flat) <= flat.shape[1] else flat.T @ flat
    np.testing.assert_allclose(small, 4 * np.eye(len(small)), atol=1e-5)


def test_values_without_chance(device):
    t = zeros((3, 4), device=device)
    assert (init.constant_(t, 2.5).numpy() == 2.5).all() and (init.ones_(t).numpy() == 1).all()
    assert not init.zeros_(t).numpy().any()
    np.testing.assert_array_equal(init.eye_(t).numpy(), np.eye(3, 4))
    half = init.dirac_(zeros((4, 2, 3, 3), dtype=float16, device=device), groups=2).numpy()
    wanted = np.zeros((4, 2, 3, 3))
    for i, j in ((0, 0), (1, 1), (2, 0), (3, 1)):
        wanted[i, j, 1, 1] = 1
    np.testing.assert_array_equal(half, wanted)


def test_parameters_are_filled_in_place_whatever_the_mode(device):
    layer = nn.Linear(4, 3).to(device)
    before = layer.weight
    init.xavier_uniform_(layer.weight)
    assert layer.weight is before and before.requires_grad


def test_gains_are_those_of_pytorch():
    wanted = {"linear": 1, "conv2d": 1, "tanh": 5 / 3, "relu": math.sqrt(2), "selu": 0.75}
    assert {name: init.calculate_gain(name) for name in wanted} == wanted
    assert init.calculate_gain("leaky_relu", 0.2) == math.sqrt(2 / 1.04)


def test_mistakes_say_what_was_expected():
    for fill in (init.xavier_normal_, init.kaiming_uniform_, init.orthogonal_):
        with pytest.raises(ShapeError, match="two axes or more"):
            fill(zeros(3))
    with pytest.raises(ShapeError, match="takes a matrix"):
        init.eye_(zeros(3))
    with pytest.raises(ShapeError, match="3, 4 or 5 axes"):
        init.dirac_(zeros((3, 3)))
    with pytest.raises(ArgumentError, match="'fan_in' or 'fan_out', not 'in'"):
        init.kaiming_normal_(zeros((3, 3)), mode="in")
    with pytest.raises(ArgumentError, match="'gelu' is none of conv1d"):
        init.calculate_gain("gelu")
