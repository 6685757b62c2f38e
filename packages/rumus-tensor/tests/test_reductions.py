"""Reductions, softmax and matrix products against numpy in float64."""

import math

import numpy as np
import pytest

from rumus._backends.registry import backend_of
from rumus.nn import Parameter
from rumus.tensor import (
    ArgumentError,
    DTypeError,
    ShapeError,
    float16,
    float32,
    int32,
    quantile,
    tensor,
    uint8,
    zeros,
)

inf, nan = math.inf, math.nan

KINDS = {"any": np.bool_, "all": np.bool_, "argmax": np.int32}
AXES = [None, 0, 1, 2, -1, (0, 2), (0, 1), (1, 2), (), (0, 1, 2)]


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", AXES, ids=str)
@pytest.mark.parametrize(
    "op", ["sum", "mean", "max", "min", "var", "std", "prod", "any", "all", "argmax"]
)
def test_reduction_equals_numpys(op, axis, keepdims, device):
    a = normal(3, 4, 5)
    if op == "argmax" and isinstance(axis, tuple):
        axis = axis[0] if axis else None
    actual = getattr(tensor(a, device=device), op)(axis, keepdims).numpy()
    wanted = getattr(a.astype(np.float64), op)(axis=axis, keepdims=keepdims)
    assert actual.dtype == KINDS.get(op, np.float32) and actual.shape == wanted.shape
    np.testing.assert_allclose(actual, wanted, rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize("shape", [(1000, 3), (3, 1000), (1, 70_000), (70_000, 1), (257, 129)])
@pytest.mark.parametrize("axis", [None, 0, 1])
def test_long_and_thin_reductions_are_accurate(shape, axis, device):
    a = normal(*shape)
    t = tensor(a, device=device)
    np.testing.assert_allclose(t.sum(axis).numpy(), a.sum(axis, np.float64), rtol=1e-5, atol=2e-3)
    np.testing.assert_array_equal(t.max(axis).numpy(), a.max(axis))


@pytest.mark.parametrize("shape", [(100_003, 3), (3, 70_001, 2), (513, 5)])
def test_long_sums_keep_their_digits(shape, device):
    a = np.random.default_rng(0).random(shape, np.float32)
    axis = len(shape) - 2
    t = tensor(a, device=device)
    np.testing.assert_allclose(t.sum(axis).numpy(), a.sum(axis, np.float64), rtol=2e-6)
    np.testing.assert_allclose(t.mean(axis).numpy(), a.mean(axis, np.float64), rtol=2e-6)


def test_a_reduction_may_have_more_elements_than_one_dimension_of_workgroups(device):
    n = 65_535 * 64 + 129
    a = (np.arange(n, dtype=np.int32) % 7).astype(np.float32)
    t = tensor(a, device=device)
    np.testing.assert_allclose(t.sum().item(), a.sum(dtype=np.float64), rtol=1e-6)
    assert t.argmax().item() == 6
    assert t.reshape(n, 1).sum(1).shape == (n,)


def test_reductions_take_views(device):
    a = normal(4, 5, 6)
    t = tensor(a, device=device)
    np.testing.assert_allclose(t.T.sum(0).numpy(), a.T.sum(0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(t[1:, ::-2].max((0, 2)).numpy(), a[1:, ::-2].max((0, 2)))
    np.testing.assert_allclose(t[0, 0].expand(3, 6).sum().item(), a[0, 0].sum() * 3, rtol=1e-5)


@pytest.mark.parametrize("dtype", ["int32", "uint8", "bool"])
def test_integers_and_bools_add_up_to_int32(dtype, device):
    a = (np.arange(600).reshape(2, 300) % 200).astype(dtype)
    t = tensor(a, device=device).sum(1)
    assert t.dtype == int32
    np.testing.assert_array_equal(t.numpy(), a.sum(1, dtype=np.int32))
    np.testing.assert_array_equal(tensor(a, device=device).max(0).numpy(), a.max(0))


def test_float16_is_summed_in_float32(device):
    t = tensor(np.ones(5000), float16, device)
    assert (t.sum().item(), t.sum().dtype, t.mean().item()) == (5000, float16, 1)


def test_nan_wins_in_extremes(device):
    t = tensor([[1.0, np.nan, 3.0], [1.0, 2.0, 3.0]], device=device)
    np.testing.assert_array_equal(t.max(1).numpy(), [np.nan, 3])
    np.testing.assert_array_equal(t.min(1).numpy(), [np.nan, 1])
    np.testing.assert_array_equal(t.argmax(1).numpy(), [1, 2])


def test_reductions_of_nothing(device):
    t = zeros((0, 3), device=device)
    np.testing.assert_array_equal(t.sum(0).numpy(), [0, 0, 0])
    assert t.sum().item() == 0 and np.isnan(t.mean().item())
    assert t.sum(1).shape == (0,) and t.max(1).shape == (0,)
    with pytest.raises(ArgumentError, match="no elements"):
        t.max(0)
    with pytest.raises(ArgumentError, match="no elements"):
        t.argmin()


@pytest.mark.parametrize("axis", [None, 0, 1, -1])
@pytest.mark.parametrize("dtype", ["float32", "int32", "uint8", "float16"])
def test_the_first_of_equal_extremes_is_found(axis, dtype, device):
    a = np.random.default_rng(0).integers(0, 5, (37, 9)).astype(dtype)
    t = tensor(a, device=device)
    np.testing.assert_array_equal(t.argmax(axis).numpy(), a.argmax(axis))
    np.testing.assert_array_equal(
        t.argmin(axis, keepdims=True).numpy().ravel(), a.argmin(axis).ravel()
    )
    assert t.argmax(axis).dtype == int32


def test_all_and_any(device):
    t = tensor([[True, False], [True, True]], device=device)
    assert t.all(1).tolist() == [False, True] and bool(t.any()) and not bool(t.all())


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (2, 1000), (300, 7), (0, 4), (70_000, 2)])
def test_softmax_equals_its_formula(shape, device):
    a = normal(*shape) * 10
    wide = a.astype(np.float64)
    e = np.exp(wide - wide.max(1, keepdims=True)) if a.size else wide
    total = e.sum(1, keepdims=True)
    t = tensor(a, device=device)
    np.testing.assert_allclose(t.softmax().numpy(), e / total, rtol=1e-5, atol=1e-7)
    wanted = wide - wide.max(1, keepdims=True) - np.log(total) if a.size else wide
    np.testing.assert_allclose(t.log_softmax().numpy(), wanted, rtol=1e-5, atol=1e-5)


def test_softmax_does_not_overflow(device):
    t = tensor([[1000.0, 0.0], [-1000.0, -1000.0]], device=device)
    np.testing.assert_array_equal(t.softmax().numpy(), [[1, 0], [0.5, 0.5]])
    np.testing.assert_allclose(t.log_softmax().numpy(), [[0, -1000], [np.log(0.5)] * 2], rtol=1e-6)


@pytest.mark.parametrize(
    "shapes",
    [
        ((1, 1), (1, 1)),
        ((3, 4), (4, 5)),
        ((64, 64), (64, 64)),
        ((65, 130), (130, 33)),
        ((1, 300), (300, 1)),
        ((200, 3), (3, 200)),
        ((7,), (7,)),
        ((7,), (7, 2)),
        ((2, 7), (7,)),
        ((5, 2, 7), (7, 3)),
        ((5, 2, 7), (5, 7, 3)),
        ((4, 1, 2, 7), (5, 7, 3)),
        ((0, 3), (3, 2)),
        ((2, 0), (0, 3)),
    ],
    ids=str,
)
def test_matmul_equals_numpys(shapes, device):
    a, b = normal(*shapes[0]), normal(*shapes[1], seed=1)
    actual = (tensor(a, device=device) @ tensor(b, device=device)).numpy()
    wanted = a.astype(np.float64) @ b
    assert actual.shape == wanted.shape
    np.testing.assert_allclose(actual, wanted, rtol=1e-5, atol=2e-5)


def test_matmul_takes_views_and_integers(device):
    a, b = normal(9, 5), normal(7, 9, seed=1)
    ta, tb = tensor(a, device=device), tensor(b, device=device)
    np.testing.assert_allclose((ta.T @ tb.T).numpy(), a.T @ b.T, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose((ta[::2].T @ tb.T[::2]).numpy(), a[::2].T @ b.T[::2], atol=1e-5)
    i = np.arange(12, dtype=np.int32).reshape(3, 4)
    t = tensor(i, device=device)
    np.testing.assert_array_equal((t @ t.T).numpy(), i @ i.T)


def test_matmul_of_float16_sums_in_float32(device):
    a = tensor(np.ones((2, 4097)), float16, device)
    result = a @ a.T
    assert result.dtype == float16
    np.testing.assert_array_equal(result.numpy(), np.full((2, 2), np.float16(4097)))


@pytest.mark.parametrize(
    "shapes", [((2, 3), (4, 2)), ((3,), (4,)), ((), (3,)), ((2, 3, 4), (3, 4, 5))]
)
def test_matmul_says_both_shapes_when_they_do_not_fit(shapes):
    with pytest.raises(ShapeError) as caught:
        zeros(shapes[0]) @ zeros(shapes[1])
    batches = (shapes[0][:-2], shapes[1][:-2])
    named = shapes if batches != ((2,), (3,)) else batches
    assert all(str(shape) in str(caught.value) for shape in named)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_results_are_written_where_the_caller_says(dtype, device):
    a, b = tensor(normal(6, 5), dtype, device), tensor(normal(5, 4), dtype, device)
    bias = tensor(normal(4), dtype, device)
    be = backend_of(a.device)
    for compute, shape in [
        (lambda out=None: be.matmul(a.array, b.array, None, out), (6, 4)),
        (lambda out=None: be.matmul(a.array, b.array, bias.array, out), (6, 4)),
        (lambda out=None: be.reduce("sum", a.array, (0,), False, out), (5,)),
        (lambda out=None: be.reduce("max", a.array, (1,), True, out), (6, 1)),
    ]:
        place = be.reshape(be.full((2, *shape), 7.0, a.dtype), (2, *shape))
        out = be.reshape(be.slice(place, [slice(1, 2, 1), *(slice(0, n, 1) for n in shape)]), shape)
        assert compute(out) is out
        np.testing.assert_array_equal(be.to_host(out), be.to_host(compute()))
        assert (be.to_host(place)[0] == 7).all()


def test_matmul_of_a_scalar_is_refused():
    with pytest.raises(DTypeError, match="two tensors"):
        zeros(2) @ 2.0


def test_an_axis_that_does_not_exist_is_refused():
    with pytest.raises(ArgumentError, match="axis 2 of a tensor with 2 axes"):
        zeros((2, 3)).sum(2)
    with pytest.raises(ArgumentError, match="twice"):
        zeros((2, 3)).sum((0, -2))


ORDERS = [2, 1, 3, 0.5, 0, math.inf, -math.inf]


@pytest.mark.parametrize("axis", [0, 1, -1], ids=str)
@pytest.mark.parametrize("order", ORDERS)
def test_norms_equal_numpys(order, axis, device):
    a = normal(3, 4, 5)
    a[0, 0, :2] = 0
    t = tensor(a, device=device)
    wanted = np.linalg.norm(a.astype(np.float64), order, axis)
    np.testing.assert_allclose(t.norm(order, axis).numpy(), wanted, rtol=3e-6)
    wanted = np.linalg.norm(a.astype(np.float64).ravel(), order)
    np.testing.assert_allclose(t.norm(order).item(), wanted, rtol=3e-6)
    assert t.norm(order, (0, 2), keepdims=True).shape == (1, 4, 1)


@pytest.mark.parametrize("order", [2, 3, 1, math.inf])
def test_where_a_norm_is_zero_its_gradient_is(order, device):
    p = Parameter(zeros(3, device=device))
    assert p.norm(order).backward().get(p.id).tolist() == [0, 0, 0]


def test_logsumexp_does_not_overflow_and_knows_infinities(device):
    a = np.array([[1000.0, 1000.0], [-1000.0, -1001.0], [-inf, -inf], [inf, 0.0]], np.float32)
    with np.errstate(all="ignore"):
        wanted = np.logaddexp(a[:, 0].astype(float), a[:, 1])
    p = Parameter(tensor(a, device=device))
    result = p.logsumexp(1)
    np.testing.assert_allclose(result.numpy(), wanted, rtol=1e-6)
    grad = result[:3].sum().backward().get(p.id).numpy()
    parts = np.exp([0, -1]) / np.exp([0, -1]).sum()
    np.testing.assert_allclose(grad[:3], [[0.5, 0.5], parts, [0, 0]], rtol=1e-6)
    assert zeros(0, device=device).logsumexp().item() == -inf
    assert zeros(0, 2, device=device).logsumexp(0).tolist() == [-inf, -inf]


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ([2.0, 3.0, 4.0], [12, 8, 6]),
        ([2.0, 0.0, 4.0], [0, 8, 0]),
        ([0.0, 0.0, 4.0], [0, 0, 0]),
    ],
)
def test_the_gradient_of_a_product_is_the_product_of_the_others(values, wanted, device):
    p = Parameter(tensor(values, device=device))
    assert p.prod().backward().get(p.id).tolist() == wanted


