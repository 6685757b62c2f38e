"""Einstein sums and the other products against numpy in float64."""

import numpy as np
import pytest

import rumus.tensor as rt
from rumus.nn.functional import cosine_similarity, normalize
from rumus.tensor import (
    ArgumentError,
    DTypeError,
    IndexRangeError,
    ShapeError,
    einsum,
    float16,
    float32,
    int32,
    tensor,
    zeros,
)

EQUATIONS = {
    "ij,jk->ik": [(3, 4), (4, 5)],
    "ij,jk": [(3, 4), (4, 5)],
    "ij,kj->ik": [(3, 4), (5, 4)],
    "bij,bjk->bik": [(2, 3, 4), (2, 4, 5)],
    "bhid,bhjd->bhij": [(2, 3, 4, 5), (2, 3, 6, 5)],
    "...ij,...jk->...ik": [(2, 1, 3, 4), (5, 4, 2)],
    "...i->...": [(2, 3, 4)],
    "i...,i...": [(3, 2), (3, 4, 2)],
    "i,i": [(5,), (5,)],
    "i,j->ij": [(5,), (4,)],
    "i,j->ji": [(5,), (4,)],
    "ij->ji": [(3, 4)],
    "ba": [(3, 4)],
    "ij->": [(3, 4)],
    "ij->j": [(3, 4)],
    "ii": [(4, 4)],
    "ii->i": [(4, 4)],
    "iij->j": [(3, 3, 4)],
    "iji->ij": [(3, 4, 3)],
    "iii->i": [(3, 3, 3)],
    "ii,ij->j": [(3, 3), (3, 4)],
    "i,ij,j->": [(3,), (3, 4), (4,)],
    "ab,bc,cd->ad": [(3, 4), (4, 5), (5, 2)],
    "ai,bi,ci->abc": [(2, 5), (3, 5), (4, 5)],
    "bn,anm,bm->ba": [(2, 3), (4, 3, 5), (2, 5)],
    "ij,ij->ij": [(3, 4), (3, 4)],
    "ij,ij->i": [(3, 4), (3, 4)],
    "ij,jk->ijk": [(3, 4), (4, 5)],
    "ij,jk,k->i": [(3, 1), (4, 5), (1,)],
    "iJ,Jk->ik": [(3, 4), (4, 5)],
    " ij , j -> i ": [(3, 4), (4,)],
    ",i->i": [(), (4,)],
    "ij,k->k": [(3, 0), (4,)],
    "...,...->...": [(3, 1), (4,)],
    "a...b->b...": [(2, 3, 4)],
}


@pytest.mark.parametrize("equation", EQUATIONS)
def test_einsum_equals_numpys(equation, device):
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=shape).astype(np.float32) for shape in EQUATIONS[equation]]
    wanted = np.einsum(equation, *(a.astype(float) for a in arrays))
    actual = einsum(equation, *(tensor(a, device=device) for a in arrays))
    assert actual.dtype == float32 and actual.shape == wanted.shape
    np.testing.assert_allclose(actual.numpy(), wanted, rtol=1e-5, atol=1e-5)


def test_einsum_takes_views_lists_and_other_dtypes(device):
    a = tensor(np.arange(12).reshape(3, 4), device=device)
    assert einsum("ij,jk->ik", [a, a.T]).tolist() == (a.numpy() @ a.numpy().T).tolist()
    assert einsum("ij,ij->", a, a).dtype == int32
    assert einsum("i,i", tensor([True, True], device=device), a[0, :2]).item() == 1
    half = a.to(float16)
    assert einsum("ij,kj->ik", half[::-1], half[:, ::1]).dtype == float16
    np.testing.assert_array_equal(einsum("ji,j->i", a[::-1, ::2], a[:, 1]).numpy(), [28, 58])


@pytest.mark.parametrize(
    ("equation", "shapes", "error", "message"),
    [
        ("ij,jk->i1", [(2, 3), (3, 4)], ArgumentError, "'1' at position 8 is neither a letter"),
        ("i?,jk", [(2, 3), (3, 4)], ArgumentError, r"'\?' at position 1"),
        ("ij,jk->iz", [(2, 3), (3, 4)], ArgumentError, "'z' at position 8 is in no operand"),
        ("ij->ii", [(2, 3)], ArgumentError, "'i' at position 5 is in the result already"),
        ("......i", [(2, 3)], ArgumentError, r"a second '...' at position 3"),
        ("..i", [(2, 3)], ArgumentError, r"'\.' at position 0"),
        ("ij->i->j", [(2, 3)], ArgumentError, "'-' at position 5"),
        ("ij", [(2, 3), (3, 4)], ArgumentError, "has 1 terms, and there are 2 operands"),
        ("...i->i", [(2, 3)], ArgumentError, r"the result has no '\.\.\.'"),
        ("ij,jk", [(2, 3), (3,)], ShapeError, "term 'jk' at position 3 does not fit operand 1"),
        ("ij,jk", [(2, 3), (4, 5)], ShapeError, "'j' has length 3, but 4 in operand 1"),
        ("ii", [(2, 3)], ShapeError, "'i' has length 2, but 3 in operand 0"),
    ],
)
def test_einsum_says_where_an_equation_is_wrong(equation, shapes, error, message):
    with pytest.raises(error, match=message):
        einsum(equation, *(zeros(shape) for shape in shapes))


