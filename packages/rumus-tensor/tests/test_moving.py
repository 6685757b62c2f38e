"""Elements in another order, repeated or taken apart: values and gradients against numpy."""

import numpy as np
import pytest

import rumus.tensor as rt
from rumus import gpu
from rumus.nn import Parameter
from rumus.tensor import ArgumentError, DTypeError, IndexRangeError, ShapeError, float16, tensor

# name: shape, ours, numpy's; what gives several arrays gives a list
CASES = {
    "split in three": ((4, 6), lambda x: rt.split(x, 3, axis=1), lambda a: np.split(a, 3, 1)),
    "split at": ((7,), lambda x: x.split([2, -1, 9]), lambda a: np.split(a, [2, -1, 9])),
    "split at, backwards": ((5,), lambda x: x.split([3, 1]), lambda a: np.split(a, [3, 1])),
    "chunk": ((5, 2), lambda x: x.chunk(3, dim=0), lambda a: [a[:2], a[2:4], a[4:]]),
    "chunk in more than there are": ((2,), lambda x: x.chunk(5), lambda a: [a[:1], a[1:]]),
    "unbind": ((2, 3), lambda x: x.unbind(dim=-1), lambda a: list(a.T)),
    "unstack": ((2, 3), lambda x: rt.unstack(x), list),
    "flip all": ((2, 3), lambda x: x.flip(), np.flip),
    "flip one": ((2, 3, 2), lambda x: x.flip(dim=(0, -1)), lambda a: np.flip(a, (0, 2))),
    "flip of nothing": ((0, 3), lambda x: x.flip(), np.flip),
    "roll flat": ((2, 3), lambda x: x.roll(4), lambda a: np.roll(a, 4)),
    "roll": ((2, 3), lambda x: x.roll(-1, 1), lambda a: np.roll(a, -1, 1)),
    "roll two": (
        (3, 4),
        lambda x: x.roll((1, 6), dim=(0, 1)),
        lambda a: np.roll(a, (1, 6), (0, 1)),
    ),
    "repeat flat": ((2, 2), lambda x: x.repeat(2), lambda a: np.repeat(a, 2)),
    "repeat": ((2, 3, 2), lambda x: x.repeat(3, axis=1), lambda a: np.repeat(a, 3, 1)),
    "repeat each": ((3, 2), lambda x: x.repeat([0, 2, 1], 0), lambda a: np.repeat(a, [0, 2, 1], 0)),
    "repeat_interleave": (
        (3,),
        lambda x: x.repeat_interleave(tensor([1, 0, 2], device=x.device), dim=0),
        lambda a: np.repeat(a, [1, 0, 2]),
    ),
    "tile": ((2, 3), lambda x: x.tile(2, 1, 2), lambda a: np.tile(a, (2, 1, 2))),
    "tile of fewer": ((2, 3), lambda x: rt.tile(x, 2), lambda a: np.tile(a, 2)),
    "tile zero times": ((2, 3), lambda x: rt.tile(x, (0, 2)), lambda a: np.tile(a, (0, 2))),
    "unflatten": ((2, 6), lambda x: x.unflatten(-1, (2, -1)), lambda a: a.reshape(2, 2, 3)),
    "movedim": ((2, 3, 4), lambda x: x.movedim(0, -1), lambda a: np.moveaxis(a, 0, -1)),
    "moveaxis": (
        (2, 3, 4),
        lambda x: x.moveaxis((2, 0), (0, 1)),
        lambda a: np.moveaxis(a, (2, 0), (0, 1)),
    ),
    "swapaxes": ((2, 3, 4), lambda x: x.swapaxes(0, -1), lambda a: a.swapaxes(0, -1)),
    "squeeze all": ((1, 3, 1), lambda x: x.squeeze(), np.squeeze),
    "squeeze two": ((1, 3, 1, 1), lambda x: x.squeeze((0, -1)), lambda a: a.squeeze((0, -1))),
    "squeeze one": ((1, 3, 1), lambda x: x.squeeze(dim=2), lambda a: a.squeeze(2)),
    "expand_dims": (
        (2, 3),
        lambda x: rt.expand_dims(x, axis=(0, -1)),
        lambda a: a[None, ..., None],
    ),
    "unsqueeze": ((2, 3), lambda x: x.unsqueeze(dim=1), lambda a: a[:, None]),
    "broadcast_to": (
        (3, 1),
        lambda x: x.broadcast_to(2, 3, 4),
        lambda a: np.broadcast_to(a, (2, 3, 4)),
    ),
    "tril": ((2, 4, 3), lambda x: x.tril(), np.tril),
    "tril below": ((4, 3), lambda x: x.tril(-1), lambda a: np.tril(a, -1)),
    "triu above": ((3, 4), lambda x: x.triu(diagonal=1), lambda a: np.triu(a, 1)),
    "diagonal": ((2, 3, 4), lambda x: x.diagonal(1, 1, 2), lambda a: np.diagonal(a, 1, 1, 2)),
    "diagonal below": ((4, 2, 3), lambda x: x.diagonal(-2), lambda a: np.diagonal(a, -2)),
    "diagonal out of reach": ((2, 3), lambda x: x.diagonal(5), lambda a: np.diagonal(a, 5)),
    "diag of a vector": ((3,), lambda x: x.diag(1), lambda a: np.diag(a, 1)),
    "diag below of a vector": ((3,), lambda x: x.diag(diagonal=-2), lambda a: np.diag(a, -2)),
    "diag of a matrix": ((3, 4), lambda x: rt.diag(x, -1), lambda a: np.diag(a, -1)),
    "trace": ((3, 4, 2), lambda x: x.trace(), np.trace),
    "ravel": ((2, 3), lambda x: x.ravel(), np.ravel),
    "hstack": ((2, 3), lambda x: rt.hstack([x, x]), lambda a: np.hstack([a, a])),
    "hstack of vectors": ((3,), lambda x: rt.hstack([x, x]), lambda a: np.hstack([a, a])),
    "vstack": ((3,), lambda x: rt.vstack([x, x]), lambda a: np.vstack([a, a])),
    "concat flat": (
        (2, 3),
        lambda x: rt.concat([x, x], axis=None),
        lambda a: np.concatenate([a, a], None),
    ),
    "cat along dim": (
        (2, 3),
        lambda x: rt.cat([x, x], dim=1),
        lambda a: np.concatenate([a, a], 1),
    ),
    "stack along dim": ((2, 3), lambda x: rt.stack([x, x], dim=-1), lambda a: np.stack([a, a], -1)),
    "expand": ((3, 1), lambda x: x.expand(2, -1, 4), lambda a: np.broadcast_to(a, (2, 3, 4))),
    "rot90": ((2, 3), lambda x: rt.rot90(x), np.rot90),
    "rot90 back": ((2, 3, 2), lambda x: rt.rot90(x, -1, (1, 2)), lambda a: np.rot90(a, -1, (1, 2))),
    "rot90 twice": ((2, 3), lambda x: rt.rot90(x, 2), lambda a: np.rot90(a, 2)),
    "meshgrid": (
        (3,),
        lambda x: rt.meshgrid(x, x[:2]),
        lambda a: np.meshgrid(a, a[:2]),
    ),
    "meshgrid ij": (
        (3,),
        lambda x: rt.meshgrid(x, x[:2], x, indexing="ij"),
        lambda a: np.meshgrid(a, a[:2], a, indexing="ij"),
    ),
    "broadcast_arrays": (
        (3, 1),
        lambda x: rt.broadcast_tensors(x, x.T),
        lambda a: np.broadcast_arrays(a, a.T),
    ),
}