@pytest.mark.parametrize("dtype", ["int32", "uint8", "bool"])
def test_products_of_integers_wrap_around(dtype, device):
    a = np.arange(1, 31).reshape(2, 15).astype(dtype)
    t = tensor(a, device=device).prod(1)
    assert t.dtype == int32
    np.testing.assert_array_equal(t.numpy(), a.prod(1, dtype=np.int32))


@pytest.mark.parametrize("shape", [(1000, 3), (3, 70_001), (4_200_000,)])
def test_long_products_are_accurate(shape, device):
    a = np.exp(np.random.default_rng(0).normal(0, 1e-2, shape)).astype(np.float32)
    wanted = np.prod(a.astype(np.float64), 0)
    np.testing.assert_allclose(tensor(a, device=device).prod(0).numpy(), wanted, rtol=3e-4)


def test_nothing_has_the_product_one_and_is_counted_as_none(device):
    t = zeros(0, 2, device=device)
    assert (t.prod().item(), t.prod(0).tolist(), t.sum().item()) == (1, [1, 1], 0)
    assert (t.all().item(), t.any().item(), t.count_nonzero().item()) == (True, False, 0)
    assert np.isnan(t.std().item()) and (t.norm().item(), t.norm(1, 0).tolist()) == (0, [0, 0])
    with pytest.raises(ArgumentError, match=r"norm: shape \(0, 2\) has no elements"):
        t.norm(inf)


