"""Functions that are a few operations put together, against numpy in float64."""

from itertools import combinations

import numpy as np
import pytest

import rumus.tensor as rt
from rumus import gpu
from rumus.autograd import leaf
from rumus.nn import functional
from rumus.tensor import (
    ArgumentError,
    DTypeError,
    IndexRangeError,
    ShapeError,
    float16,
    tensor,
)

RNG = np.random.default_rng(0)
A, B = RNG.normal(0, 2, (3, 4)), RNG.normal(0, 2, (3, 4))
C = RNG.integers(-2, 3, (3, 4)).astype(float)
V, W = RNG.normal(0, 2, 5), RNG.normal(0, 2, 4)
HOLES = np.where(A > 1, np.nan, A)
UNIT = RNG.uniform(0.05, 0.95, (3, 4))
CUBE, EDGES = RNG.normal(0, 2, (2, 3, 4)), np.sort(V)
HALF = np.array([True, False, True, True])


def scattered(x, part, source):
    result = x.copy()
    result[part] = source
    return result


def pairs(a, b, p):
    return (np.abs(a[:, None] - b[None]) ** p).sum(-1) ** (1 / p)


def strips(y):
    return np.cumsum((y[:, 1:] + y[:, :-1]) / 2, axis=1)


def chosen(v, r):
    return np.array(list(combinations(v, r)))


