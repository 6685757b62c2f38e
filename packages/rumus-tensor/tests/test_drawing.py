"""Distributions: the same on every device, and as their formulas say."""

import math

import numpy as np
import pytest

from rumus import gpu
from rumus._backends.generator import threefry2x32
from rumus.tensor import (
    ArgumentError,
    DTypeError,
    Generator,
    ShapeError,
    bernoulli,
    exponential,
    float16,
    multinomial,
    normal,
    rand_like,
    randint,
    randn_like,
    randperm,
    tensor,
    trunc_normal,
    uint8,
    uniform,
    zeros,
)

N = 40_000


def words(n, seed=7, position=0):
    w = threefry2x32((seed, 0), np.arange((n + 1) // 2, dtype=np.uint32), position)
    return np.stack(w, 1).reshape(-1)[:n].astype(np.uint64)


@pytest.mark.parametrize(
    ("low", "high"), [(0, 1), (-5, 9), (0, 2**31 - 1), (-(2**31), 2**31), (1, 2**16 + 2)]
)
def test_randint_is_a_part_of_its_span_bit_for_bit(low, high, device):
    got = randint(low, high, (3, 67), device=device, generator=Generator(7)).numpy()
    wanted = low + (words(201) * np.uint64(high - low) >> np.uint64(32)).astype(np.int64)
    np.testing.assert_array_equal(got, wanted.reshape(3, 67))
    assert got.dtype == np.int32


def test_randint_takes_one_bound_and_bytes(device):
    assert set(randint(3, (100,), device=device).tolist()) == {0, 1, 2}
    assert randint(250, 256, (5,), uint8, device).dtype == np.uint8
    assert randint(4, device=device).shape == ()


@pytest.mark.parametrize("n", [0, 1, 2, 1000, 5000])
def test_randperm_is_the_order_of_its_words(n, device):
    got = randperm(n, device, Generator(7)).numpy()
    np.testing.assert_array_equal(got, np.argsort(words(n), kind="stable"))


def test_uniform_and_bernoulli_are_the_same_bit_for_bit(device):
    u = (words(1000) >> np.uint64(8)).astype(np.float32) * np.float32(2**-24)
    got = uniform(-1.0, 3.0, (1000,), device=device, generator=Generator(7)).numpy()
    np.testing.assert_array_equal(got, u * np.float32(4) - np.float32(1))
    got = bernoulli(0.3, (1000,), device=device, generator=Generator(7)).numpy()
    np.testing.assert_array_equal(got, (u < np.float32(0.3)).astype(np.float32))
    p = tensor(np.linspace(0, 1, 1000), device=device)
    np.testing.assert_array_equal(bernoulli(p, generator=Generator(7)).numpy(), u < p.numpy())


def distribution(z):
    return 0.5 * (1 + np.vectorize(math.erf)(z / math.sqrt(2)))


CASES = {
    "uniform": (lambda **k: uniform(2.0, 5.0, **k), lambda x: (x - 2) / 3),
    "normal": (lambda **k: normal(1.0, 2.0, **k), lambda x: distribution((x - 1) / 2)),
    "exponential": (lambda **k: exponential(3.0, **k), lambda x: 1 - np.exp(-3 * x)),
    "trunc_normal": (
        lambda **k: trunc_normal(1.0, 2.0, -1.0, 4.0, **k),
        lambda x: (
            (distribution((x - 1) / 2) - distribution(-1)) / (distribution(1.5) - distribution(-1))
        ),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_numbers_follow_their_distribution(name, device):
    draw, cdf = CASES[name]
    x = np.sort(draw(shape=(N,), device=device, generator=Generator(3)).numpy().astype(float))
    distance = np.abs(cdf(x) - (np.arange(N) + 0.5) / N).max()
    assert distance < 1.63 / math.sqrt(N)  # Kolmogorov and Smirnov, at one percent
    assert draw(shape=(2,), dtype=float16, device=device).dtype == np.float16


def test_trunc_normal_stays_inside_and_meets_far_bounds(device):
    x = trunc_normal(0.0, 1.0, -0.5, 0.25, (1000,), device=device).numpy()
    assert x.min() >= -0.5 and x.max() <= 0.25
    far = trunc_normal(0.0, 1.0, -6.0, 6.0, (N,), device=device, generator=Generator(1)).numpy()
    assert abs(far.std() - 1) < 0.02 and 3.5 < np.abs(far).max() < 6


def test_every_number_may_have_its_own_distribution(device):
    mean = tensor([[0.0], [100.0]], device=device)
    x = normal(mean, 1.0, (2, 1000)).numpy()
    assert abs(x[0].mean()) < 0.2 and abs(x[1].mean() - 100) < 0.2
    assert normal(mean, mean + 1).shape == (2, 1)
    like = zeros((2, 3), dtype=float16, device=device)
    assert rand_like(like).dtype == np.float16 and randn_like(like, "float32").shape == (2, 3)


def test_tensors_are_filled_in_place_views_too(device):
    t = zeros((4, 5), device=device)
    t[1:3].uniform_(2.0, 3.0, Generator(7))
    u = (words(10) >> np.uint64(8)).astype(np.float32) * np.float32(2**-24)
    np.testing.assert_array_equal(t.numpy()[1:3].reshape(-1), u + np.float32(2))
    assert t.numpy()[0].max() == 0
    assert set(t.bernoulli_(0.5).numpy().reshape(-1)) == {0.0, 1.0}
    assert 50 < t.normal_(100.0, 3.0).numpy().mean() < 150


def test_multinomial_draws_as_often_as_probabilities_say(device):
    p = np.array([[0, 1, 0, 2, 3, 0], [5, 0, 1, 1, 1, 0]], np.float32)
    t = tensor(p, device=device)
    x = multinomial(t, N, replacement=True, generator=Generator(5)).numpy()
    for row in (0, 1):
        share = np.bincount(x[row], minlength=6) / N
        np.testing.assert_allclose(share, p[row] / p[row].sum(), atol=0.01)
    assert x.dtype == np.int32 and x.shape == (2, N)
    once = multinomial(t.expand(500, 2, 6), 3, generator=Generator(6)).numpy()
    assert once.shape == (500, 2, 3)
    assert all(len(set(row)) == 3 for row in once.reshape(-1, 3))
    assert set(once[:, 0].reshape(-1)) == {1, 3, 4}
    first = np.bincount(once[:, 1, 0], minlength=6) / 500
    np.testing.assert_allclose(first, p[1] / 8, atol=0.08)
    assert multinomial(t[0], 0).shape == (0,)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda t: randint(3, 3), ArgumentError, "no number from 3 to before 3"),
        (lambda t: randint(0, 300, (2,), uint8), ArgumentError, "299 do not fit uint8"),
        (lambda t: randint(0, 3, (2,), "float32"), DTypeError, "not float32"),
        (lambda t: randint(0.5, 3), ArgumentError, "0.5 is no whole number"),
        (lambda t: randperm(-1), ArgumentError, "not -1"),
        (lambda t: uniform(1.0, 0.0), ArgumentError, "ascending"),
        (lambda t: uniform(dtype="int32"), DTypeError, "not int32"),
        (lambda t: normal(0.0, -1.0), ArgumentError, "unlike -1.0"),
        (lambda t: normal(t, 1.0, (2,)), ShapeError, r"\(3,\)"),
        (lambda t: exponential(0.0), ArgumentError, "positive"),
        (lambda t: trunc_normal(0.0, 1.0, 2.0, 1.0), ArgumentError, "between 2.0 and 1.0"),
        (lambda t: bernoulli(1.5), ArgumentError, "not 1.5"),
        (lambda t: bernoulli(t + 1).numpy(), ArgumentError, "element 1 of p"),
        (lambda t: multinomial(t, 4), ArgumentError, "4 samples without replacement"),
        (lambda t: multinomial(t - 1, 1).numpy(), ArgumentError, "probability 0 is negative"),
        (lambda t: multinomial(t, 3).numpy(), ArgumentError, "row 0 has fewer than 3"),
        (lambda t: multinomial(t * 0, 1, True).numpy(), ArgumentError, "fewer than 1"),
        (lambda t: multinomial(t.to("int32"), 1), DTypeError, "not int32"),
    ],
)
def test_mistakes_are_named(call, error, message, device):
    t = tensor([0.0, 1.0, 2.0], device=device)
    with pytest.raises(error, match=message):
        call(t)


@pytest.mark.gpu
def test_a_captured_step_draws_anew_in_every_replay():
    generator = Generator(11)

    def step(t):
        return randint(0, 1000, t.shape, device="gpu", generator=generator) + t.to("int32")

    replay = gpu.capture(step)
    t = zeros((64,), device="gpu")
    seen = [replay(t).numpy() for _ in range(4)]
    again = Generator(11)
    for numbers in seen:
        np.testing.assert_array_equal(numbers, randint(0, 1000, (64,), generator=again).numpy())