def test_float16_is_rounded_once_at_the_end(device):
    a = (normal(400) * 60).astype(np.float16)
    t, exact = tensor(a, device=device), a.astype(np.float64)
    for result, wanted in [
        (t.std(), exact.std()),
        (t.norm(), np.linalg.norm(exact)),
        (t.logsumexp(), np.log(np.exp(exact).sum())),
        (t.var_mean()[0], exact.var()),
    ]:
        assert result.dtype == float16 and result.item() == np.float16(wanted)


def test_sums_take_the_dtype_in_which_they_add(device):
    t = tensor([250, 10], uint8, device)
    assert (t.sum().item(), t.sum(dtype=uint8).item(), t.sum().dtype) == (260, 4, int32)
    assert t.sum(dtype=float32).dtype == float32
    half = tensor([60000.0, 60000.0], float16, device)
    assert half.sum(dtype=float32).item() == 120_000
    assert half.prod(dtype=float32).item() == 3_600_000_000


def test_var_mean_counts_and_aliases(device):
    a = normal(3, 4)
    t = tensor(a, device=device)
    variance, mean = t.var_mean(0, correction=1)
    np.testing.assert_allclose(variance.numpy(), a.var(0, ddof=1), rtol=1e-5)
    np.testing.assert_allclose(mean.numpy(), a.mean(0), rtol=1e-5)
    assert (t > 0).count_nonzero(1).tolist() == (a > 0).sum(1).tolist()
    for op in ("sum", "mean", "prod", "std", "amax", "amin", "any", "all", "argmax", "logsumexp"):
        ours = getattr(t, op)(axis=1, keepdims=True)
        np.testing.assert_array_equal(getattr(t, op)(dim=1, keepdim=True).numpy(), ours.numpy())
    np.testing.assert_array_equal(t.softmax(dim=0).numpy(), t.softmax(0).numpy())