def test_einsum_takes_tensors():
    with pytest.raises(DTypeError, match="operand 1 is a ndarray"):
        einsum("i,i", zeros(2), np.zeros(2))
    with pytest.raises(ArgumentError, match="the equation is a text"):
        einsum(zeros(2), "i")


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


PRODUCTS = {
    "outer": [((3,), (4,)), ((2, 3), (4,))],
    "inner": [((3,), (3,)), ((2, 3), (4, 3)), ((), (2, 3))],
    "dot": [((3,), (3,)), ((2, 3), (3, 4)), ((2, 3), (3,)), ((2, 3), (4, 3, 5)), ((2,), ())],
    "vdot": [((3,), (3,)), ((2, 3), (3, 2))],
    "vecdot": [((3,), (3,)), ((4, 1, 3), (2, 3))],
    "kron": [((2, 3), (4, 5)), ((3,), (2, 2)), ((), (2,))],
    "tensordot": [((2, 3, 4), (3, 4, 5))],
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_products_equal_numpys(name, device):
    for left, right in PRODUCTS[name]:
        a, b = normal(*left), normal(*right, seed=1)
        actual = getattr(rt, name)(tensor(a, device=device), tensor(b, device=device))
        wanted = getattr(np, name)(a.astype(float), b.astype(float))
        assert actual.shape == wanted.shape
        np.testing.assert_allclose(actual.numpy(), wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("axes", [0, 1, ((1, 0), (0, 2)), (-1, 1), ((), ())], ids=str)
def test_tensordot_sums_over_given_axes(axes, device):
    a, b = normal(2, 4, 3), normal(4 if axes != 1 else 3, 3, 2, seed=1)
    actual = rt.tensordot(tensor(a, device=device), tensor(b, device=device), axes)
    wanted = np.tensordot(a.astype(float), b.astype(float), axes)
    assert actual.shape == wanted.shape
    np.testing.assert_allclose(actual.numpy(), wanted, rtol=1e-5, atol=1e-5)


def test_products_under_pytorchs_names(device):
    a, b, c = (tensor(normal(2, 2, 2, seed=k), device=device) for k in range(3))
    np.testing.assert_array_equal(rt.bmm(a, b).numpy(), (a @ b).numpy())
    np.testing.assert_array_equal(rt.mm(a[0], b[0]).numpy(), (a @ b)[0].numpy())
    np.testing.assert_allclose(rt.mv(a[0], b[0, 0]).numpy(), a[0].numpy() @ b[0, 0].numpy(), 1e-6)
    whole = rt.baddbmm(c, a, b, beta=0.5, alpha=2.0)
    np.testing.assert_allclose(whole.numpy(), (c * 0.5 + a @ b * 2.0).numpy(), rtol=1e-6)
    assert rt.addmm(c[0, 0], a[0], b[0]).tolist() == (c[0, 0] + a[0] @ b[0]).tolist()
    ignored = rt.addmm(tensor([np.nan, 1.0], device=device), a[0], b[0], beta=0)
    assert ignored.tolist() == (a[0] @ b[0]).tolist()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: rt.mm(zeros(2), zeros(2, 2)), ShapeError, "mm takes tensors of 2 and 2 axes"),
        (lambda: rt.bmm(zeros(2, 1, 1), zeros(3, 1, 1)), ShapeError, "different heights"),
        (lambda: rt.addmm(zeros(3), zeros(2, 2), zeros(2, 2)), ShapeError, "addmm: shape"),
        (lambda: rt.dot(zeros(3), zeros(4)), ShapeError, "differ in length"),
        (lambda: rt.vecdot(zeros(3), zeros(4)), ShapeError, "axis -1 .* differs in length"),
        (lambda: rt.tensordot(zeros(3), zeros(3), 2), ArgumentError, "tensordot: 2 axes"),
        (lambda: rt.tensordot(zeros(3), zeros(3), ((0,), ())), ArgumentError, "not as many"),
        (lambda: rt.tensordot(zeros(3), zeros(3), ((1,), (0,))), IndexRangeError, "axis 1"),
        (lambda: rt.outer(zeros(3), 2.0), DTypeError, "outer takes tensors, not a float"),
    ],
)
def test_products_say_what_does_not_fit(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_normalize_and_cosine_similarity(device):
    a, b = normal(3, 4), normal(3, 4, seed=1)
    a[2] = 0
    t, u = tensor(a, device=device), tensor(b, device=device)
    lengths = np.linalg.norm(a, axis=1, keepdims=True)
    np.testing.assert_allclose(normalize(t).numpy(), a / np.maximum(lengths, 1e-12), rtol=1e-6)
    np.testing.assert_allclose(normalize(t, 1.0, dim=0).numpy(), a / np.abs(a).sum(0), rtol=1e-6)
    wanted = (a * b).sum(1) / np.maximum(lengths[:, 0] * np.linalg.norm(b, axis=1), 1e-8)
    np.testing.assert_allclose(cosine_similarity(t, u).numpy(), wanted, rtol=2e-6, atol=1e-7)
    assert cosine_similarity(t, u[:1], dim=-1).shape == (3,)
    pairs = cosine_similarity(t.reshape(1, 3, 4), u.reshape(3, 1, 4), dim=1)  # 3 to a vector
    wide = np.broadcast_arrays(a[None], b[:, None])
    wanted = (wide[0] * wide[1]).sum(1) / np.prod([np.linalg.norm(w, axis=1) for w in wide], 0)
    np.testing.assert_allclose(pairs.numpy(), wanted, rtol=2e-6, atol=1e-7)
