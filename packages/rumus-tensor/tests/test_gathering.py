"""Elements by position, as functions and methods: values and gradients against numpy in float64."""

import numpy as np
import pytest

import rumus.tensor as rt
from rumus import gpu
from rumus.nn import Parameter
from rumus.tensor import (
    ArgumentError,
    AutogradError,
    DTypeError,
    IndexRangeError,
    ShapeError,
    float16,
    no_grad,
    tensor,
    zeros,
)

LINES = np.array([[1, 0, 3], [2, -1, 0]])
MASK = np.array([[True, False, True, False], [False, False, True, True]])


def scattered(a, axis, index, src, add):
    """What a loop over the index does."""
    result = a.copy()
    for place in np.ndindex(index.shape):
        to = (*place[:axis], index[place], *place[axis + 1 :])
        result[to] = (result[to] if add else 0) + src[place]
    return result


def placed(a, axis, index, src, add=False):
    """The same of whole parts along an axis."""
    result = np.moveaxis(a.copy(), axis, 0)
    for k, part in zip(index, np.moveaxis(src, axis, 0), strict=True):
        result[k] = (result[k] if add else 0) + part
    return np.moveaxis(result, 0, axis)


# name: shapes of the float arguments, ours, numpy's; all are linear in their arguments
CASES = {
    "take": ([(3, 4)], lambda x: rt.take(x, [[2, 0], [-1, 2]], 0), lambda a: a[[[2, 0], [-1, 2]]]),
    "take flat": ([(3, 4)], lambda x: x.take([11, 0, 0, -2]), lambda a: a.take([11, 0, 0, -2])),
    "take nothing": ([(3, 4)], lambda x: x.take([], dim=1), lambda a: a[:, :0]),
    "take along": (
        [(2, 4)],
        lambda x: x.take_along_axis(LINES, axis=1),
        lambda a: np.take_along_axis(a, LINES, 1),
    ),
    "take along, broadcast": (
        [(2, 4)],
        lambda x: x.take_along_axis(LINES[:1], dim=-1),
        lambda a: np.take_along_axis(a, LINES[:1], 1),
    ),
    "take along the first": (
        [(4, 1, 3)],
        lambda x: rt.take_along_axis(x, LINES[:, None] % 4, axis=0),
        lambda a: np.take_along_axis(a, LINES[:, None] % 4, 0),
    ),
    "gather": (
        [(2, 4)],
        lambda x: x.gather(1, LINES),
        lambda a: np.take_along_axis(a, LINES, 1),
    ),
    "gather of fewer": (
        [(4, 4)],
        lambda x: x.gather(dim=0, index=LINES),
        lambda a: np.take_along_axis(a[:, :3], LINES, 0),
    ),
    "index_select": (
        [(2, 4, 3)],
        lambda x: x.index_select(1, np.array([3, 3, 0])),
        lambda a: a[:, [3, 3, 0]],
    ),
    "scatter": (
        [(2, 4), (2, 3)],
        lambda x, s: x.scatter(1, LINES, s),
        lambda a, s: scattered(a, 1, LINES, s, False),
    ),
    "scatter of repeated positions": (
        [(2, 4), (2, 3)],
        lambda x, s: x.scatter(1, LINES * 0, s),
        lambda a, s: scattered(a, 1, LINES * 0, s, False),
    ),
    "scatter from more into more": (
        [(4, 5), (3, 4)],
        lambda x, s: x.scatter(0, LINES, s),
        lambda a, s: scattered(a, 0, LINES, s, False),
    ),
    "scatter a number": (
        [(2, 4)],
        lambda x: x.scatter(1, LINES, 0),
        lambda a: scattered(a, 1, LINES, LINES * 0, False),
    ),
    "scatter_add": (
        [(2, 4), (2, 3)],
        lambda x, s: x.scatter_add(1, LINES, s),
        lambda a, s: scattered(a, 1, LINES, s, True),
    ),
    "scatter_add from more into more": (
        [(4, 5), (3, 4)],
        lambda x, s: rt.scatter_add(x, 0, LINES, s),
        lambda a, s: scattered(a, 0, LINES, s, True),
    ),
    "put_along_axis": (
        [(2, 4), (1, 3)],
        lambda x, s: x.put_along_axis(LINES, s, dim=1),
        lambda a, s: scattered(a, 1, LINES, np.broadcast_to(s, (2, 3)), False),
    ),
    "index_add": (
        [(2, 4, 2), (2, 3, 2)],
        lambda x, s: x.index_add(1, [2, 0, 2], s, alpha=-2.0),
        lambda a, s: placed(a, 1, [2, 0, 2], -2 * s, add=True),
    ),
    "index_copy": (
        [(4, 2), (3, 2)],
        lambda x, s: x.index_copy(0, [2, 0, 2], s),
        lambda a, s: placed(a, 0, [2, 0, 2], s),
    ),
    "index_fill": (
        [(4, 2)],
        lambda x: x.index_fill(0, [3, 1], 0),
        lambda a: a * np.array([1, 0, 1, 0])[:, None],
    ),
    "index_put": (
        [(3, 4), (2, 1)],
        lambda x, s: x.index_put(([0, -1], [[1], [3]]), s),
        lambda a, s: placed(a.ravel(), 0, [1, 9, 3, 11], np.repeat(s.ravel(), 2)).reshape(3, 4),
    ),
    "index_put that adds": (
        [(3, 4), (4,)],
        lambda x, s: x.index_put(([0, 0, 2],), s, accumulate=True),
        lambda a, s: a + np.array([2, 0, 1])[:, None] * s,
    ),
    "index_put by a mask": (
        [(2, 4), (4,)],
        lambda x, s: x.index_put((MASK,), s),
        lambda a, s: placed(a.ravel(), 0, np.flatnonzero(MASK), s).reshape(2, 4),
    ),
    "masked_fill": (
        [(3, 2, 4)],
        lambda x: x.masked_fill(MASK, 0),
        lambda a: np.where(MASK, 0, a),
    ),
    "masked_fill by a tensor": (
        [(2, 4), ()],
        lambda x, s: x.masked_fill(MASK, s),
        lambda a, s: np.where(MASK, s, a),
    ),
    "masked_select": ([(2, 4)], lambda x: x.masked_select(MASK), lambda a: a[MASK]),
    "masked_select, broadcast": (
        [(4,)],
        lambda x: rt.masked_select(x, MASK),
        lambda a: np.broadcast_to(a, (2, 4))[MASK],
    ),
}