def test_what_pytorch_means_otherwise_is_refused(device):
    t = tensor([[1.0, 2.0]], device=device)
    with pytest.raises(ArgumentError, match=r"max\(dim=\) .* argmax\(axis=\) the positions"):
        t.max(dim=1)
    with pytest.raises(ArgumentError, match=r"min\(keepdim=\)"):
        t.min(keepdim=True)
    with pytest.raises(ArgumentError, match="sum: axis and dim are one argument"):
        t.sum(0, dim=1)
    with pytest.raises(TypeError, match="unexpected keyword argument 'axes'"):
        t.sum(axes=1)
    with pytest.raises(ArgumentError, match="mean: dtype is not taken; cast with"):
        t.mean(dtype=float16)
    with pytest.raises(ArgumentError, match="the order is a number"):
        t.norm("fro")


@pytest.mark.parametrize("axis", [None, 0, 1, (0, 2)], ids=str)
@pytest.mark.parametrize("q", [0.0, 0.3, 0.5, 1.0, (0.25, 0.9)], ids=str)
def test_quantiles_equal_numpys(q, axis, device):
    a = normal(3, 4, 5)
    t = tensor(a, device=device)
    for keepdims in (False, True):
        wanted = np.quantile(a.astype(np.float64), q, axis, keepdims=keepdims)
        actual = quantile(t, q, axis, keepdims)
        assert actual.shape == wanted.shape
        np.testing.assert_allclose(actual.numpy(), wanted, rtol=1e-6, atol=1e-7)


def test_quantiles_know_nan_infinities_and_integers(device):
    t = tensor([[1.0, nan, 2.0], [-inf, 3.0, inf]], device=device)
    np.testing.assert_array_equal(t.quantile(0.5, dim=1).numpy(), [nan, 3])
    assert quantile(tensor([1, 2], device=device), 0.5).item() == 1.5
    p = Parameter(tensor([3.0, 1.0, 2.0], device=device))
    assert quantile(p, 0.25).backward().get(p.id).tolist() == [0, 0.5, 0.5]
    with pytest.raises(ArgumentError, match="is no number from 0 to 1"):
        quantile(t, 1.5)
    with pytest.raises(ArgumentError, match="leaves nothing to choose from"):
        quantile(zeros(0, device=device), 0.5)
