"""NaN and infinity go through every operation as in numpy and PyTorch, on both devices."""

import numpy as np
import pytest

from rumus import nn
from rumus.nn import Parameter
from rumus.tensor import maximum, minimum, tensor, where

inf, nan = np.inf, np.nan
SPECIAL = np.array(
    [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0, 3.0, -3.0, inf, -inf, nan, 3e38, 1e-30, 1e30],
    np.float32,
)
PAIRS = {
    "add": (lambda a, b: a + b, np.add),
    "sub": (lambda a, b: a - b, np.subtract),
    "mul": (lambda a, b: a * b, np.multiply),
    "div": (lambda a, b: a / b, np.divide),
    "pow": (lambda a, b: a**b, np.power),
    "maximum": (maximum, np.maximum),
    "minimum": (minimum, np.minimum),
    "eq": (lambda a, b: a == b, np.equal),
    "ne": (lambda a, b: a != b, np.not_equal),
    "lt": (lambda a, b: a < b, np.less),
    "le": (lambda a, b: a <= b, np.less_equal),
    "gt": (lambda a, b: a > b, np.greater),
    "ge": (lambda a, b: a >= b, np.greater_equal),
}
SINGLE = {
    "abs": np.abs,
    "sign": np.sign,
    "square": np.square,
    "floor": np.floor,
    "sqrt": np.sqrt,
    "rsqrt": lambda a: 1 / np.sqrt(a),
    "reciprocal": np.reciprocal,
    "exp": np.exp,
    "log": np.log,
    "sin": np.sin,
    "cos": np.cos,
    "tanh": np.tanh,
    "sigmoid": lambda a: 1 / (1 + np.exp(-a)),
    "relu": lambda a: np.maximum(a, 0),
    "leaky_relu": lambda a: np.where(a > 0, a, 0.01 * a),
    "softplus": lambda a: np.logaddexp(a, 0),
    "silu": lambda a: a / (1 + np.exp(-a)),
    "isnan": np.isnan,
    "isfinite": np.isfinite,
}


def same(actual, wanted, rtol=1e-5):
    with np.errstate(over="ignore"):
        wanted = np.asarray(wanted)
        wanted = wanted if wanted.dtype == bool else wanted.astype(np.float32)
    np.testing.assert_allclose(actual, wanted, rtol=rtol, atol=2e-38)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("op", PAIRS)
def test_pairs_of_special_numbers(op, dtype, device):
    operate, formula = PAIRS[op]
    with np.errstate(all="ignore"):
        values = SPECIAL.astype(dtype)
        a, b = np.meshgrid(values, values, indexing="ij")
        wanted = formula(a.astype(np.float64), b.astype(np.float64))
        if wanted.dtype != bool:
            wanted = wanted.astype(dtype)
    result = operate(tensor(a, device=device), tensor(b, device=device)).numpy()
    same(result, wanted, 1e-5 if dtype == "float32" else 2e-3)


@pytest.mark.parametrize("number", [-inf, -2.0, -0.5, -0.0, 0.0, 0.5, 1.0, 3.0, inf, nan], ids=str)
def test_powers_with_a_number(number, device):
    t = tensor(SPECIAL, device=device)
    with np.errstate(all="ignore"):
        wanted = np.power(SPECIAL.astype(np.float64), number)
        power = (t**number).numpy()
        if number == 0.5:  # C's pow says inf, the root that numpy takes for it NaN
            power, wanted = power[SPECIAL != -inf], wanted[SPECIAL != -inf]
        same(power, wanted)
        same((number**t).numpy(), np.power(number, SPECIAL.astype(np.float64)))


@pytest.mark.parametrize("op", SINGLE)
def test_special_numbers(op, device):
    with np.errstate(all="ignore"):
        same(
            getattr(tensor(SPECIAL, device=device), op)().numpy(), SINGLE[op](SPECIAL.astype(float))
        )


def gradients(compute, *arrays, device):
    params = [Parameter(tensor(np.asarray(a, np.float32), device=device)) for a in arrays]
    grads = compute(*params).sum().backward()
    return [grads.get(p.id).numpy() for p in params]


def test_the_gradient_of_a_power(device):
    a, b = np.meshgrid(SPECIAL, SPECIAL, indexing="ij")
    into_a, into_b = gradients(lambda a, b: a**b, a, b, device=device)
    with np.errstate(all="ignore"):
        x, y = a.astype(np.float64), b.astype(np.float64)
        exponent = (b - np.float32(1)).astype(np.float64)
        wanted_a = np.where(y == 0, 0, y * np.power(x, exponent).astype(np.float32))
        power = np.power(x, y).astype(np.float32)
        wanted_b = np.where((x == 0) & (y >= 0), 0, power * np.log(x))
        same(into_a, wanted_a)
        flushed = (power != 0) & (np.abs(power) < 1.2e-38)  # a GPU's subnormal power may be 0
        same(into_b[~flushed], wanted_b[~flushed])


def test_the_slope_of_a_root_at_zero_is_infinite(device):
    (grad,) = gradients(lambda a: a**0.5, [0.0, 4.0, nan], device=device)
    np.testing.assert_allclose(grad, [inf, 0.25, nan], rtol=1e-6)


def test_both_of_two_get_the_gradient_where_one_is_nan(device):
    a, b = [1.0, 2.0, 3.0, nan, 1.0, nan], [1.0, 3.0, 2.0, 0.0, nan, nan]
    for choose, wins in ((maximum, np.greater), (minimum, np.less)):
        into_a, into_b = gradients(choose, a, b, device=device)
        for grad, mine, other in ((into_a, a, b), (into_b, b, a)):
            wanted = np.where(wins(mine, other), 1.0, 0.0)
            wanted[0] = 0.5
            wanted[3:] = 1.0
            np.testing.assert_array_equal(grad, wanted)