def listed(result):
    return list(result) if isinstance(result, (list, tuple)) else [result]


@pytest.mark.parametrize("case", CASES)
def test_what_numpy_gives_for_contiguous_tensors_and_views(case, device):
    shape, ours, theirs = CASES[case]
    a = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    for dtype in (np.float32, np.float16, np.int32, np.uint8, np.bool_):
        b = a.astype(dtype)
        t = tensor(b, device=device)
        view = tensor(b.T.copy(), device=device).T
        expected = listed(theirs(b))
        for given in (t, view):
            results = listed(ours(given))
            assert len(results) == len(expected)
            for got, want in zip(results, expected, strict=True):
                assert got.shape == want.shape
                assert got.dtype == (
                    want.dtype if case != "trace" or dtype in (np.float32, np.float16) else np.int32
                )
                np.testing.assert_array_equal(got.numpy(), want)


CHOOSING = {
    "copied": ((40, 70), lambda x: tensor(x.T, device=x.device), lambda a: a.T),
    "float32 again": ((9,), lambda x: x.to("float32"), lambda a: a),
    "rows": ((5, 8), lambda x: x[[3, 0, 3]], lambda a: a[[3, 0, 3]]),
    "columns": ((3, 7), lambda x: x[:, [5, 1]], lambda a: a[:, [5, 1]]),
    "steps": ((9, 4), lambda x: x[::-2, 1:], lambda a: a[::-2, 1:]),
    "kept": ((24,), lambda x: x[x.signbit()], lambda a: a[np.signbit(a)]),
    "where": (
        (3, 8),
        lambda x: rt.where(x.signbit(), x.flip(1), x),
        lambda a: np.where(np.signbit(a), np.flip(a, 1), a),
    ),
    "assigned": (
        (3, 5),
        lambda x: put(x, np.s_[1:, ::2], x[:2, 2:]),
        lambda a: put(a, np.s_[1:, ::2], a[:2, 2:]),
    ),
    "assigned by places": (
        (4, 5),
        lambda x: put(x, [2, 0], x[1:3]),
        lambda a: put(a, [2, 0], a[1:3]),
    ),
    "padded": ((3, 5), lambda x: rt.pad(x, (1, 2)), lambda a: np.pad(a, (1, 2))),
}


def put(x, at, values):
    result = tensor(x, device=x.device) if isinstance(x, rt.Tensor) else x.copy()
    result[at] = values
    return result


