"""The elementwise kernels in every way to load and store, against numpy."""

import numpy as np
import pytest

from rumus._backends.gpu import elementwise_source as family
from rumus._backends.gpu import get_gpu_backend
from rumus._backends.gpu.layout import Mode, load_mode
from rumus._backends.table import KINDS
from rumus.gpu import GpuArray

pytestmark = pytest.mark.gpu

DTYPES = ("float32", "float16", "int32", "uint8", "bool")
EDGES = np.array([0.0, -0.0, 1.0, -1.5, np.nan, np.inf, -np.inf, 3e38, -3e38, 1e-30], np.float32)


@pytest.fixture(scope="module")
def be():
    return get_gpu_backend(0)


def numbers(shape, dtype, seed=0):
    rng = np.random.default_rng(seed)
    if dtype == "bool":
        return rng.random(shape) < 0.5
    if dtype.startswith("float"):
        return (4 * rng.standard_normal(shape)).astype(dtype)
    return rng.integers(0, 200, shape).astype(dtype)


def view(be, base, index, axes=None):
    """The same numpy view and GPU view of an array."""
    resolved = [slice(*s.indices(n)) for s, n in zip(index, base.shape, strict=True)]
    twin = be.slice(be.from_host(base), resolved)
    axes = axes or tuple(range(base.ndim))
    return base[tuple(index)].transpose(axes), be.permute(twin, axes)


