"""Functions keep their digits far from where they are usual, on both devices, against float64."""

import math

import numpy as np
import pytest

from rumus import nn
from rumus.nn import Parameter
from rumus.tensor import tensor

ERFC = np.vectorize(math.erfc, otypes=[float])
LOWEST, HIGHEST = 1.2e-38, 3.4e38
"""Of results that are neither subnormal, which GPUs may flush to 0, nor infinite."""


def spread(low, high, count=20_000, seed=0):
    return np.random.default_rng(seed).uniform(low, high, count).astype(np.float32)


def sizes(low, high):
    """Numbers of all orders of magnitude."""
    return np.exp(spread(math.log(low), math.log(high)).astype(np.float64)).astype(np.float32)


def distribution(a):
    return ERFC(-a / math.sqrt(2)) / 2


def density(a):
    return np.exp(-a * a / 2) / math.sqrt(2 * math.pi)


def sigmoid(a):
    return np.exp(-np.logaddexp(0, -a))


def assert_within(actual, wanted, units):
    """Equal up to some units in the last place of float32."""
    usual = (np.abs(wanted) > LOWEST) & (np.abs(wanted) < HIGHEST)
    np.testing.assert_allclose(actual[usual], wanted[usual], rtol=units * 2.0**-23, atol=0)
    small = np.abs(wanted) <= LOWEST
    np.testing.assert_allclose(actual[small], wanted[small], atol=1.01 * LOWEST)


# name: (function of a tensor, the same in numpy, its arguments, units in the last place)
CASES = {
    "exp": (lambda t: t.exp(), np.exp, spread(-104, 88.7), 3),
    "sigmoid": (lambda t: t.sigmoid(), sigmoid, spread(-87, 40), 4),
    "tanh": (lambda t: t.tanh(), np.tanh, spread(-12, 12), 3),
    "softplus": (lambda t: t.softplus(), lambda a: np.logaddexp(a, 0), spread(-87, 40), 4),
    "silu": (lambda t: t.silu(), lambda a: a * sigmoid(a), spread(-87, 40), 5),
    "log": (lambda t: t.log(), np.log, sizes(2e-38, 1e38), 2),
    "log near 1": (lambda t: t.log(), np.log, spread(0.8, 1.25), 2),
    "gelu": (lambda t: t.gelu(), lambda a: a * distribution(a), spread(-13, 9), 9),
    "x ** 0.5": (lambda t: t**0.5, np.sqrt, sizes(2e-38, 1e38), 3),
    "x ** -0.5": (lambda t: t**-0.5, lambda a: a**-0.5, sizes(2e-38, 1e38), 3),
    "x ** 0.3": (
        lambda t: t**0.3,
        lambda a: a ** np.float64(np.float32(0.3)),
        sizes(1e-37, 1e38),
        3,
    ),
    "x ** 2.5": (lambda t: t**2.5, lambda a: a**2.5, sizes(1e-14, 1e14), 3),
    "x ** -7.5": (lambda t: t**-7.5, lambda a: a**-7.5, sizes(1e-4, 1e4), 4),
    "x ** 33": (lambda t: t**33, lambda a: a**33, spread(-12, 12), 4),
    "near 1 ** 5e5": (lambda t: t**5e5, lambda a: a**5e5, spread(1 - 1e-4, 1 + 1e-4), 4),
    "1.7 ** x": (
        lambda t: 1.7**t,
        lambda a: np.float64(np.float32(1.7)) ** a,
        spread(-160, 160),
        6,
    ),
    "0.4 ** x": (lambda t: 0.4**t, lambda a: np.float64(np.float32(0.4)) ** a, spread(-90, 90), 6),
}


@pytest.mark.parametrize("name", CASES)
def test_a_function_is_right_to_a_few_units_in_the_last_place(name, device):
    compute, formula, a, units = CASES[name]
    with np.errstate(over="ignore", under="ignore"):
        assert_within(
            compute(tensor(a, device=device)).numpy(), formula(a.astype(np.float64)), units
        )