@pytest.mark.parametrize("op", ["max", "min"])
@pytest.mark.parametrize("axis", [None, 1])
def test_nan_gets_the_gradient_where_it_wins(op, axis, device):
    a = np.array([[1.0, nan, 3.0], [2.0, 1.0, 2.0], [nan, nan, 0.0]], np.float32)
    (grad,) = gradients(lambda t: getattr(t, op)(axis), a, device=device)
    if axis is None:
        np.testing.assert_allclose(grad, np.isnan(a) / 3, rtol=1e-6)
    else:
        extreme = {"max": [0.5, 0, 0.5], "min": [0, 1, 0]}[op]
        np.testing.assert_array_equal(grad, [[0, 1, 0], extreme, [0.5, 0.5, 0]])


@pytest.mark.parametrize(
    "choose",
    [
        lambda y: y.max(),
        lambda y: y.min(0),
        lambda y: maximum(y, 0.0),
        lambda y: minimum(0.0 * y, y),
        lambda y: y.clamp(-1, 1),
        lambda y: y.clamp(min=0),
        lambda y: y.relu(),
        lambda y: y.softmax(0),
        lambda y: y**0.5,
        lambda y: y.sign() * y,
        lambda y: y.var(),
    ],
)
def test_a_nan_on_the_way_reaches_the_gradient_of_the_weights(choose, device):
    x = tensor([1.0, nan, -2.0], device=device)
    p = Parameter(tensor([0.5, 0.5, 0.5], device=device))
    loss = choose(p * x).square().sum()
    assert np.isnan(loss.item())
    assert np.isnan(loss.backward().get(p.id).numpy()).any()


@pytest.mark.parametrize("bounds", [(1.0, None), (None, 2.0), (1.0, 2.0)], ids=str)
def test_a_clamp_passes_the_whole_gradient_at_its_bounds(bounds, device):
    low, high = bounds
    a = np.array([0.0, 1.0, 1.5, 2.0, 3.0, nan, inf, -inf], np.float32)
    (grad,) = gradients(lambda t: t.clamp(low, high), a, device=device)
    outside = (a < (-inf if low is None else low)) | (a > (inf if high is None else high))
    np.testing.assert_array_equal(grad, ~outside)
    clamped = tensor(a, device=device).clamp(low, high).numpy()
    np.testing.assert_array_equal(
        clamped, np.clip(a, -inf if low is None else low, inf if high is None else high)
    )


@pytest.mark.parametrize("dtype", ["int32", "uint8", "bool", "float16"])
def test_a_clamp_of_one_side_keeps_the_dtype(dtype, device):
    a = np.array([0, 1, 1, 0] if dtype == "bool" else [0, 5, 100, 200]).astype(dtype)
    t = tensor(a, device=device)
    for clamped, wanted in ((t.clamp(min=1), np.maximum(a, 1)), (t.clamp(max=7), np.minimum(a, 7))):
        assert clamped.dtype == ("int32" if dtype == "bool" else dtype)
        np.testing.assert_array_equal(clamped.numpy(), wanted)


ROWS = np.array(
    [[1, nan, 2], [inf, 1, 2], [inf, inf, 0], [-inf, -inf, -inf], [-inf, 0, 1], [-inf, inf, 0]],
    np.float32,
)


@pytest.mark.parametrize("columns", [3, 9, 600])
def test_softmax_and_cross_entropy_of_special_rows(columns, device):
    a = np.concatenate([ROWS, np.repeat(ROWS[:, 2:], columns - 3, 1)], 1)
    with np.errstate(all="ignore"):
        wide = a.astype(np.float64)
        e = np.exp(wide - wide.max(1, keepdims=True))
        p = e / e.sum(1, keepdims=True)
        t = tensor(a, device=device)
        same(t.softmax(1).numpy(), p)
        same(
            t.log_softmax(1).numpy(),
            wide - wide.max(1, keepdims=True) - np.log(e.sum(1, keepdims=True)),
        )
    ids = tensor([0, 1, 2, 0, 1, 2], device=device)
    losses = nn.cross_entropy_loss(t, ids, "none").numpy()
    np.testing.assert_array_equal(np.isnan(losses), [True, True, True, True, False, True])
    assert nn.cross_entropy_loss(t[4:5], ids[:1]).item() == inf


@pytest.mark.parametrize("target", [0.0, 1.0, 0.5])
def test_binary_cross_entropy_of_special_logits(target, device):
    a = np.array([inf, -inf, nan, 3e38, -3e38], np.float32)
    losses = nn.binary_cross_entropy_with_logits(
        tensor(a, device=device), tensor(np.full_like(a, target), device=device), "none"
    ).numpy()
    assert np.isnan(losses[2])
    wanted = [(1 - target) * 3e38, target * 3e38]
    np.testing.assert_allclose(losses[3:], wanted, rtol=1e-6)
    if target == 1.0:
        assert losses[1] == inf
    if target == 0.0:
        assert losses[0] == inf


def test_where_takes_what_it_is_told_beside_nan(device):
    a = tensor([nan, 1.0, inf], device=device)
    chosen = where(a > 0, 1.0, 2.0)
    assert chosen.tolist() == [2.0, 1.0, 1.0]
    assert where(a.isnan(), 0.0, a).tolist() == [0.0, 1.0, inf]