def numbers(shapes):
    rng = np.random.default_rng(1)
    return [rng.standard_normal(shape).astype(np.float32) for shape in shapes]


@pytest.mark.parametrize("case", CASES)
def test_values_and_gradients_are_those_of_the_linear_map(case, device):
    shapes, ours, theirs = CASES[case]
    arrays = numbers(shapes)
    params = [Parameter(tensor(a.T.copy(), device=device)) for a in arrays]
    result = ours(*(p.T for p in params))
    expected = theirs(*(a.astype(np.float64) for a in arrays))
    assert result.shape == expected.shape
    np.testing.assert_allclose(result.numpy(), expected, rtol=1e-6, atol=1e-6)
    weights = np.cos(1 + np.arange(expected.size)).reshape(expected.shape).astype(np.float32)
    grads = (result * tensor(weights, device=device)).sum().backward()
    origin = theirs(*(np.zeros(a.shape) for a in arrays))
    for i, (p, a) in enumerate(zip(params, arrays, strict=True)):
        slope = np.zeros(a.size)
        for k in range(a.size):
            units = [np.zeros(b.shape) for b in arrays]
            units[i].reshape(-1)[k] = 1
            slope[k] = ((theirs(*units) - origin) * weights).sum()
        got = grads.get(p.id).numpy().T
        np.testing.assert_allclose(got, slope.reshape(a.shape), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("case", CASES)
def test_float16_and_integers_keep_their_dtype(case, device):
    shapes, ours, theirs = CASES[case]
    for dtype in (np.float16, np.int32, np.uint8):
        arrays = [np.arange(np.prod(s)).reshape(s).astype(dtype) for s in shapes]
        alpha = -2 if case == "index_add" else 1
        if alpha != 1 and dtype == np.uint8:
            continue
        result = ours(*(tensor(a, device=device) for a in arrays))
        assert result.dtype == dtype
        expected = theirs(*(a.astype(np.float64) for a in arrays))
        np.testing.assert_array_equal(result.numpy(), expected)


# What follows the tensor, and the shape of the source
IN_PLACE = {
    "scatter": (lambda s: (1, LINES, s), (2, 3)),
    "scatter_add": (lambda s: (1, LINES, s), (2, 3)),
    "index_add": (lambda s: (1, [2, 0], s), (2, 2)),
    "index_copy": (lambda s: (1, [2, 0], s), (2, 2)),
    "index_fill": (lambda s: (1, [2, 0], 3.0), ()),
    "index_put": (lambda s: (([0, 1], [2, 0]), s), (2,)),
    "masked_fill": (lambda s: (MASK, s), ()),
}


@pytest.mark.parametrize("case", IN_PLACE)
def test_in_place_forms_change_the_tensor_by_the_rules_of_every_change(case, device):
    arguments, shape = IN_PLACE[case]
    a, s = numbers([(2, 4), shape])
    t, given = tensor(a.T.copy(), device=device).T, arguments(tensor(s, device=device))
    wanted = getattr(t, case)(*given).numpy()
    assert getattr(t, f"{case}_")(*given) is t
    np.testing.assert_array_equal(t.numpy(), wanted)
    p = Parameter(tensor(a, device=device))
    with pytest.raises(AutogradError, match=f"{case}_"):
        getattr(p, f"{case}_")(*given)
    with no_grad():
        getattr(p, f"{case}_")(*given)
    np.testing.assert_array_equal(p.numpy(), wanted)


def test_float16_is_added_up_in_float32_and_rounded_once(device):
    ones = rt.ones(4096, dtype=float16, device=device)
    total = zeros(2, dtype=float16, device=device).scatter_add(0, np.zeros(4096, int), ones)
    assert total.tolist() == [4096.0, 0.0]
    p = Parameter(zeros(2, dtype=float16, device=device))
    grad = p[np.zeros(4096, int)].sum().backward().get(p.id)
    assert grad.tolist() == [4096.0, 0.0]


def test_sums_have_the_same_bits_in_every_run(device):
    rng = np.random.default_rng(2)
    values = tensor(rng.standard_normal((30_000, 5)).astype(np.float32), device=device)
    index = tensor(rng.integers(0, 7, 30_000), device=device)
    runs = [zeros((7, 5), device=device).index_add(0, index, values).numpy() for _ in range(3)]
    exact = np.zeros((7, 5))
    np.add.at(exact, index.numpy(), values.numpy().astype(np.float64))
    np.testing.assert_allclose(runs[0], exact, atol=2e-4)
    for run in runs[1:]:
        np.testing.assert_array_equal(run, runs[0])


REDUCTIONS = {"sum": np.sum, "mean": np.mean, "amax": np.max, "amin": np.min}


@pytest.mark.parametrize("include_self", [True, False])
@pytest.mark.parametrize("reduce", REDUCTIONS)
def test_scatter_reduce_reduces_what_goes_to_each_element(reduce, include_self, device):
    a, s = numbers([(4, 5), (3, 4)])
    a[1, 0] = s[0, 0]  # a tie of an element and its values
    s[1, 1] = s[0, 1]
    index = np.array([[1, 2, 0], [3, 2, -1]])
    p, q = (Parameter(tensor(v, device=device)) for v in (a, s))
    y = p.scatter_reduce(0, index, q, reduce, include_self=include_self)
    g = np.cos(np.arange(20.0)).reshape(4, 5)
    grads = y.backward(tensor(g, device=device))
    into_a, into_s, expected = g.copy(), np.zeros(s.shape), a.astype(np.float64)
    for place in {(k % 4, j) for row in index for j, k in enumerate(row)}:
        sources = [(i, place[1]) for i in range(2) if index[i, place[1]] % 4 == place[0]]
        values = np.array([s[at] for at in sources] + [a[place]] * include_self, np.float64)
        expected[place] = REDUCTIONS[reduce](values)
        shares = {"sum": values * 0 + 1, "mean": values * 0 + 1 / len(values)}.get(reduce)
        if shares is None:
            shares = (values == expected[place]) / (values == expected[place]).sum()
        for at, share in zip(sources, shares, strict=False):
            into_s[at] += share * g[place]
        into_a[place] = shares[-1] * g[place] if include_self else 0
    np.testing.assert_allclose(y.numpy(), expected, rtol=1e-6)
    np.testing.assert_allclose(grads.get(p.id).numpy(), into_a, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(grads.get(q.id).numpy(), into_s, rtol=1e-6, atol=1e-7)


def test_scatter_reduce_of_integers_and_what_it_refuses(device):
    t = tensor([1, 5], device=device)
    assert t.scatter_reduce(0, [0, 1, 0], tensor([3, 2, 9], device=device), "amax").tolist() == [
        9,
        5,
    ]
    assert t.scatter_reduce(0, [0], 4, "sum").tolist() == [5, 5]
    with pytest.raises(DTypeError, match="mean is of floats"):
        t.scatter_reduce(0, [0], 4, "mean")
    assert t.scatter_reduce(0, [0], 4, "prod").tolist() == [4, 5]
    with pytest.raises(ArgumentError, match="not 'median'"):
        t.scatter_reduce(0, [0], 4, "median")


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int32])
@pytest.mark.parametrize(
    ("lines", "count", "length"), [(300, 1, 9), (70, 33, 5), (3, 1000, 4000), (2, 3000, 7)]
)
def test_sums_along_lines_of_any_length(lines, count, length, dtype, device):
    rng = np.random.default_rng(3)
    index = np.minimum(rng.integers(-length, length, (lines, count)), 1)
    source = rng.integers(-8, 8, (lines, count)).astype(dtype)
    expected = np.zeros((lines, length))
    np.add.at(expected, (np.arange(lines)[:, None], index), source.astype(np.float64))
    target = zeros((lines, length), dtype=dtype, device=device)
    sums = target.scatter_add(1, index, tensor(source, device=device))
    np.testing.assert_array_equal(sums.numpy(), expected)
    with pytest.raises(IndexRangeError, match=f"scatter_add: index {length} "):
        target.scatter_add(1, np.maximum(index, length), 1).numpy()