@pytest.mark.parametrize("case", sorted({*CASES, *CHOOSING} - {"trace"}))
def test_moving_keeps_every_bit(case, device):
    """Of subnormal numbers and NaN, which a GPU's arithmetic takes for 0 and for another NaN."""
    shape, ours, theirs = (CASES | CHOOSING)[case]
    bits = [1, 0x807FFFFF, 0x7FC12345, 0xFFC54321, 0x80000000, 0x00400000, 0xFF800000]
    a = np.resize(np.array(bits, np.uint32).view(np.float32), shape)
    for got, want in zip(listed(ours(tensor(a, device=device))), listed(theirs(a)), strict=True):
        np.testing.assert_array_equal(
            np.ascontiguousarray(got.numpy()).view(np.uint32),
            np.ascontiguousarray(want).view(np.uint32),
        )


@pytest.mark.parametrize("case", CASES)
def test_gradients_are_those_of_the_linear_map(case, device):
    shape, ours, theirs = CASES[case]
    p = Parameter(tensor(np.arange(np.prod(shape), dtype=np.float32).reshape(shape), device=device))
    results = listed(ours(p))
    rng = np.random.default_rng(0)
    weights = [rng.standard_normal(r.shape).astype(np.float32) for r in results]
    total = sum((r * tensor(w, device=device)).sum() for r, w in zip(results, weights, strict=True))
    grad = total.backward().get(p.id).numpy()
    expected = np.zeros(shape).ravel()
    for k in range(expected.size):
        unit = np.zeros(expected.size)
        unit[k] = 1
        parts = listed(theirs(unit.reshape(shape)))
        expected[k] = sum(float((u * w).sum()) for u, w in zip(parts, weights, strict=True))
    np.testing.assert_allclose(grad, expected.reshape(shape), atol=1e-5)


MISTAKES = {
    "no equal parts": (lambda x: rt.split(x, 2), ShapeError, "no 2 equal parts"),
    "no parts": (lambda x: x.chunk(0), ArgumentError, "at least one"),
    "negative repeats": (lambda x: x.repeat(-1), ArgumentError, "-1 times"),
    "too few repeats": (lambda x: x.repeat([1, 2], 0), ShapeError, "axis of length 3"),
    "repeats that are no whole numbers": (lambda x: x.repeat(1.5), ArgumentError, "whole numbers"),
    "one shift too many": (lambda x: x.roll((1, 2), 0), ArgumentError, "2 shifts for 1 axes"),
    "unflatten to what does not fit": (lambda x: x.unflatten(0, (2, 2)), ShapeError, "do not fit"),
    "one axis twice": (lambda x: x.movedim((0, 0), (0, 1)), ArgumentError, "different axes"),
    "tril of a line": (lambda x: x[0].tril(), ShapeError, "last two axes"),
    "diagonal of a line": (lambda x: x[0].diagonal(), ShapeError, "two axes"),
    "diagonal of one axis": (lambda x: x.diagonal(0, 1, 1), ArgumentError, "different axes"),
    "squeeze of what is long": (lambda x: x.squeeze((0, 1)), ShapeError, "not length 1"),
    "meshgrid of matrices": (lambda x: rt.meshgrid(x), ShapeError, "one axis"),
    "meshgrid of a list": (lambda x: rt.meshgrid([x[0]]), DTypeError, "one by one.* not a list"),
    "a new axis of no length": (lambda x: x.expand(-1, *x.shape), ShapeError, "negative"),
    "another order": (lambda x: rt.meshgrid(indexing="ji"), ArgumentError, "'xy' or 'ij'"),
    "no such axis": (lambda x: x.flip(2), IndexRangeError, "axis 2"),
    "both names of the axis": (lambda x: x.chunk(2, 1, dim=1), ArgumentError, "one argument"),
    "another name": (lambda x: x.chunk(2, axes=1), TypeError, "unexpected keyword"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_what_does_not_fit_is_refused(case):
    wrong, error, words = MISTAKES[case]
    with pytest.raises(error, match=words):
        wrong(rt.zeros((3, 2)))


def test_parts_are_views(device):
    t = tensor(np.zeros((4, 4)), device=device)
    for part in (*t.split(2), t.flip(), t.diagonal(), t.movedim(0, 1), rt.rot90(t), t.unbind()[0]):
        part.add_(1.0)
    expected = np.full((4, 4), 4.0)
    expected[0] += 1
    np.testing.assert_array_equal(t.numpy(), expected + np.eye(4))


@pytest.mark.gpu
def test_a_captured_step_masks_and_cuts():
    a = np.arange(12, dtype=np.float32).reshape(3, 4)
    x = tensor(a, device="gpu")
    step = gpu.capture(lambda t: (t.tril(1) + t.triu(1).flip(0), t.diagonal().repeat(2)))
    for _ in range(3):
        first, second = step(x)
    np.testing.assert_array_equal(first.numpy(), np.tril(a, 1) + np.triu(a, 1)[::-1])
    np.testing.assert_array_equal(second.numpy(), np.repeat(np.diagonal(a), 2))
    assert step.dispatches


def test_float16_keeps_its_dtype(device):
    assert tensor([[1.0]], dtype=float16, device=device).tril().dtype == float16