# name: (function here, the same in numpy, its arrays)
CASES = {
    "addcmul": (
        lambda x, a, b: rt.addcmul(x, a, b, value=0.5),
        lambda x, a, b: x + 0.5 * a * b,
        (A, B, C),
    ),
    "addcdiv": (
        lambda x, a, b: rt.addcdiv(x, a, b, value=2),
        lambda x, a, b: x + 2 * a / b,
        (A, B, UNIT),
    ),
    "deg2rad": (rt.deg2rad, np.deg2rad, (A,)),
    "rad2deg": (rt.rad2deg, np.rad2deg, (A,)),
    "fmax": (rt.fmax, np.fmax, (HOLES, B)),
    "fmin": (rt.fmin, np.fmin, (B, HOLES)),
    "frac": (rt.frac, lambda a: a - np.trunc(a), (A,)),
    "heaviside": (lambda x, v: rt.heaviside(x.detach(), v), np.heaviside, (C, B)),
    "ldexp": (rt.ldexp, lambda x, n: x * 2.0**n, (A, C)),
    "logaddexp2": (rt.logaddexp2, np.logaddexp2, (A, B)),
    "logit": (
        lambda x: rt.logit(x, 0.1),
        lambda x: np.log(np.clip(x, 0.1, 0.9) / (1 - np.clip(x, 0.1, 0.9))),
        (UNIT,),
    ),
    "sinc": (rt.sinc, np.sinc, (A,)),
    "xlogy": (rt.xlogy, lambda x, y: np.where(x == 0, 0, x * np.log(y)), (C, UNIT)),
    "nansum": (lambda x: rt.nansum(x, 1), lambda x: np.nansum(x, 1), (HOLES,)),
    "nanmean": (lambda x: rt.nanmean(x, dim=0), lambda x: np.nanmean(x, 0), (HOLES,)),
    "aminmax": (
        lambda x: rt.stack(rt.aminmax(x, 1)),
        lambda x: np.stack([x.min(1), x.max(1)]),
        (A,),
    ),
    "std_mean": (
        lambda x: rt.stack(rt.std_mean(x, 0)),
        lambda x: np.stack([x.std(0), x.mean(0)]),
        (A,),
    ),
    "diff": (lambda x: rt.diff(x, 2, dim=1), lambda x: np.diff(x, 2, 1), (A,)),
    "diff with ends": (
        lambda x, y: rt.diff(x, axis=0, prepend=y, append=y),
        lambda x, y: np.diff(x, axis=0, prepend=y, append=y),
        (A, B),
    ),
    "trapezoid": (
        lambda y, x: rt.trapezoid(y, x),
        lambda y, x: np.sum((y[:, 1:] + y[:, :-1]) * np.diff(x) / 2, 1),
        (A, W),
    ),
    "cumulative_trapezoid": (rt.cumulative_trapezoid, strips, (A,)),
    "cov": (rt.cov, np.cov, (A,)),
    "cov of one": (lambda x: rt.cov(x, correction=0), lambda x: np.cov(x, ddof=0), (V,)),
    "corrcoef": (rt.corrcoef, np.corrcoef, (A,)),
    "dist": (
        lambda a, b: rt.dist(a, b, 3),
        lambda a, b: (np.abs(a - b) ** 3).sum() ** (1 / 3),
        (A, B),
    ),
    "cdist": (rt.cdist, lambda a, b: pairs(a, b, 2), (A, B[:2])),
    "cdist of 1": (lambda a, b: rt.cdist(a, b, 1.0), lambda a, b: pairs(a, b, 1), (A, B[:2])),
    "renorm": (
        lambda x: rt.renorm(x, 2, 0, 2.0),
        lambda x: x * np.minimum(1, 2 / np.linalg.norm(x, axis=1, keepdims=True)),
        (A,),
    ),
    "dstack": (lambda a, b: rt.dstack([a, b]), lambda a, b: np.dstack([a, b]), (A, B)),
    "column_stack": (
        lambda a, b: rt.column_stack([a, b]),
        lambda a, b: np.column_stack([a, b]),
        (V, V),
    ),
    "block_diag": (
        lambda a, v: rt.block_diag(a, v),
        lambda a, v: np.block([[a, np.zeros((3, 5))], [np.zeros((1, 4)), v[None]]]),
        (A, V),
    ),
    "cartesian_prod": (
        rt.cartesian_prod,
        lambda v, w: np.stack([g.ravel() for g in np.meshgrid(v, w, indexing="ij")], 1),
        (V, W),
    ),
    "combinations": (lambda v: rt.combinations(v, 3), lambda v: chosen(v, 3), (V,)),
    "diag_embed": (
        lambda a: rt.diag_embed(a, 1),
        lambda a: np.stack([np.diag(row, 1) for row in a]),
        (A,),
    ),
    "diagflat": (lambda a: rt.diagflat(a, -1), lambda a: np.diagflat(a, -1), (A,)),
    "diagonal_scatter": (
        lambda a, d: rt.diagonal_scatter(a, d, -1),
        lambda a, d: scattered(a, (np.arange(1, 3), np.arange(2)), d),
        (A, V[:2]),
    ),
    "select_scatter": (
        lambda a, w: rt.select_scatter(a, w, 0, -1),
        lambda a, w: scattered(a, -1, w),
        (A, W),
    ),
    "slice_scatter": (
        lambda a, b: rt.slice_scatter(a, b, 1, 0, None, 2),
        lambda a, b: scattered(a, np.s_[:, ::2], b),
        (A, B[:, :2]),
    ),
    "masked_scatter": (
        lambda a, v: rt.masked_scatter(a, tensor(HALF, device=a.device), v),
        lambda a, v: scattered(a, np.broadcast_to(HALF, a.shape), v[:9]),
        (A, B.ravel()),
    ),
    "msort": (rt.msort, lambda a: np.sort(a, 0), (A,)),
    "vander": (lambda v: rt.vander(v, 4), lambda v: np.vander(v, 4), (V,)),
    "cross": (lambda a, b: rt.cross(a, b, dim=0), lambda a, b: np.cross(a, b, axis=0), (A, B)),
    "tensor_split": (
        lambda a: rt.tensor_split(a, 3, 1)[0],
        lambda a: np.array_split(a, 3, 1)[0],
        (A,),
    ),
    "hsplit": (lambda a: rt.hsplit(a, [1])[1], lambda a: np.hsplit(a, [1])[1], (A,)),
    "vsplit": (lambda a: rt.vsplit(a, 3)[2], lambda a: np.vsplit(a, 3)[2], (A,)),
    "dsplit": (lambda a: rt.dsplit(a, 2)[1], lambda a: np.dsplit(a, 2)[1], (CUBE,)),
    "addbmm": (
        lambda c, a, b: rt.addbmm(c, a, b, alpha=2),
        lambda c, a, b: c + 2 * (a @ b).sum(0),
        (A[:, :3], CUBE, CUBE.transpose(0, 2, 1)),
    ),
    "addmv": (lambda c, a, x: rt.addmv(c, a, x, beta=0), lambda c, a, x: a @ x, (A[:, 0], A, W)),
    "addr": (rt.addr, lambda c, x, y: c + np.outer(x, y), (A, A[:, 0], W)),
    "pdist": (
        lambda a: functional.pdist(a, 3.0),
        lambda a: pairs(a, a, 3)[np.triu_indices(3, 1)],
        (A,),
    ),
    "channel_shuffle": (
        lambda x: functional.channel_shuffle(x.reshape(2, 6, 2), 2),
        lambda x: x.reshape(2, 2, 3, 2).swapaxes(1, 2).reshape(2, 6, 2),
        (CUBE,),
    ),
    "fliplr": (rt.fliplr, np.fliplr, (A,)),
    "flipud": (rt.flipud, np.flipud, (A,)),
    "atleast_3d": (rt.atleast_3d, np.atleast_3d, (A,)),
}
WITHOUT_GRADIENT = {
    "isin": (
        lambda x: rt.isin(x, tensor([1.0, -2.0, np.nan], device=x.device)),
        lambda x: np.isin(x, [1, -2]),
        (C,),
    ),
    "isin, not": (lambda x: rt.isin(x, 1.0, invert=True), lambda x: ~np.isin(x, [1]), (C,)),
    "isneginf": (lambda x: rt.isneginf(x / 0.0), lambda x: x < 0, (C,)),
    "isposinf": (lambda x: rt.isposinf(x / 0.0), lambda x: x > 0, (C,)),
    "argwhere": (rt.argwhere, np.argwhere, (C,)),
    "unravel_index": (
        lambda x: rt.stack(rt.unravel_index(x.abs().to("int32"), (2, 3))),
        lambda x: np.stack(np.unravel_index(np.abs(x).astype(int), (2, 3))),
        (C,),
    ),
    "unique_consecutive": (
        rt.unique_consecutive,
        lambda x: x.ravel()[np.r_[True, np.diff(x.ravel()) != 0]],
        (C,),
    ),
    "counts of runs": (
        lambda x: rt.unique_consecutive(x > 0, return_counts=True)[1],
        lambda x: np.diff(np.flatnonzero(np.r_[True, np.diff((x > 0).ravel()), True])),
        (C,),
    ),
}


