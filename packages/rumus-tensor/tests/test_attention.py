"""Attention against numpy in float64, on both devices."""

from typing import NamedTuple

import numpy as np
import pytest

from rumus import gpu, nn
from rumus.nn import functional
from rumus.tensor import (
    ArgumentError,
    DTypeError,
    ShapeError,
    float16,
    float32,
    manual_seed,
    no_grad,
    ones,
    rand,
    tensor,
)

attend = functional.scaled_dot_product_attention


class Case(NamedTuple):
    """Shapes of a query and of key and value, and how they are looked at."""

    query: tuple[int, ...]
    key: tuple[int, ...]
    values: int
    causal: bool = False
    mask: str = ""
    """``"bool"`` or ``"added"`` with the shape that broadcasts."""
    mask_shape: tuple[int, ...] = ()
    scale: float | None = None


CASES = {
    "one block": Case((1, 2, 40, 64), (1, 2, 40, 64), 64, causal=True),
    "many blocks, causal": Case((1, 2, 200, 32), (1, 2, 200, 32), 32, causal=True),
    "more keys than queries": Case((2, 3, 33, 64), (2, 3, 150, 64), 64, causal=True),
    "more queries than keys": Case((1, 2, 150, 64), (1, 2, 33, 64), 64, causal=True),
    "one query": Case((2, 2, 1, 64), (2, 2, 70, 64), 64, scale=0.1),
    "shared keys": Case((2, 6, 70, 64), (2, 2, 70, 64), 64, causal=True),
    "odd sizes": Case((1, 2, 37, 7), (1, 2, 41, 7), 5),
    "sizes that do not fill a tile": Case((1, 2, 37, 40), (1, 2, 41, 40), 48),
    "large heads": Case((1, 2, 70, 128), (1, 2, 70, 128), 128, causal=True),
    "large heads, shared keys and a mask": Case(
        (2, 2, 40, 100), (2, 1, 70, 100), 100, False, "bool", (2, 1, 40, 70)
    ),
    "heads larger than 128": Case((1, 2, 9, 136), (1, 1, 11, 136), 12, causal=True),
    "a mask of bools": Case((2, 2, 70, 32), (2, 2, 90, 32), 32, False, "bool", (2, 1, 70, 90)),
    "a mask for all": Case((2, 2, 70, 32), (2, 2, 90, 32), 32, False, "bool", (70, 90)),
    "a mask of keys": Case((2, 2, 70, 32), (2, 2, 90, 32), 32, False, "bool", (2, 1, 1, 90)),
    "an added mask": Case((2, 2, 70, 32), (2, 2, 90, 32), 32, False, "added", (2, 70, 90)),
    "three axes": Case((3, 20, 16), (3, 20, 16), 16, causal=True),
    "two axes": Case((20, 16), (30, 16), 16),
    "five axes": Case(
        (2, 1, 2, 20, 16), (1, 3, 2, 30, 16), 16, mask="bool", mask_shape=(3, 1, 20, 30)
    ),
    "no keys": Case((1, 2, 5, 8), (1, 2, 0, 8), 8),
    "no queries": Case((1, 2, 0, 8), (1, 2, 5, 8), 8),
    "no samples": Case((0, 2, 5, 8), (0, 2, 5, 8), 8),
}


def drawn(case, seed=0):
    rng = np.random.default_rng(seed)
    value = (*case.key[:-1], case.values)
    q, k, v = (rng.standard_normal(s, dtype=np.float32) for s in (case.query, case.key, value))
    mask = None
    if case.mask:
        mask = rng.random(case.mask_shape) < 0.6
        if case.mask_shape[-2] > 1:
            mask[..., 3, :] = False
        if case.mask == "added":
            numbers = rng.standard_normal(case.mask_shape, dtype=np.float32)
            mask = np.where(mask, numbers, np.float32(-np.inf))
    return q, k, v, mask


def weights_in_double(q, k, mask, causal, scale):
    """The weights, 0 in rows without any key."""
    scores = q @ k.swapaxes(-1, -2) * scale
    if mask is not None:
        scores = np.where(mask, scores, -np.inf) if mask.dtype == bool else scores + mask
    if causal:
        scores = np.where(np.tri(*scores.shape[-2:], dtype=bool), scores, -np.inf)
    top = scores.max(-1, keepdims=True, initial=-np.inf)
    parts = np.exp(scores - np.where(np.isinf(top), 0, top))
    total = parts.sum(-1, keepdims=True)
    return parts / np.where(total == 0, 1, total)


