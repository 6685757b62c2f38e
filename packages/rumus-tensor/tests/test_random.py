"""The counter-based generator against published answers and its distribution."""

import math

import numpy as np
import pytest

from rumus._backends.cpu.random import threefry2x32
from rumus.tensor import ArgumentError, Generator, default_generator, manual_seed, rand, randn


@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [
        # The known answers that Salmon et al. publish with their implementation (Random123).
        ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
        ((0xFFFFFFFF,) * 2, (0xFFFFFFFF,) * 2, (0x1CB996FC, 0xBB002BE7)),
        ((0x243F6A88, 0x85A308D3), (0x13198A2E, 0x03707344), (0xC4923A9C, 0x483DF7A0)),
    ],
)
def test_threefry_gives_the_published_words(counter, key, words):
    x0, x1 = threefry2x32(key, np.array([counter[0]], np.uint32), counter[1])
    assert (int(x0[0]), int(x1[0])) == words


@pytest.mark.parametrize("size", [1, 2, 7, 100_003])
def test_uniform_numbers_are_the_upper_bits_of_the_words(size, device):
    seed, pairs = 0x1234_5678_9ABC_DEF0, np.arange((size + 1) // 2, dtype=np.uint32)
    manual_seed(seed)
    rand(3)
    actual = rand((size,), device=device).numpy()
    words = np.stack(threefry2x32((seed & 0xFFFFFFFF, seed >> 32), pairs, 1), 1).ravel()
    np.testing.assert_array_equal(actual, (words[:size] >> 8) * 2.0**-24)


def test_normal_numbers_follow_box_and_muller(device):
    manual_seed(5)
    uniform = rand((2, 501)).numpy().ravel().astype(np.float64)
    manual_seed(5)
    actual = randn((2, 501), device=device).numpy().ravel()
    r, theta = np.sqrt(-2 * np.log(1 - uniform[0::2])), 2 * math.pi * uniform[1::2]
    wanted = np.stack([r * np.cos(theta), r * np.sin(theta)], 1).ravel()
    np.testing.assert_allclose(actual, wanted, rtol=1e-4, atol=2e-5)


def test_numbers_have_the_moments_of_their_distribution(device):
    manual_seed(0)
    u, n = rand(200_000, device=device).numpy(), randn(200_000, device=device).numpy()
    assert 0 <= u.min() and u.max() < 1
    assert abs(u.mean() - 0.5) < 0.003 and abs(u.var() - 1 / 12) < 0.001
    assert abs(n.mean()) < 0.01 and abs(n.var() - 1) < 0.02 and abs((n**3).mean()) < 0.04


def test_the_same_seed_gives_the_same_numbers_and_calls_differ(device):
    manual_seed(7)
    first, second = rand(10, device=device).numpy(), rand(10, device=device).numpy()
    manual_seed(7)
    np.testing.assert_array_equal(rand(10, device=device).numpy(), first)
    assert (first != second).all()
    manual_seed(8)
    assert (rand(10, device=device).numpy() != first).all()


def test_the_numbers_of_a_longer_call_begin_with_those_of_a_shorter_one(device):
    manual_seed(1)
    short = randn(7, device=device).numpy()
    manual_seed(1)
    np.testing.assert_array_equal(randn(100, device=device).numpy()[:7], short)


def test_a_generator_gives_back_its_state():
    generator = Generator(3)
    generator.next()
    seed, position = generator.state()
    assert (seed, position) == (3, 1)
    other = Generator(seed, position)
    assert other.next() == generator.next() == (3, 1)
    assert default_generator.state()


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_a_seed_has_64_bits(seed):
    with pytest.raises(ArgumentError, match="seed"):
        manual_seed(seed)


@pytest.mark.parametrize("shape", [0, (), (0, 3), (2, 3)])
def test_any_shape_can_be_drawn(shape, device):
    assert rand(shape, device=device).shape == ((shape,) if isinstance(shape, int) else shape)