@pytest.mark.parametrize("name", [*CASES, *WITHOUT_GRADIENT])
def test_values_are_numpys(name, device):
    ours, theirs, arrays = (CASES | WITHOUT_GRADIENT)[name]
    with np.errstate(all="ignore"):
        narrow = [a.astype(np.float32) for a in arrays]
        wanted = theirs(*(a.astype(np.float64) for a in narrow))
        got = ours(*(tensor(a, device=device) for a in narrow)).numpy()
    assert got.shape == wanted.shape
    np.testing.assert_allclose(got, wanted, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("name", CASES)
def test_gradients_are_differences(name):
    ours, theirs, arrays = CASES[name]
    leaves = [leaf(tensor(np.nan_to_num(a, nan=9.0).astype(np.float32))) for a in arrays]
    y = ours(*leaves)
    weights = RNG.normal(size=y.shape)
    store = (y * tensor(weights.astype(np.float32))).sum().backward()
    wide = [x.numpy().astype(np.float64) for x in leaves]
    for k, x in enumerate(leaves):
        found = store.get(x.id)
        if name in ("heaviside", "ldexp") and k == (1 if name == "ldexp" else 0):
            continue  # at the steps of whole numbers
        way = RNG.normal(size=wide[k].shape) * 1e-6
        ends = [
            (theirs(*(w + s * way if j == k else w for j, w in enumerate(wide))) * weights).sum()
            for s in (1, -1)
        ]
        slope = (ends[0] - ends[1]) / 2e-6
        mine = 0.0 if found is None else float((found.numpy() * way * 1e6).sum())
        assert mine == pytest.approx(slope, rel=1e-3, abs=1e-4)


def test_edges_are_those_of_numpy(device):
    def on(a, **options):
        return tensor(np.array(a), device=device, **options)

    powers = rt.vander(on([np.nan, np.inf]), 3).numpy()
    np.testing.assert_array_equal(powers, np.vander([np.nan, np.inf], 3))
    far = rt.ldexp(on([1e-30, 1e30]), on([140, -140]))
    np.testing.assert_allclose(far.numpy(), np.ldexp([1e-30, 1e30], [140, -140]), rtol=1e-6)
    assert rt.ldexp(on([1.5], dtype=float16), on([3])).dtype == float16
    assert rt.ldexp(3.0, on([1, 2])).tolist() == [6.0, 12.0]
    with pytest.raises(DTypeError, match="ldexp takes at least one tensor"):
        rt.ldexp(3.0, 2)
    assert rt.nanmean(on([1, 2])).item() == 1.5
    odds = rt.logit(on([0, 1, 3], dtype="uint8")).numpy()
    np.testing.assert_array_equal(odds, [-np.inf, np.inf, np.nan])
    zero = rt.xlogy(on([0.0, 0.0, 0.0]), on([0.0, np.inf, np.nan])).numpy()
    np.testing.assert_array_equal(zero, [0, 0, np.nan])


def test_nothing_has_the_shapes_of_numpy(device):
    empty = rt.zeros(3, 0, device=device)
    assert np.isnan(rt.cov(empty).numpy()).all() and rt.cov(empty).shape == (3, 3)
    assert rt.diag_embed(empty, 1).tolist() == [[[0.0]]] * 3
    assert rt.combinations(rt.ones(2, device=device), 0).shape == (1, 0)


def test_a_source_that_is_too_short_is_not_stretched(device):
    mask = tensor([True, True, True], device=device)
    with pytest.raises(IndexRangeError, match="index 2 is out of range"):
        rt.masked_scatter(rt.zeros(3, device=device), mask, rt.ones(2, device=device)).numpy()


def test_indices_of_triangles_and_shapes(device):
    assert (
        rt.tril_indices(3, 4, 1, device=device).tolist()
        == np.stack(np.tril_indices(3, 1, 4)).tolist()
    )
    assert (
        rt.triu_indices(3, 4, -1, device=device).tolist()
        == np.stack(np.triu_indices(3, -1, 4)).tolist()
    )
    assert rt.broadcast_shapes((3, 1), 4, (1,)) == (3, 4)
    assert rt.atleast_1d(tensor(2.0)).shape == (1,) and rt.atleast_2d(tensor([2.0])).shape == (1, 1)


def test_neighbours_are_numpys_bit_for_bit(device):
    special = [0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, 3.4028235e38, 1e-45, -1e-45, 2.0]
    a, b = (g.ravel().astype(np.float32) for g in np.meshgrid(special, special))
    got = rt.nextafter(tensor(a, device=device), tensor(b, device=device)).numpy()
    with np.errstate(all="ignore"):
        wanted = np.nextafter(a, b)
    number = ~np.isnan(wanted)
    assert (np.isnan(got) == ~number).all()
    assert got[number].tobytes() == wanted[number].tobytes()
    with pytest.raises(DTypeError, match="float16"):
        tensor(a).to(float16).nextafter(1.0)


@pytest.mark.parametrize("include_self", [True, False])
def test_products_of_what_goes_to_a_position_and_their_gradients(include_self, device):
    x = RNG.normal(0, 1, 5).astype(np.float32)
    values = RNG.normal(0, 1, 40).astype(np.float32)
    values[[3, 7, 8]] = 0  # one position has one zero, another has two
    places = RNG.integers(0, 4, 40).astype(np.int32)
    places[[3, 7, 8]] = 0, 1, 1

    def product(x, values):
        result = np.where(np.isin(range(5), places) & (not include_self), 1.0, x)
        np.multiply.at(result, places, values)
        return result

    leaves = [leaf(tensor(a, device=device)) for a in (x, values)]
    index = tensor(places, device=device)
    y = rt.scatter_reduce(leaves[0], 0, index, leaves[1], "prod", include_self=include_self)
    np.testing.assert_allclose(y.numpy(), product(x, values.astype(float)), rtol=1e-5)
    store = y.sum().backward()
    wide = [a.astype(np.float64) for a in (x, values)]
    for k, one in enumerate(leaves):
        slopes = np.zeros_like(wide[k])
        for place in range(slopes.size):
            step = np.zeros_like(slopes)
            step[place] = 1.0  # of one factor, products are linear
            ends = [[w + s * step if j == k else w for j, w in enumerate(wide)] for s in (1, 0)]
            slopes[place] = (product(*ends[0]) - product(*ends[1])).sum()
        np.testing.assert_allclose(store.get(one.id).numpy(), slopes, rtol=1e-4, atol=1e-5)


WRONG = {
    "differences of nothing": (lambda: rt.diff(tensor(1.0)), ArgumentError, "n is from 0 on"),
    "rows of other lengths": (
        lambda: rt.cdist(rt.zeros(2, 3), rt.zeros(2, 4)),
        ShapeError,
        "cdist",
    ),
    "covariances of cubes": (lambda: rt.cov(rt.zeros(2, 3, 4)), ShapeError, "two axes"),
    "a slice of another shape": (
        lambda: rt.slice_scatter(rt.zeros(3), rt.zeros(2)),
        ShapeError,
        r"the slice has shape \(3,\)",
    ),
    "another diagonal": (
        lambda: rt.diagonal_scatter(rt.zeros(3, 3), rt.zeros(2)),
        ShapeError,
        r"shape \(3,\)",
    ),
    "vectors of two": (lambda: rt.cross(rt.zeros(2), rt.zeros(2)), ShapeError, "length 3"),
    "no parts": (lambda: rt.tensor_split(rt.zeros(3), 0), ArgumentError, "at least 1 part"),
    "choices of fewer than none": (
        lambda: rt.combinations(rt.zeros(3), -1),
        ArgumentError,
        "from 0 on",
    ),
    "two numbers": (lambda: rt.xlogy(1.0, 2.0), DTypeError, "at least one tensor"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_does_not_fit_is_said(case):
    wrong, error, words = WRONG[case]
    with pytest.raises(error, match=words):
        wrong()


@pytest.mark.gpu
def test_runs_cannot_be_captured():
    with pytest.raises(gpu.CaptureError, match="nonzero"):
        gpu.capture(rt.unique_consecutive)(tensor([1, 1], device="gpu"))


@pytest.mark.gpu
@pytest.mark.parametrize(
    "function",
    [
        lambda x: rt.combinations(x[0], 2),
        lambda x: rt.select_scatter(x, x[0] * 2.0, 0, 1),
        lambda x: rt.diag_embed(x, 1),
        lambda x: rt.take(x, rt.tril_indices(2, 2, device=x.device)),
        lambda x: functional.pdist(x),
    ],
)
def test_positions_that_depend_on_shapes_alone_are_captured(function):
    captured = gpu.capture(function)
    for _ in range(3):
        x = RNG.normal(size=(3, 4)).astype(np.float32)
        got = captured(tensor(x, device="gpu")).numpy()
        np.testing.assert_allclose(got, function(tensor(x)).numpy(), rtol=1e-5, atol=1e-6)
