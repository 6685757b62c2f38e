"""The counter-based generator against published answers and its distribution."""

import json
import math

import numpy as np
import pytest

from rumus import gpu
from rumus._backends.generator import threefry2x32
from rumus.tensor import (
    ArgumentError,
    Generator,
    StateDictError,
    default_generator,
    manual_seed,
    rand,
    randn,
)


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
    assert threefry2x32(key, *counter) == words


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


def derived_by_definition(seed, *counters):
    key = (seed & 0xFFFFFFFF, seed >> 32)
    for low, high in counters:
        words = threefry2x32(key, np.array([low], np.uint32), high)
        key = int(words[0][0]), int(words[1][0])
    return key[0] | key[1] << 32


def test_a_path_is_folded_part_by_part_with_strings_by_their_checksum():
    # 0xE3069283 is the published check value of CRC32C, that of "123456789".
    string, number = (0xE3069283, 0xC0000000), (7, 0x80000001)
    derived = Generator(5, 3).derive("123456789", (1 << 32) + 7)
    assert derived.state() == (derived_by_definition(5, string, number), 0)
    assert Generator(5).derive("123456789").derive((1 << 32) + 7).state() == derived.state()
    assert Generator(5).derive("é").state() != Generator(5).derive("e").state()


def test_every_path_is_a_stream_of_its_own():
    root = Generator(1)
    paths = [("order", k) for k in range(200)] + [
        ("sample", e, i, 0) for e in (0, 1) for i in (0, 1)
    ]
    paths += [("1",), (1,), ("",), (0,), (0, 0), (1 << 32,), ("split",), (np.int64(3),)]
    seeds = {root.derive(*path).state()[0] for path in paths}
    assert len(seeds | {1} | {Generator(2).derive(*path).state()[0] for path in paths}) == (
        2 * len(paths) + 1
    )
    # The streams of neighbouring numbers are unrelated, and so are they to their root's.
    drawn = np.array([root.derive(k).state()[0] >> 32 for k in range(4000)]) / 2**32
    assert abs(drawn.mean() - 0.5) < 0.02
    assert abs(np.corrcoef(drawn[1:], drawn[:-1])[0, 1]) < 0.06
    words = threefry2x32((1, 0), np.arange(4000, dtype=np.uint32), 0)
    assert not seeds & {int(a) | int(b) << 32 for a, b in zip(*words, strict=True)}


def test_what_was_drawn_does_not_change_what_is_derived():
    generator = Generator(9)
    before = generator.derive("step", 1, 0).state()
    generator.next()
    assert generator.derive("step", 1, 0).state() == before
    assert generator.state() == (9, 1)


@pytest.mark.parametrize("path", [(), (-1,), (2**62,), (0.5,), (True,), (None,), (b"order",)])
def test_a_path_has_names_and_numbers(path):
    with pytest.raises(ArgumentError, match="path"):
        Generator(0).derive(*path)


def test_a_generator_goes_on_from_a_saved_state():
    generator = Generator(2**64 - 1)
    generator.next()
    other = Generator(0)
    other.load_state_dict(json.loads(json.dumps(generator.state_dict())))
    assert other.next() == generator.next() == (2**64 - 1, 1)


@pytest.mark.parametrize(
    "state",
    [
        {},
        None,
        {"seed": 1},
        {"seed": 1, "position": 0, "other": 2},
        {"seed": -1, "position": 0},
        {"seed": 1, "position": 2**32},
        {"seed": 1, "position": -1},
        {"seed": "1", "position": 0},
        {"seed": 1, "position": 0.5},
    ],
)
def test_what_is_no_state_of_a_generator_changes_nothing(state):
    generator = Generator(4, 2)
    with pytest.raises((StateDictError, ArgumentError)):
        generator.load_state_dict(state)
    assert generator.state() == (4, 2)


@pytest.mark.gpu
def test_a_captured_step_draws_from_the_stream_that_is_set_before_each_replay():
    step = gpu.capture(lambda: rand(5, device="gpu"))
    root = Generator(11)
    drawn = []
    for number in range(5):
        default_generator.load_state_dict(root.derive("step", number, 0).state_dict())
        drawn.append(step().numpy())
    for number, values in enumerate(drawn):
        default_generator.load_state_dict(root.derive("step", number, 0).state_dict())
        np.testing.assert_array_equal(values, rand(5).numpy())


def test_the_seeds_of_many_streams_are_those_of_each():
    root = Generator(2**63 + 5).derive("sample", 3)
    first, second = np.array([0, 1, 2**32, 2**62 - 1, 7]), np.array([0, 0, 1, 2, 2**40])
    seeds = root.derive_seeds(first, second)
    assert seeds.dtype == np.uint64
    for seed, a, b in zip(seeds.tolist(), first.tolist(), second.tolist(), strict=True):
        assert (seed, 0) == root.derive(a, b).state()
    assert root.derive_seeds([5]).tolist() == [root.derive(5).state()[0]]
    assert root.derive_seeds(np.zeros(0, np.intp)).shape == (0,)


@pytest.mark.parametrize(
    "columns", [(), ([0.5],), ([-1],), ([2**62],), ([1], [1, 2]), ([[1]],), (["a"],), ([True],)]
)
def test_a_table_of_paths_holds_numbers(columns):
    with pytest.raises(ArgumentError):
        Generator(0).derive_seeds(*columns)
