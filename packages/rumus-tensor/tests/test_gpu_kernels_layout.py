"""Planning without a GPU: layouts, tiles, splits and unrolled loops."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rumus._backends.gpu import layout, reduce_layout, tiles, unroll
from rumus._backends.gpu.layout import Mode


def strided(base: np.ndarray, view: np.ndarray) -> tuple[tuple[int, ...], tuple[int, ...], int]:
    """Shape, strides and offset of a numpy view, in elements."""
    start = view.__array_interface__["data"][0] - base.__array_interface__["data"][0]
    size = base.itemsize
    return view.shape, tuple(s // size for s in view.strides), start // size


def addresses(shape, strides, offset=0):
    """Where each element lies, in row-major order."""
    at = np.zeros(shape, np.int64) + offset
    for axis, (length, stride) in enumerate(zip(shape, strides, strict=True)):
        line = np.arange(length) * stride
        at += line.reshape([-1 if k == axis else 1 for k in range(len(shape))])
    return at.reshape(-1)


shapes = st.lists(st.integers(1, 5), min_size=0, max_size=4).map(tuple)


@st.composite
def views(draw):
    """A numpy view made by transposing, slicing and broadcasting an array."""
    shape = draw(st.lists(st.integers(1, 5), min_size=1, max_size=4))
    base = np.arange(math.prod(shape)).reshape(shape)
    view = base.transpose(draw(st.permutations(range(len(shape)))))
    view = view[tuple(slice(draw(st.integers(0, n - 1)), None) for n in view.shape)]
    if draw(st.booleans()):
        view = np.broadcast_to(view, (draw(st.integers(1, 3)), *view.shape))
    return base, view


@given(views())
def test_collapsed_axes_walk_the_same_elements(pair):
    base, view = pair
    shape, strides, offset = strided(base, view)
    dims, (steps,) = layout.collapse(shape, [strides])
    assert np.array_equal(addresses(dims, steps, offset), view.reshape(-1))


@given(views(), views())
def test_arrays_are_collapsed_together(first, second):
    shape = np.broadcast_shapes(first[1].shape[:1], ())
    both = [layout.broadcast_strides((1,), (7,), shape), (1,) * len(shape)]
    dims, steps = layout.collapse(shape, both)
    for before, after in zip(both, steps, strict=True):
        assert np.array_equal(addresses(shape, before), addresses(dims, after))


def test_contiguous_axes_become_one():
    assert layout.collapse((2, 3, 4), [(12, 4, 1)]) == ((24,), ((1,),))
    assert layout.collapse((2, 3, 4), [(12, 4, 1), (0, 0, 1)]) == ((6, 4), ((4, 1), (0, 1)))


@given(views(), st.data())
def test_reshaped_strides_agree_with_a_copy_or_say_that_one_is_needed(pair, data):
    base, view = pair
    shape, strides, offset = strided(base, view)
    factors = data.draw(st.permutations([n for n in shape if n > 1] + [1]))
    to = tuple(data.draw(st.sampled_from([factors, [view.size], [*shape, 1], [1, *shape]])))
    found = layout.reshaped_strides(shape, strides, to)
    if found is not None:
        assert np.array_equal(addresses(to, found, offset), view.reshape(-1))
    else:
        assert not np.shares_memory(view.reshape(to), base)


def test_load_modes_are_the_cheapest_that_are_correct():
    assert layout.load_mode((64,), (1,), 0) is Mode.VECTOR
    assert layout.load_mode((64,), (1,), 2) is Mode.STEP
    assert layout.load_mode((63,), (1,), 2) is Mode.STRIDED
    assert layout.load_mode((64,), (0,), 3) is Mode.SCALAR
    assert layout.load_mode((8, 64), (0, 1), 0) is Mode.ROW
    assert layout.load_mode((8, 64), (0, 1), 1) is Mode.STEP
    assert layout.load_mode((8, 64), (1, 0), 0) is Mode.SPLAT
    assert layout.load_mode((8, 63), (1, 0), 0) is Mode.STRIDED
    assert layout.load_mode((8, 64), (1, 8), 0) is Mode.STEP


def test_a_store_never_reaches_past_a_view():
    assert layout.store_mode((63,), (1,), 0) is Mode.STRIDED
    assert layout.store_mode((64,), (1,), 0) is Mode.VECTOR
    assert layout.store_mode((3, 4), (8, 1), 4) is Mode.ROW
    assert layout.store_mode((3, 4), (6, 1), 4) is Mode.STEP


@given(st.integers(1, 10**7), st.integers(1, 5000), st.integers(1, 4096), st.integers(1, 65535))
def test_the_parts_of_a_split_cover_the_axis(length, groups, least, most):
    parts, share = reduce_layout.split(length, groups, least, most)
    assert 1 <= parts <= most
    assert (parts - 1) * share < length <= parts * share
    assert parts == 1 or share % 4 == 0


sizes = st.integers(1, 60000)


@settings(max_examples=200)
@given(sizes, sizes, sizes, st.integers(1, 96), st.sampled_from([16384, 32768, 49152]))
def test_a_chosen_tile_fits_the_adapter_and_covers_k(m, n, k, batches, memory):
    tile, splits, share = tiles.choose(m, n, k, batches, memory, 1 << 22)
    assert splits == 1 or 4 * splits * m * n * batches <= 1 << 22
    assert tile.workgroup_bytes <= memory
    assert tile.threads <= 256
    assert (splits - 1) * share < k <= splits * share
    assert share % tile.bk == 0


@pytest.mark.parametrize("tile", tiles.TILES, ids=lambda t: f"{t.bm}x{t.bn}x{t.bk}")
def test_every_tile_is_loaded_by_whole_vectors(tile):
    for edge in (tile.bm, tile.bn):
        assert edge * tile.bk % (4 * tile.threads) == 0


def test_long_sums_with_few_results_are_split_to_fill_the_gpu():
    tile, splits, _ = tiles.choose(384, 1536, 16384, 1, 49152)
    groups = -(-384 // tile.bm) * -(-1536 // tile.bn) * splits
    assert splits > 1 and groups > tiles.PROCESSORS / 2


def test_small_products_run_in_one_dispatch():
    for m, n, k in [(128, 512, 784), (128, 10, 512), (784, 512, 128), (128, 784, 512)]:
        assert tiles.choose(m, n, k, 1, 49152).splits == 1


def test_large_products_take_the_largest_tile_that_fits():
    assert tiles.choose(4096, 4096, 4096, 1, 49152).tile.bn == 256
    assert tiles.choose(4096, 4096, 4096, 1, 16384).tile.workgroup_bytes <= 16384


def test_a_marked_loop_is_written_out_with_literals():
    text = (
        "for (var i = 0u; i < COUNT; i++) {  // unroll\n"
        "  for (var j = 0u; j < 2u; j++) {  // unroll\n"
        "    a[i * 2u + j] = id;\n"
        "  }\n"
        "}\n"
        "for (var i = 0u; i < COUNT; i++) {\n"
        "}"
    )
    written = unroll.unroll(text, {"COUNT": 3})
    assert [line.strip() for line in written.split("\n") if "id" in line] == [
        f"a[{i}u * 2u + {j}u] = id;" for i in range(3) for j in range(2)
    ]
    assert written.count("for (") == 1
