"""Matrix products on the GPU against numpy in float64."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rumus._backends.gpu import get_gpu_backend, matmul, tiles
from rumus.gpu import GpuArray, limits

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module")
def be():
    return get_gpu_backend(0)


def numbers(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def operand(be, host, transposed=False, margin=0):
    """A GPU view of the last two axes: stored transposed, or cut out of a larger array."""
    stored = np.ascontiguousarray(host.swapaxes(-1, -2)) if transposed else host
    padded = np.pad(stored, [(0, 0)] * (stored.ndim - 2) + [(margin, margin)] * 2)
    cuts = [slice(0, n, 1) for n in stored.shape[:-2]]
    cuts += [slice(margin, margin + n, 1) for n in stored.shape[-2:]]
    view = be.slice(be.from_host(padded), cuts)
    axes = list(range(host.ndim))
    if transposed:
        axes[-1], axes[-2] = axes[-2], axes[-1]
    return be.permute(view, axes)


def check(got, a, b, bias=None):
    exact = a.astype(np.float64) @ b.astype(np.float64)
    exact = exact if bias is None else exact + bias
    scale = np.abs(a).astype(np.float64) @ np.abs(b).astype(np.float64) + 1
    assert got.shape == exact.shape
    assert (np.abs(got - exact) <= 1e-6 * scale).all()


sizes = st.sampled_from([1, 2, 3, 4, 8, 15, 16, 31, 36, 64, 65, 100, 130])


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_sizes_orientations_offsets_and_batches(data):
    be = get_gpu_backend(0)
    m, k, n = (data.draw(sizes) for _ in "mkn")
    batch = data.draw(st.sampled_from([(), (1,), (3,), (2, 2)]))
    a, b = numbers((*batch, m, k)), numbers((*batch, k, n), 1)
    flips, margins = st.booleans(), st.sampled_from([0, 0, 1, 4])
    left = operand(be, a, data.draw(flips), data.draw(margins))
    right = operand(be, b, data.draw(flips), data.draw(margins))
    bias = numbers((n,), 2) if data.draw(st.booleans()) else None
    device_bias = None if bias is None else be.from_host(bias)
    check(be.to_host(be.matmul(left, right, device_bias)), a, b, bias)


@pytest.mark.parametrize("tile", tiles.TILES, ids=lambda t: f"{t.bm}x{t.bn}x{t.bk}_{t.tx}x{t.ty}")
@pytest.mark.parametrize("splits", [1, 3])
def test_every_tile_with_and_without_parts(be, tile, splits):
    memory = limits()["max-compute-workgroup-storage-size"]
    if tile.workgroup_bytes > memory:
        pytest.skip("the adapter has too little workgroup memory for this tile")
    for m, n, k in [(tile.bm, tile.bn, 3 * tile.bk), (tile.bm + 3, tile.bn + 5, 101)]:
        a, b, bias = numbers((2, m, k)), numbers((2, k, n), 1), numbers((n,), 2)
        left, right, added = operand(be, a), operand(be, b, transposed=True), be.from_host(bias)
        result = be.full((2, m, n), 0.0, left.dtype)
        choice = tiles.parts(tile, splits, k)
        plan = matmul.make_plan(left, right, added, result, choice)
        matmul.run_plan(plan, left, right, added, result)
        check(be.to_host(result), a, b, bias)


def test_nothing_outside_the_operands_is_read_into_the_result(be):
    a = np.pad(numbers((17, 19)), 2, constant_values=np.nan)
    b = np.pad(numbers((19, 21), 1), 2, constant_values=np.inf)
    left = be.slice(be.from_host(a), [slice(2, 19, 1), slice(2, 21, 1)])
    right = be.slice(be.from_host(b), [slice(2, 21, 1), slice(2, 23, 1)])
    check(be.to_host(be.matmul(left, right)), a[2:-2, 2:-2], b[2:-2, 2:-2])


def test_infinities_and_nans_stay_in_their_row_and_column(be):
    a, b = numbers((40, 50)), numbers((50, 60), 1)
    a[3, 7], b[9, 11] = np.inf, np.nan
    got = be.to_host(be.matmul(be.from_host(a), be.from_host(b)))
    touched = np.zeros((40, 60), bool)
    touched[3], touched[:, 11] = True, True
    assert np.array_equal(np.isfinite(got), ~touched)


def test_a_batch_axis_may_be_broadcast(be):
    a, b = numbers((3, 5, 8)), numbers((8, 6), 1)
    wide = be.expand(be.from_host(b), (3, 8, 6))
    check(be.to_host(be.matmul(be.from_host(a), wide)), a, np.broadcast_to(b, (3, 8, 6)))
    rows = numbers((3, 1, 8))
    check(be.to_host(be.matmul(be.from_host(rows), wide)), rows, np.broadcast_to(b, (3, 8, 6)))
    tall = be.expand(be.from_host(a[:1]), (4, 5, 8))
    c = numbers((4, 8, 6), 2)
    check(be.to_host(be.matmul(tall, be.from_host(c))), np.broadcast_to(a[:1], (4, 5, 8)), c)


def test_columns_as_rows_and_strided_biases(be):
    wide, b, bias = numbers((9, 7)), numbers((9, 6), 1), numbers((12,), 2)
    row = be.permute(be.slice(be.from_host(wide), [slice(0, 9, 1), slice(3, 4, 1)]), (1, 0))
    every_second = be.slice(be.from_host(bias), [slice(1, 12, 2)])
    got = be.matmul(row, be.from_host(b), every_second)
    check(be.to_host(got), wide[:, 3:4].T, b, bias[1::2])


def test_heads_of_attention_are_taken_without_a_copy(be):
    host = numbers((2, 10, 3, 8))
    heads = be.permute(be.from_host(host), (0, 2, 1, 3))
    keys = be.permute(be.from_host(host), (0, 2, 3, 1))
    a, b = host.transpose(0, 2, 1, 3), host.transpose(0, 2, 3, 1)
    check(be.to_host(be.matmul(heads, keys)), a, b)


@pytest.mark.parametrize("offset", [0, 4, 5])
def test_the_result_is_written_where_it_is_wanted(be, offset):
    a, b, bias = numbers((6, 300)), numbers((300, 8), 1), numbers((8,), 2)
    arena = be.full((80,), 7.0, np.dtype(np.float32))
    out = GpuArray(arena.storage, (6, 8), (8, 1), offset, arena.dtype)
    given = be.matmul(be.from_host(a), be.from_host(b), be.from_host(bias), out)
    assert given is out
    check(be.to_host(out), a, b, bias)
    around = be.to_host(arena)
    assert (around[:offset] == 7).all() and (around[offset + 48 :] == 7).all()


def test_a_result_may_be_strided_or_lie_in_an_operands_storage(be):
    a, b = numbers((6, 5)), numbers((5, 8), 1)
    out = be.permute(be.full((8, 6), 0.0, np.dtype(np.float32)), (1, 0))
    be.matmul(be.from_host(a), be.from_host(b), None, out)
    check(be.to_host(out), a, b)
    square = be.from_host(numbers((8, 8), 3))
    be.matmul(square, square, None, square)
    check(be.to_host(square), numbers((8, 8), 3), numbers((8, 8), 3))


def test_half_precision_is_summed_in_single(be):
    a, b = numbers((33, 2048)).astype(np.float16), numbers((2048, 20), 1).astype(np.float16)
    bias = numbers((20,), 2).astype(np.float16)
    got = be.matmul(be.from_host(a), be.from_host(b), be.from_host(bias))
    assert got.dtype == np.float16
    exact = a.astype(np.float64) @ b.astype(np.float64) + bias
    assert np.allclose(be.to_host(got), exact, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("dtype", ["int32", "uint8"])
def test_integers_are_multiplied_exactly(be, dtype):
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 9, (20, 70)).astype(dtype), rng.integers(0, 9, (70, 12)).astype(dtype)
    got = be.matmul(be.from_host(a), be.from_host(b))
    assert got.dtype == dtype
    assert np.array_equal(be.to_host(got), a @ b)


def test_sums_over_nothing_are_the_bias(be):
    empty = be.full((3, 0), 0.0, np.dtype(np.float32)), be.full((0, 4), 0.0, np.dtype(np.float32))
    bias = np.arange(4, dtype=np.float32)
    got = be.to_host(be.matmul(*empty, be.from_host(bias)))
    assert np.array_equal(got, np.broadcast_to(bias, (3, 4)))
    none = be.matmul(be.full((0, 2), 0.0, np.dtype(np.float32)), be.from_host(numbers((2, 3))))
    assert none.shape == (0, 3)


def test_more_matrices_than_a_grid_has_in_one_dimension(be):
    a, b = numbers((66_000, 2, 3)), numbers((66_000, 3, 2), 1)
    check(be.to_host(be.matmul(be.from_host(a), be.from_host(b))), a, b)


@given(
    st.integers(1, 130),
    st.integers(1, 70),
    st.integers(1, 150),
    st.booleans(),
    st.booleans(),
    st.integers(0, 3),
)
@settings(max_examples=60, deadline=None)
def test_a_product_and_the_sums_of_its_rows(m, n, k, turn_a, turn_b, gap):
    be = get_gpu_backend(0)
    a, b = numbers((m, k)), numbers((k, n), 1)
    place = -(-m * n // 4) * 4 + 4 * gap
    memory = be.full((place + m + 5,), -7.0, np.dtype(np.float32))
    out = GpuArray(memory.storage, (m, n), (n, 1), 0, memory.dtype)
    sums_out = GpuArray(memory.storage, (m,), (1,), place, memory.dtype)
    left, right = operand(be, a, turn_a), operand(be, b, turn_b)
    assert matmul.with_sums(left, right, out, sums_out)
    check(be.to_host(out), a, b)
    exact = a.astype(np.float64).sum(1)
    assert (np.abs(be.to_host(sums_out) - exact) <= 1e-6 * np.abs(a).sum(1)).all()
    whole = be.to_host(memory)
    assert (whole[m * n : place] == -7).all() and (whole[place + m :] == -7).all()


@pytest.mark.parametrize(
    "tile",
    [tile for tile in tiles.TILES if tile.a_chunks == 1],
    ids=lambda t: f"{t.bm}x{t.bn}x{t.bk}_{t.tx}x{t.ty}",
)
@pytest.mark.parametrize("by_element", [False, True])
def test_every_tile_that_makes_sums(be, tile, by_element):
    m, n, k = tile.bm + 4 - by_element, 2 * tile.bn + 4, 101
    a, b = numbers((m, k)), numbers((k, n), 1)
    memory = be.full((m * n + m,), 0.0, np.dtype(np.float32))
    out = GpuArray(memory.storage, (m, n), (n, 1), 0, memory.dtype)
    left, right = operand(be, a), operand(be, b)
    plan = matmul.make_plan(left, right, None, out, tiles.parts(tile, 1, k))
    words = list(plan.words)
    plan.summing.dispatch([left, right, out], (*words, m * n), plan.groups)
    check(be.to_host(out), a, b)
    sums = be.to_host(memory)[m * n :]
    assert (np.abs(sums - a.astype(np.float64).sum(1)) <= 1e-6 * np.abs(a).sum(1)).all()


def test_sums_that_do_not_fit_one_pass_are_made_in_two(be):
    a, b = numbers((6, 9)), numbers((9, 4), 1)
    product, sums = be.matmul_and_sums(be.from_host(a), be.from_host(b))
    check(be.to_host(product), a, b)
    np.testing.assert_allclose(be.to_host(sums), a.sum(1), rtol=1e-5)
    apart = [be.full((6, 4), 0.0, a.dtype), be.full((6,), 0.0, a.dtype)]
    assert not matmul.with_sums(be.from_host(a), be.from_host(b), *apart)
    half = [be.elementwise("cast", be.from_host(x), dtype=np.dtype(np.float16)) for x in (a, b)]
    memory = be.full((40,), 0.0, half[0].dtype)
    slots = [
        GpuArray(memory.storage, (6, 4), (4, 1), 0, memory.dtype),
        GpuArray(memory.storage, (6,), (1,), 32, memory.dtype),
    ]
    assert not matmul.with_sums(*half, *slots)
    assert be.matmul_and_sums(*half, *slots)[0] is slots[0]
    np.testing.assert_allclose(be.to_host(slots[1]), a.sum(1), rtol=5e-3, atol=5e-3)


@pytest.mark.parametrize("batch", [(), (2,), (2, 3)])
def test_operands_along_k_are_turned_first_where_that_pays(be, monkeypatch, batch):
    monkeypatch.setattr(matmul, "turning_pays", lambda *_: True)
    monkeypatch.setattr(matmul, "_plans", {})
    a, b = numbers((*batch, 20, 35)), numbers((*batch, 35, 24), 1)
    left, right = operand(be, a, margin=1), operand(be, b, transposed=True, margin=1)
    result = be.matmul(left, right)
    (plan,) = matmul._plans.values()
    assert plan.variant.first.vectors and plan.variant.second.vectors
    check(be.to_host(result), a, b)
    weight = b[(0,) * len(batch)]
    shared = be.expand(operand(be, weight, transposed=True), (*batch, 35, 24))
    check(be.to_host(be.matmul(left, shared)), a, np.broadcast_to(weight, b.shape))


def test_turning_pays_for_large_products_alone():
    large, small = tiles.choose(4096, 4096, 4096, 1, 49152), tiles.choose(64, 64, 64, 1, 49152)
    assert tiles.turning_pays(large, 4096, 4096, 1, 4096 * 4096 * 4)
    assert not tiles.turning_pays(small, 64, 64, 1, 64 * 64 * 4)