def test_nan_stays_with_its_position(device):
    source = tensor([np.nan, 1.0, np.inf], device=device)
    sums = zeros(4, device=device).index_add(0, [0, 1, 3], source)
    np.testing.assert_array_equal(sums.numpy(), [np.nan, 1.0, 0.0, np.inf])


def test_where_of_a_condition_alone_gives_positions(device):
    found = rt.where(tensor(MASK, device=device))
    for got, wanted in zip(found, np.where(MASK), strict=True):
        np.testing.assert_array_equal(got.numpy(), wanted)
    with pytest.raises(ArgumentError, match="or neither"):
        rt.where(tensor(MASK, device=device), 1.0)


@pytest.mark.gpu
def test_captured_steps_gather_and_scatter():
    def step(x, index, source):
        return x.gather(1, index), x.scatter_add(1, index, source), x.scatter(1, index, source)

    a, s = numbers([(2, 4), (2, 3)])
    arguments = [tensor(v, device="gpu") for v in (a, LINES, s)]
    captured = gpu.capture(step)
    for _ in range(3):
        results = captured(*arguments)
    for got, wanted in zip(results, step(*arguments), strict=True):
        np.testing.assert_array_equal(got.numpy(), wanted.numpy())
    assert captured.dispatches


X = (2, 4)
MISTAKES = {
    "take too far": (lambda x: x.take([8]), IndexRangeError, "take: index 8 .* length 8"),
    "gather too far": (lambda x: x.gather(1, LINES + 1), IndexRangeError, "gather: index 4"),
    "scatter too far": (lambda x: x.scatter(1, LINES - 5, 1.0), IndexRangeError, "scatter: index"),
    "index_add too far": (
        lambda x: x.index_add(0, [2], zeros((1, 4), device=x.device)),
        IndexRangeError,
        "index_add: index 2 is out of range for an axis of length 2",
    ),
    "positions that are floats": (lambda x: x.take([0.5]), DTypeError, "not float32"),
    "positions that are a mask": (lambda x: x.gather(1, MASK), DTypeError, "not bool"),
    "an index that is longer": (
        lambda x: x.gather(1, np.zeros((3, 4), int)),
        ShapeError,
        r"\(3, 4\) must have the axes of the tensor, \(2, 4\)",
    ),
    "an index with an axis less": (lambda x: x.gather(0, [0]), ShapeError, "must have the axes"),
    "an index of two axes": (lambda x: x.index_select(0, LINES), ShapeError, "of one axis"),
    "a source of another shape": (
        lambda x: x.index_add(0, [0], zeros((1, 3), device=x.device)),
        ShapeError,
        r"source of shape \(1, 4\)",
    ),
    "lines that do not broadcast": (
        lambda x: x.take_along_axis(np.zeros((3, 4), int)),
        ShapeError,
        "do not broadcast",
    ),
    "a mask that is no mask": (lambda x: x.masked_fill(LINES, 0), DTypeError, "mask of bool"),
    "a mask of another shape": (
        lambda x: x.masked_fill(np.ones(3, bool), 0),
        ShapeError,
        "do not broadcast",
    ),
    "a fraction for integers": (
        lambda x: rt.zeros(4, dtype="int32", device=x.device).masked_fill(np.ones(4, bool), 0.5),
        ArgumentError,
        "0.5 does not fit int32",
    ),
    "no such axis": (lambda x: x.gather(2, LINES), IndexRangeError, "axis 2"),
    "slices among arrays": (
        lambda x: x.index_put(([0], slice(None)), 1.0),
        ArgumentError,
        "integer arrays and masks",
    ),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_what_does_not_fit_is_refused(case, device):
    wrong, error, words = MISTAKES[case]
    with pytest.raises(error, match=words):
        wrong(zeros(X, device=device)).numpy()