ALL = slice(None)
LAYOUTS = {
    Mode.VECTOR: ((6, 24), (ALL, ALL), None),
    Mode.ROW: ((6, 40), (ALL, slice(8, 32)), None),
    Mode.STEP: ((24, 6), (ALL, ALL), (1, 0)),
    Mode.STRIDED: ((5, 9), (slice(None, None, -1), slice(1, 8)), None),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("mode", LAYOUTS, ids=lambda m: m.value)
def test_every_dtype_is_loaded_in_every_mode(be, dtype, mode):
    shape, index, axes = LAYOUTS[mode]
    host, array = view(be, numbers(shape, dtype), index, axes)
    assert load_mode(array.shape, array.strides, array.offset) is mode
    for target in DTYPES:
        with np.errstate(invalid="ignore"):
            wanted = np.abs(host).astype(target)
        positive = be.elementwise("abs", array) if dtype != "bool" else array
        got = be.to_host(be.elementwise("cast", positive, dtype=np.dtype(target)))
        assert got.dtype == target
        assert np.array_equal(got, wanted)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("columns", [8, 7])
def test_rows_columns_and_scalars_are_broadcast(be, dtype, columns):
    table, row = numbers((5, columns), dtype), numbers((1, columns), dtype, 1)
    column, one = numbers((5, 1), dtype, 2), numbers((), dtype, 3)
    for other in (row, column, one):
        for pair in ((table, other), (other, table)):
            got = be.to_host(be.elementwise("maximum", *map(be.from_host, pair)))
            assert np.array_equal(got, np.maximum(*pair))


@pytest.mark.parametrize("size", [0, 1, 2, 3, 5, 255, 1025])
@pytest.mark.parametrize("dtype", DTYPES)
def test_any_number_of_elements(be, size, dtype):
    host = numbers((size,), dtype)
    array = be.from_host(host)
    assert np.array_equal(be.to_host(be.elementwise("eq", array, array)), np.ones(size, bool))
    assert np.array_equal(be.to_host(be.copy(array)), host)


def test_more_elements_than_a_grid_has_invocations(be):
    size = 65535 * 256 + 77
    array = be.full((size,), 2, np.dtype(np.int32))
    total = be.reduce("sum", be.elementwise("add", array, 1), (0,), False)
    assert int(be.to_host(total)) == 3 * size


def test_nan_and_infinity_are_numpys(be):
    a, b = (g.reshape(-1) for g in np.meshgrid(EDGES, EDGES))
    left, right = be.from_host(a), be.from_host(b)
    with np.errstate(all="ignore"):
        cases = {
            "maximum": np.maximum(a, b), "minimum": np.minimum(a, b), "ne": a != b, "eq": a == b,
            "lt": a < b, "ge": a >= b, "logical_and": np.logical_and(a, b), "add": a + b,
        }  # fmt: skip
        unary = {
            "isnan": np.isnan(a), "isfinite": np.isfinite(a), "sign": np.sign(a),
            "tanh": np.tanh(a), "logical_not": ~a.astype(bool), "floor": np.floor(a),
            "relu": np.where(np.isnan(a) | (a > 0), a, 0), "exp": np.exp(a), "sin": None,
        }  # fmt: skip
    for op, wanted in cases.items():
        assert np.array_equal(be.to_host(be.elementwise(op, left, right)), wanted, True), op
    for op, wanted in unary.items():
        if wanted is not None:
            got = be.to_host(be.elementwise(op, left))
            assert np.allclose(got, wanted, rtol=1e-6, equal_nan=True), op
    sines = be.to_host(be.elementwise("sin", left))
    assert np.isnan(sines[~np.isfinite(a)]).all()


def test_functions_are_exact_to_a_few_units_in_the_last_place(be):
    x = np.linspace(-30, 30, 100_001).astype(np.float32)
    exact = x.astype(np.float64)
    for op, wanted in {
        "sin": np.sin(exact), "cos": np.cos(exact), "tanh": np.tanh(exact),
        "sigmoid": 1 / (1 + np.exp(-exact)),
    }.items():  # fmt: skip
        got = be.to_host(be.elementwise(op, be.from_host(x)))
        assert np.abs(got - wanted).max() < 3e-7, op
    near = np.exp(exact / 300).astype(np.float32)
    got = be.to_host(be.elementwise("log", be.from_host(near)))
    assert np.allclose(got, np.log(near.astype(np.float64)), rtol=3e-7, atol=1e-9)
    small = np.float32(1e-3) * x
    got = be.to_host(be.elementwise("tanh", be.from_host(small)))
    assert np.allclose(got, np.tanh(small.astype(np.float64)), rtol=5e-7, atol=0)


def test_quotients_of_very_large_and_small_numbers(be):
    a, b = (g.reshape(-1) for g in np.meshgrid(*[np.float32([1e38, 3e38, 1, 2e-38, -1e37])] * 2))
    got = be.to_host(be.elementwise("div", be.from_host(a), be.from_host(b)))
    with np.errstate(all="ignore"):
        assert np.allclose(got, a / b, rtol=1e-6, atol=1e-37)


def test_quotients_within_functions_of_very_large_and_small_numbers(be):
    softsign = be.elementwise("softsign", be.from_host(np.float32([3e38, -1e38])))
    assert np.array_equal(be.to_host(softsign), [1, -1])
    inverse = be.elementwise("pow", be.from_host(np.float32([1e-19, 4e-39**0.5])), -2.0)
    assert np.allclose(be.to_host(inverse), [1e38, 2.5e38], rtol=1e-6)


@pytest.mark.parametrize("exponent", [-3.0, -1.0, 0.0, 0.5, 2.0, 3.0, 7.0, 17.0, 2.5])
def test_powers_of_any_sign(be, exponent):
    x = np.array([-3.0, -1.5, -0.0, 0.0, 0.5, 2.0, 7.0], np.float32)
    with np.errstate(all="ignore"):
        wanted = np.power(x.astype(np.float64), exponent)
    got = be.to_host(be.elementwise("pow", be.from_host(x), exponent))
    assert np.allclose(got, wanted, rtol=2e-6, equal_nan=True)


def test_python_numbers_keep_the_dtype_of_the_array(be):
    for dtype in ("int32", "uint8"):
        got = be.to_host(be.elementwise("add", be.from_host(np.arange(9).astype(dtype)), 250))
        assert np.array_equal(got, (np.arange(9) + 250).astype(dtype))
    half = be.from_host(np.ones(3, np.float16))
    assert be.elementwise("mul", half, 2.5).dtype == np.float16
    assert be.elementwise("add", be.from_host(np.ones(3, np.int32)), 0.5).dtype == np.float32
    assert np.isinf(be.to_host(be.elementwise("mul", half, 1e300))).all()


def test_views_are_written_without_touching_their_neighbours(be):
    cases = [
        (ALL, slice(3, 5)), (slice(1, 3), slice(0, 8)), (slice(4, None, -2), slice(None, None, 3)),
        (ALL, ALL), (slice(2, 3), slice(4, 12)),
    ]  # fmt: skip
    for dtype in DTYPES:
        for index in cases:
            host, twin = numbers((5, 16), dtype), None
            resolved = [slice(*s.indices(n)) for s, n in zip(index, host.shape, strict=True)]
            twin = be.from_host(host)
            value = numbers(host[index].shape, "int32", 4)
            be.assign(be.slice(twin, resolved), be.from_host(value))
            host[index] = value.astype(dtype)
            assert np.array_equal(be.to_host(twin), host)


def test_a_value_may_overlap_its_target(be):
    host = numbers((40,), "float32")
    twin = be.from_host(host)
    be.assign(be.slice(twin, [slice(4, 40, 1)]), be.slice(twin, [slice(0, 36, 1)]))
    host[4:] = host[:36].copy()
    assert np.array_equal(be.to_host(twin), host)


def test_a_chain_is_one_kernel_of_the_same_expressions(be):
    steps = [
        family.Step("mul", (0, 1), "float32", "float32"),
        family.Step("gt", (2, 0), "float32", "bool"),
        family.Step("where", (3, 2, 1), "float32", "float32"),
    ]
    inputs = [family.Input("float32", Mode.VECTOR), family.Input("float32", Mode.PARAM)]
    source = family.build_source(inputs, steps, 1)
    from rumus._backends.gpu.kernels import kernel

    x = numbers((10,), "float32")
    a = be.from_host(x)
    out = GpuArray(be.full((10,), 0.0, a.dtype).storage, (10,), (1,), 0, a.dtype)
    kernel("elementwise").variant(prelude=source).dispatch([a, out], (10, 0, 3.0, 0), 1)
    y = x * np.float32(3)
    assert np.array_equal(be.to_host(out), np.where(y > x, y, np.float32(3)))


def test_the_table_has_an_expression_for_every_row():
    assert family.EXPRESSIONS.keys() == KINDS.keys()