@pytest.mark.parametrize("largest", [8, 900, 1100, 1e5, 1e6, 1e9, 1e20, 3e38])
def test_sines_of_numbers_of_any_size(largest, device):
    a = spread(-largest, largest)
    t = tensor(a, device=device)
    for actual, wanted in ((t.sin(), np.sin), (t.cos(), np.cos)):
        np.testing.assert_allclose(
            actual.numpy(), wanted(a.astype(np.float64)), atol=2e-7, rtol=1e-5
        )
    p = Parameter(t)
    grad = p.sin().sum().backward().get(p.id).numpy()
    np.testing.assert_allclose(grad, np.cos(a.astype(np.float64)), atol=2e-7, rtol=1e-5)


def test_sines_of_the_numbers_next_to_whole_quarter_turns(device):
    a = np.float32(np.pi / 2) * np.array([1, 2, 1001, 40_002, 12_345_678, 1e15], np.float32)
    a = np.append(a, np.float32(16367173 * 2.0**72))  # the hardest number of float32
    wide = a.astype(np.longdouble)
    actual = tensor(a, device=device).sin().numpy()
    np.testing.assert_allclose(actual, np.sin(wide).astype(np.float64), rtol=2e-6, atol=1e-12)


def test_whole_powers_of_whole_numbers_are_exact(device):
    a, b = np.meshgrid(np.arange(-9.0, 10), np.arange(0.0, 8))
    t = tensor(a, device=device) ** tensor(b, device=device)
    np.testing.assert_array_equal(t.numpy(), a**b)
    halves = tensor([0.5, -0.25, 1.5], device=device)
    assert (halves**2).tolist() == [0.25, 0.0625, 2.25] and (halves**3)[0].item() == 0.125
    assert (tensor([2.0, 4.0, 0.5], device=device) ** -10).tolist() == [2**-10, 2**-20, 2**10]


def gelu_tanh(a):
    return a * sigmoid(2 * math.sqrt(2 / math.pi) * (a + 0.044715 * a**3))


def test_the_approximation_of_gelu_keeps_its_digits_in_the_tail(device):
    a = spread(-9, 9)
    actual = tensor(a, device=device).gelu("tanh").numpy()
    np.testing.assert_allclose(actual, gelu_tanh(a.astype(np.float64)), rtol=4e-5)


@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_gelu_of_large_numbers_is_the_number_or_nothing(approximate, device):
    a = np.array([-20.0, -1e6, -1e30, -3e38, 20.0, 1e6, 3e38], np.float32)
    p = Parameter(tensor(a, device=device))
    y = p.gelu(approximate)
    np.testing.assert_array_equal(y.numpy(), np.maximum(a, 0))
    np.testing.assert_array_equal(y.sum().backward().get(p.id).numpy(), a > 0)
    ends = tensor([np.inf, -np.inf, np.nan], device=device).gelu(approximate).numpy()
    np.testing.assert_array_equal(ends, [np.inf, np.nan, np.nan])


def test_the_gradient_of_gelu_keeps_its_digits_in_the_tail(device):
    a = spread(-12.5, -2)
    p = Parameter(tensor(a, device=device))
    grad = p.gelu().sum().backward().get(p.id).numpy()
    wide = a.astype(np.float64)
    np.testing.assert_allclose(grad, distribution(wide) + wide * density(wide), rtol=2e-6)


def binary_cross_entropy(a, t):
    return t * np.logaddexp(-a, 0) + (1 - t) * np.logaddexp(a, 0)