def expected(q, k, v, mask, grad, causal=False, scale=None, kept=None):
    """The result and the gradients of queries, keys and values, in float64."""
    shapes = k.shape, v.shape
    q, k, v, grad = (a.astype(np.float64) for a in (q, k, v, grad))
    if q.ndim > 2 and q.shape[-3] != k.shape[-3]:
        k, v = (np.repeat(a, q.shape[-3] // a.shape[-3], -3) for a in (k, v))
    scale = q.shape[-1] ** -0.5 if scale is None else scale
    p = weights_in_double(q, k, mask, causal, scale)
    kept = 1.0 if kept is None else kept
    slope = grad @ v.swapaxes(-1, -2) * kept
    slope = p * (slope - (slope * p).sum(-1, keepdims=True)) * scale
    into = slope @ k, slope.swapaxes(-1, -2) @ q, (p * kept).swapaxes(-1, -2) @ grad
    into_q, into_k, into_v = into
    return (
        (p * kept) @ v,
        summed_to(into_q, q.shape),
        summed_to(into_k, shapes[0]),
        summed_to(into_v, shapes[1]),
    )


def summed_to(a, shape):
    """Sums over the axes along which an array was broadcast, or over heads that share one."""
    for axis, (have, want) in enumerate(zip(a.shape, shape, strict=True)):
        if have != want:
            a = a.reshape(*a.shape[:axis], want, -1, *a.shape[axis + 1 :]).sum(axis + 1)
    return a


def computed(case, q, k, v, mask, grad, device, dtype=float32):
    parts = [nn.Parameter(tensor(a, dtype, device)) for a in (q, k, v)]
    given = None if mask is None else tensor(mask, device=device)
    grouped = len(case.query) > 2 and case.query[-3] != case.key[-3] and len(case.query) == 4
    y = attend(*parts, given, is_causal=case.causal, scale=case.scale, enable_gqa=grouped)
    store = y.backward(tensor(grad, y.dtype, device))
    return [y.numpy(), *(store.get(part.id).numpy() for part in parts)]


def assert_close(got, exact, rtol):
    names = ("result", "query", "key", "value")[: len(exact)]
    for name, a, b in zip(names, got, exact, strict=True):
        assert a.shape == b.shape, name
        assert np.abs(a - b).max(initial=0) <= rtol * max(1, np.abs(b).max(initial=0)), name


@pytest.mark.parametrize("name", CASES)
def test_the_result_and_three_gradients(device, name):
    case = CASES[name]
    q, k, v, mask = drawn(case)
    lead = q.shape[:-2] if case.query[1:-2] != (1, 2) else (2, 3, 2)
    grad = np.random.default_rng(9).standard_normal(
        (*lead, q.shape[-2], case.values), dtype=np.float32
    )
    got = computed(case, q, k, v, mask, grad, device)
    assert_close(got, expected(q, k, v, mask, grad, case.causal, case.scale), 3e-6)


def test_float16_is_computed_in_float32_and_rounded_once(device):
    case = Case((1, 2, 70, 64), (1, 2, 70, 64), 64, causal=True)
    q, k, v, _ = (a if a is None else a.astype(np.float16) for a in drawn(case))
    grad = np.random.default_rng(9).standard_normal(v.shape).astype(np.float16)
    got = computed(case, q, k, v, None, grad, device, float16)
    assert all(a.dtype == np.float16 for a in got)
    exact = expected(q, k, v, None, grad, True)
    assert_close([a.astype(np.float64) for a in got[:1]], exact[:1], 2**-10)
    # The gradients read the rounded result
    assert_close([a.astype(np.float64) for a in got], exact, 2**-8)


def test_views_are_taken_as_they_lie(device):
    rng = np.random.default_rng(0)
    whole = rng.standard_normal((2, 50, 3, 2, 32), dtype=np.float32)
    x = tensor(whole, device=device)
    q, k, v = (x[:, :, i].transpose(1, 2) for i in range(3))
    y = attend(q, k, v, is_causal=True)
    exact = expected(*(whole[:, :, i].swapaxes(1, 2) for i in range(3)), None, y.numpy(), True)[0]
    assert np.abs(y.numpy() - exact).max() < 3e-6
    turned = attend(q[:, :, ::-1], k.transpose(0, 1).contiguous().transpose(0, 1), v[..., ::-1])
    exact = expected(
        whole[:, ::-1, 0].swapaxes(1, 2),
        whole[:, :, 1].swapaxes(1, 2),
        whole[:, :, 2, :, ::-1].swapaxes(1, 2),
        None,
        y.numpy(),
    )[0]
    assert np.abs(turned.numpy() - exact).max() < 3e-6


def test_packed_attention_is_that_of_its_parts(device):
    rng = np.random.default_rng(0)
    packed = nn.Parameter(tensor(rng.standard_normal((2, 50, 8 * 16), np.float32), device=device))
    weight = tensor(rng.standard_normal((2, 50, 4 * 16), np.float32), device=device)
    y = functional.packed_attention(packed, 4, 2, is_causal=True)
    store = (y * weight).sum().backward()
    heads = packed.numpy().reshape(2, 50, 8, 16).swapaxes(1, 2)
    grad = weight.numpy().reshape(2, 50, 4, 16).swapaxes(1, 2)
    exact = expected(heads[:, :4], heads[:, 4:6], heads[:, 6:], None, grad, True)
    assert np.abs(y.numpy() - exact[0].swapaxes(1, 2).reshape(2, 50, 64)).max() < 3e-6
    into = np.concatenate(exact[1:], 1).swapaxes(1, 2).reshape(2, 50, 128)
    assert np.abs(store.get(packed.id).numpy() - into).max() < 1e-5


def test_nothing_is_moved_between_heads_and_the_projection():
    x = rand((2, 10, 3 * 4 * 8))
    y = functional.packed_attention(x, 4)
    assert y.array.flags.c_contiguous
    q, k, v = (rand((2, 4, 10, 8)) for _ in range(3))
    assert attend(q, k, v).transpose(1, 2).array.flags.c_contiguous


def test_queries_without_keys_give_zeros_and_no_gradient(device):
    q, k, v = (nn.Parameter(rand((1, 1, 4, 8)).to(device)) for _ in range(3))
    for mask in (np.zeros((4, 4), bool), np.full((4, 4), -np.inf, np.float32)):
        y = attend(q, k, v, tensor(mask, device=device))
        assert not y.numpy().any()
        store = y.sum().backward()
        assert not any(store.get(p.id).numpy().any() for p in (q, k, v))


def test_the_lowest_number_in_a_mask_is_a_number(device):
    q, k, v = (rand((1, 1, 3, 8)).to(device) for _ in range(3))
    lowest = np.full((3, 3), np.finfo(np.float32).min, np.float32)
    y = attend(q, k, v, tensor(lowest, device=device)).numpy()
    assert np.allclose(y, v.numpy().mean(2, keepdims=True), atol=1e-6)


def test_nan_and_infinite_values_stay_in_their_rows(device):
    q, k, v = (np.random.default_rng(i).standard_normal((1, 1, 5, 8), np.float32) for i in range(3))
    q[0, 0, 1, 3] = np.nan
    y = attend(*(tensor(a, device=device) for a in (q, k, v))).numpy()[0, 0]
    assert np.isnan(y[1]).all() and np.isfinite(np.delete(y, 1, 0)).all()
    large = attend(*(tensor(a, device=device) for a in (np.nan_to_num(q) * 1e4, k * 1e4, v)))
    assert np.isfinite(large.numpy()).all()


@pytest.mark.parametrize(("size", "causal"), [(32, False), (128, True)])
def test_dropout_draws_as_the_layer_does_on_the_weights(device, size, causal):
    q, k, v, _ = drawn(Case((2, 2, 37, size), (2, 2, 45, size), size))
    grad = np.random.default_rng(9).standard_normal(q.shape, dtype=np.float32)
    manual_seed(5)
    uniform = rand((2, 2, 37, 45)).numpy()
    manual_seed(5)
    parts = [nn.Parameter(tensor(a, device=device)) for a in (q, k, v)]
    y = attend(*parts, dropout_p=0.3, is_causal=causal)
    store = y.backward(tensor(grad, device=device))
    kept = (uniform >= np.float32(0.3)) / 0.7
    exact = expected(q, k, v, None, grad, causal, kept=kept)
    assert_close([y.numpy(), *(store.get(p.id).numpy() for p in parts)], exact, 3e-6)


def test_a_mask_can_be_learned(device):
    q, k, v, _ = drawn(Case((1, 2, 9, 8), (1, 2, 9, 8), 8))
    bias = nn.Parameter(
        tensor(np.random.default_rng(3).standard_normal((2, 9, 9)), float32, device)
    )
    y = attend(*(tensor(a, device=device) for a in (q, k, v)), bias)
    got = y.sum().backward().get(bias.id).numpy()
    wide = [a.astype(np.float64) for a in (q, k, v, bias.numpy())]

    def total(mask):
        return (weights_in_double(wide[0], wide[1], mask, False, 8**-0.5) @ wide[2]).sum()

    step = np.zeros((2, 9, 9))
    step[1, 4, 2] = 1e-6
    slope = (total(wide[3] + step) - total(wide[3] - step)) / 2e-6
    assert abs(got[1, 4, 2] - slope) < 1e-5


@pytest.mark.gpu
def test_a_captured_step_gives_the_same_bits_and_new_dropout():
    packed = nn.Parameter(rand((1, 40, 3 * 2 * 32)).to("gpu"))

    def step(scale):
        y = functional.packed_attention(packed * scale, 2, dropout_p=0.2, is_causal=True)
        return y, y.sum().backward().get(packed.id)

    one = ones((), device="gpu")
    manual_seed(3)
    plain = [[t.numpy() for t in step(one)] for _ in range(3)]
    manual_seed(3)
    captured = gpu.capture(step)
    for first, second in plain:
        y, grad = captured(one)
        assert np.array_equal(y.numpy(), first) and np.array_equal(grad.numpy(), second)
    assert not np.array_equal(plain[0][0], plain[1][0])


@pytest.mark.gpu
def test_results_repeat_bit_for_bit():
    q, k, v = (nn.Parameter(rand((2, 4, 130, 64)).to("gpu")) for _ in range(3))

    def run():
        store = attend(q, k, v, is_causal=True).sum().backward()
        return [store.get(p.id).numpy() for p in (q, k, v)]

    first = run()
    for got, again in zip(first, run(), strict=True):
        assert np.array_equal(got, again)


@pytest.mark.slow
@pytest.mark.gpu
def test_more_heads_than_workgroups_in_a_dimension():
    x = rand((1, 70_000, 2, 4)).to("gpu")
    with no_grad():
        y = attend(x, x, x).numpy()
    first = x.numpy()[:, -3:]
    exact = expected(first, first, first, None, first)[0]
    assert np.abs(y[:, -3:] - exact).max() < 1e-6


@pytest.mark.gpu
def test_adapters_with_little_workgroup_memory_get_smaller_tiles():
    from rumus._backends.gpu import attention_tiles as tiles

    for size in (32, 64, 128):
        for memory in (16384, 32768, 49152, 65536):
            for heads in (1, 1000):
                assert tiles.choose(1024, heads, size, memory).workgroup_bytes(size) <= memory
    for *_, blocking in (*tiles.FORWARD, *tiles.BACKWARD):
        assert max(blocking.maker.workgroup_bytes(), blocking.multiplier.workgroup_bytes()) <= 16384


PARTS = {
    "causal": Case((1, 2, 100, 32), (1, 2, 100, 32), 32, causal=True),
    "shared keys, more keys": Case((2, 4, 70, 20), (2, 2, 140, 20), 40, causal=True),
    "more queries, all keys": Case((2, 2, 140, 32), (2, 1, 70, 32), 24),
}


def assert_right_by_blocks(case, most, forward=None, backward=None):
    from rumus._backends.contract.attention import AttentionRule
    from rumus._backends.gpu import attention, attention_blocks, get_gpu_backend

    be = get_gpu_backend(0)
    q, k, v, _ = drawn(case)
    grad = np.random.default_rng(9).standard_normal((*q.shape[:3], case.values), dtype=np.float32)
    reads = [be.from_host(a) for a in (q, k, v, grad)]
    output, sums = gpu.empty(grad.shape), gpu.empty(grad.shape[:3])
    rule = AttentionRule(case.query[3] ** -0.5, case.causal)
    into = attention.gradients_in_one((q.shape, k.shape, v.shape), 0)
    attention_blocks.forward_by_blocks(reads[:3], None, None, rule, sums, output, forward, most)
    made = attention.statistics(reads[3], output, sums)
    attention_blocks.backward_by_blocks(reads, None, None, rule, made, into, backward, most)
    got = [be.to_host(be.contiguous(a)) for a in (output, *into)]
    assert_close(got, expected(q, k, v, None, grad, case.causal), 3e-6)


@pytest.mark.gpu
@pytest.mark.parametrize("name", PARTS)
@pytest.mark.parametrize("kibibytes", [1, 100, 1 << 17])
def test_parts_of_any_size_give_the_same(name, kibibytes):
    assert_right_by_blocks(PARTS[name], kibibytes << 10)


@pytest.mark.slow
@pytest.mark.gpu
@pytest.mark.parametrize("causal", [False, True])
def test_blocks_of_any_size_give_the_same(causal):
    from rumus._backends.gpu import attention_tiles as tiles

    case = Case((1, 2, 200, 64), (1, 2, 170, 64), 64, causal=causal)
    for *_, forward in tiles.FORWARD:
        assert_right_by_blocks(case, 1 << 27, forward)
    for *_, backward in tiles.BACKWARD:
        assert_right_by_blocks(case, 1 << 27, None, backward)


def test_parts_hold_every_block_once_and_no_more_than_they_may():
    from rumus._backends.gpu.attention_parts import parts_of

    for lines, sharing, rows, columns in ((8, 1, 128, 128), (48, 4, 16, 16), (2, 2, 20, 50)):
        for causal in (False, True):
            for most in (64, 2000, 10**6):
                parts = parts_of(lines, sharing, rows, columns, causal, most)
                made = np.zeros((lines, rows, columns), int)
                for part in parts:
                    own = slice(part.first_line, part.first_line + part.lines)
                    across = slice(part.first_row, part.last_row)
                    block = made[own, across, part.first_column : part.last_column]
                    shape = block.shape[1:]
                    block += np.tri(*shape, dtype=int) if part.triangle else 1
                    assert part.blocks == (np.tri(*shape).sum() if part.triangle else block[0].size)
                    assert part.lines * part.blocks <= max(most, sharing)
                seen = np.tri(rows, columns) if causal else np.ones((rows, columns))
                assert (made == seen).all()


def test_a_causal_mask_ends_at_the_last_key(device):
    like = ones(1, device=device)
    assert np.array_equal(functional.causal_mask(3, 5, like).numpy(), np.tri(3, 5, 2, dtype=bool))
    q, k, v = (rand((1, 2, 6, 8)).to(device) for _ in range(3))
    whole = attend(q, k, v, is_causal=True).numpy()
    last = attend(q[:, :, 4:], k, v, functional.causal_mask(2, 6, like)).numpy()
    assert np.allclose(last, whole[:, :, 4:], atol=1e-6)


def test_what_does_not_fit_is_said():
    q = rand((2, 4, 5, 8))
    with pytest.raises(ShapeError, match="one size"):
        attend(q, rand((2, 4, 5, 7)), q)
    with pytest.raises(ShapeError, match="value for each key"):
        attend(q, q, rand((2, 4, 6, 8)))
    with pytest.raises(ShapeError, match="broadcast"):
        attend(q, rand((2, 2, 5, 8)), rand((2, 2, 5, 8)))
    with pytest.raises(ShapeError, match="divide"):
        attend(q, rand((2, 3, 5, 8)), rand((2, 3, 5, 8)), enable_gqa=True)
    with pytest.raises(ShapeError, match=r"\(…, length, size\)"):
        attend(rand(8), q, q)
    with pytest.raises(ShapeError, match="mask"):
        attend(q, q, q, ones((5, 6), dtype=bool))
    with pytest.raises(ShapeError, match="mask broadcasts"):
        attend(q, q, q, ones((3, 2, 4, 5, 5), dtype=bool))
    with pytest.raises(DTypeError, match="bool"):
        attend(q, q, q, ones((5, 5), dtype="int32"))
    with pytest.raises(DTypeError, match="one dtype"):
        attend(q, q.to(float16), q)
    with pytest.raises(DTypeError, match="key is a ndarray"):
        attend(q, q.numpy(), q)
    with pytest.raises(ArgumentError, match="not both"):
        attend(q, q, q, ones((5, 5), dtype=bool), is_causal=True)
    with pytest.raises(ArgumentError, match="dropout_p"):
        attend(q, q, q, dropout_p=1.0)
    with pytest.raises(ShapeError, match="multiple of key_heads"):
        functional.packed_attention(rand((2, 5, 30)), 4)