@pytest.mark.parametrize("target", [0.0, 1.0, 0.25])
def test_binary_cross_entropy_keeps_its_tail_and_that_of_its_gradient(target, device):
    a = np.concatenate([spread(-80, 80), [10, 20, 87, -10, -20, -87, 0]]).astype(np.float32)
    p = Parameter(tensor(a, device=device))
    t = Parameter(tensor(np.full_like(a, target), device=device))
    losses = nn.binary_cross_entropy_with_logits(p, t, "none")
    wide = a.astype(np.float64)
    assert_within(losses.numpy(), binary_cross_entropy(wide, target), 6)
    grads = losses.sum().backward()
    wanted = (1 - target) * sigmoid(wide) - target * sigmoid(-wide)
    np.testing.assert_allclose(
        grads.get(p.id).numpy(), wanted, rtol=1e-6, atol=5e-8 * (target == 0.25)
    )
    np.testing.assert_allclose(grads.get(t.id).numpy(), -wide, rtol=1e-6)


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_losses_of_float16_are_rounded_once(reduction, device):
    rng = np.random.default_rng(0)
    a, b = rng.normal(0, 6, (2, 500)).astype(np.float16)
    wide, aim = a.astype(np.float64), b.astype(np.float64)
    cases = {
        nn.mse_loss: (b, (wide - aim) ** 2),
        nn.l1_loss: (b, np.abs(wide - aim)),
        nn.binary_cross_entropy_with_logits: (
            (b > 0).astype(np.float16),
            binary_cross_entropy(wide, (b > 0).astype(float)),
        ),
    }
    for loss, (target, losses) in cases.items():
        actual = loss(tensor(a, device=device), tensor(target, device=device), reduction)
        wanted = losses if reduction == "none" else getattr(losses, reduction)()
        assert actual.dtype == np.float16
        np.testing.assert_allclose(actual.numpy(), np.float16(wanted), rtol=2.0**-10, atol=1e-7)
    six = nn.binary_cross_entropy_with_logits(
        tensor(np.float16(6), device=device), tensor(np.float16(1), device=device)
    )
    assert six.item() == np.float16(np.log1p(np.exp(-6.0)))


def test_a_mean_of_squares_beyond_float16_fits_it(device):
    p = Parameter(tensor(np.array([300.0] + [0.0] * 99, np.float16), device=device))
    loss = nn.mse_loss(p, tensor(np.zeros(100, np.float16), device=device))
    assert loss.item() == 900.0
    assert loss.backward().get(p.id)[0].item() == 6.0


LOGITS = np.array(
    [[1e5, 1e5 - 3], [1e8, 1e8], [-1e8, -1e8 + 8], [3e4, 3e4 - 17], [10, 0], [25, 0], [0, 30]],
    np.float32,
)


def log_softmax(a):
    shifted = a - a.max(-1, keepdims=True)
    order = np.sort(np.exp(shifted), -1)
    return shifted - np.log1p(order[:, :-1].sum(-1, keepdims=True))


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("columns", [2, 5, 40, 1500])
def test_cross_entropy_keeps_its_digits_for_large_logits_and_sure_ones(columns, smoothing, device):
    a = np.repeat(LOGITS[:, 1:], columns, 1)
    a[:, columns // 3] = LOGITS[:, 0]
    ids = np.full(len(a), columns // 3, np.int32)
    wide = a.astype(np.float64)
    log_p = log_softmax(wide)
    q = np.full_like(wide, smoothing / columns)
    q[:, columns // 3] += 1 - smoothing
    p = Parameter(tensor(a, device=device))
    losses = nn.cross_entropy_loss(p, tensor(ids, device=device), "none", -100, smoothing)
    np.testing.assert_allclose(losses.numpy(), -(q * log_p).sum(1), rtol=2e-6)
    grad = losses.sum().backward().get(p.id).numpy()
    # Beyond this the probability of the target itself is rounded
    np.testing.assert_allclose(grad, np.exp(log_p) - q, rtol=2e-5, atol=3e-8 * (smoothing > 0))
    np.testing.assert_allclose(p.log_softmax(1).numpy(), log_p, rtol=2e-6, atol=1e-30)


def test_the_gradient_of_a_sure_choice_is_what_is_left(device):
    p = Parameter(tensor([[0.0, 20.0, 1.0]], device=device))
    loss = nn.cross_entropy_loss(p, tensor([1], device=device))
    rest = np.exp([-20.0, -19.0])
    np.testing.assert_allclose(loss.item(), np.log1p(rest.sum()), rtol=1e-6)
    grad = loss.backward().get(p.id).numpy()[0]
    total = 1 + rest.sum()
    np.testing.assert_allclose(
        grad, [rest[0] / total, -rest.sum() / total, rest[1] / total], rtol=1e-6
    )
