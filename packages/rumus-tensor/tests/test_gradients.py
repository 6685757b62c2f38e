"""Gradients of operations against central differences of the same in numpy, in float64."""

import math

import numpy as np
import pytest

from rumus.tensor import (
    cat,
    einsum,
    kron,
    maximum,
    minimum,
    pad,
    stack,
    tensordot,
    where,
)

ERF = np.vectorize(math.erf, otypes=[float])


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def log_softmax(a, axis):
    return (
        a
        - a.max(axis, keepdims=True)
        - np.log(np.exp(a - a.max(axis, keepdims=True)).sum(axis, keepdims=True))
    )


def softplus(a):
    return np.maximum(a, 0) + np.log1p(np.exp(-np.abs(a)))


def twice(a):
    """With the same gradient for both operands."""
    return a + a


def slices_of_a_result(a):
    b = a * a
    return b[0, ::-1] * b[1] + b[1:].sum(0) + b[:, 1:2].sum(0) * b[-1]


LINES = np.array([[1, 0, 1], [3, -1, 0]])


def put(a, b):
    """numpy's writes in place."""
    result = a.copy()
    np.put_along_axis(result, LINES, b, 1)
    return result


def largest(a, b):
    """Of each element and what goes to it."""
    result = a.copy()
    np.maximum.at(result, (np.arange(2)[:, None], LINES), b)
    return result


CASES = {
    "add": (lambda a, b: a + b, lambda a, b: a + b, [(3, 4), (4,)], False),
    "sub": (lambda a, b: a - b, lambda a, b: a - b, [(3, 1), (1, 4)], False),
    "mul": (lambda a, b: a * b, lambda a, b: a * b, [(3, 4), ()], False),
    "div": (lambda a, b: a / b, lambda a, b: a / b, [(2, 3), (2, 1)], True),
    "rsub": (lambda a: 2.0 - a, lambda a: 2 - a, [(3,)], False),
    "rdiv": (lambda a: 2.0 / a, lambda a: 2 / a, [(3,)], True),
    "pow": (lambda a, b: a**b, lambda a, b: a**b, [(3, 2), (2,)], True),
    "rpow": (lambda a: 3.0**a, lambda a: 3**a, [(4,)], False),
    "power of a negative base": (lambda a: a**3, lambda a: a**3, [(5,)], False),
    "neg": (lambda a: -a, lambda a: -a, [(3,)], False),
    "abs": (lambda a: abs(a), np.abs, [(5,)], False),
    "square": (lambda a: a**2, lambda a: a**2, [(5,)], False),
    "sqrt": (lambda a: a.sqrt(), np.sqrt, [(5,)], True),
    "rsqrt": (lambda a: a.rsqrt(), lambda a: a**-0.5, [(5,)], True),
    "reciprocal": (lambda a: a.reciprocal(), lambda a: 1 / a, [(5,)], True),
    "exp": (lambda a: a.exp(), np.exp, [(5,)], False),
    "log": (lambda a: a.log(), np.log, [(5,)], True),
    "exp2": (lambda a: a.exp2(), np.exp2, [(5,)], False),
    "expm1": (lambda a: a.expm1(), np.expm1, [(5,)], False),
    "log1p": (lambda a: a.log1p(), np.log1p, [(5,)], True),
    "log2": (lambda a: a.log2(), np.log2, [(5,)], True),
    "log10": (lambda a: a.log10(), np.log10, [(5,)], True),
    "erf": (lambda a: a.erf(), ERF, [(5,)], False),
    "erfc": (lambda a: a.erfc(), lambda a: 1 - ERF(a), [(5,)], False),
    "tan": (lambda a: a.tan(), np.tan, [(5,)], False),
    "atan": (lambda a: a.atan(), np.arctan, [(5,)], False),
    "sinh": (lambda a: a.sinh(), np.sinh, [(5,)], False),
    "cosh": (lambda a: a.cosh(), np.cosh, [(5,)], False),
    "asinh": (lambda a: a.asinh(), np.arcsinh, [(5,)], False),
    "asin": (
        lambda a: (a.tanh() * 0.9).asin(),
        lambda a: np.arcsin(0.9 * np.tanh(a)),
        [(5,)],
        False,
    ),
    "acos": (
        lambda a: (a.tanh() * 0.9).acos(),
        lambda a: np.arccos(0.9 * np.tanh(a)),
        [(5,)],
        False,
    ),
    "atanh": (
        lambda a: (a.tanh() * 0.9).atanh(),
        lambda a: np.arctanh(0.9 * np.tanh(a)),
        [(5,)],
        False,
    ),
    "acosh": (lambda a: (a + 1.0).acosh(), lambda a: np.arccosh(a + 1), [(5,)], True),
    "atan2": (lambda a, b: a.atan2(b), np.arctan2, [(3, 4), (4,)], False),
    "hypot": (lambda a, b: a.hypot(b), np.hypot, [(3, 1), (4,)], False),
    "logaddexp": (lambda a, b: a.logaddexp(b), np.logaddexp, [(3, 4), (4,)], False),
    "copysign": (lambda a, b: a.copysign(b), np.copysign, [(5,), (5,)], False),
    "lerp": (
        lambda a, b, w: a.lerp(b, w),
        lambda a, b, w: a + w * (b - a),
        [(3, 4), (4,), ()],
        False,
    ),
    "nan_to_num": (lambda a: a.nan_to_num() * a, lambda a: a * a, [(5,)], False),
    "remainder": (
        lambda a, b: (a * 0.05 - 5.0) % (b * 0.05 + 2.0),
        lambda a, b: (a * 0.05 - 5) % (b * 0.05 + 2),
        [(5,), (5,)],
        False,
    ),
    "fmod": (
        lambda a, b: (a * 0.05 - 5.0).fmod(b * 0.05 + 2.0),
        lambda a, b: np.fmod(a * 0.05 - 5, b * 0.05 + 2),
        [(5,), (5,)],
        False,
    ),
    "clip by tensors": (
        lambda a, b: a.clip(-0.5, b),
        lambda a, b: np.minimum(np.maximum(a, -0.5), b),
        [(9,), (9,)],
        False,
    ),
    "sin": (lambda a: a.sin(), np.sin, [(5,)], False),
    "cos": (lambda a: a.cos(), np.cos, [(5,)], False),
    "tanh": (lambda a: a.tanh(), np.tanh, [(5,)], False),
    "sigmoid": (lambda a: a.sigmoid(), sigmoid, [(5,)], False),
    "relu": (lambda a: a.relu(), lambda a: np.maximum(a, 0), [(9,)], False),
    "leaky_relu": (lambda a: a.leaky_relu(0.2), lambda a: np.where(a > 0, a, a / 5), [(9,)], False),
    "gelu": (lambda a: a.gelu(), lambda a: a / 2 * (1 + ERF(a / math.sqrt(2))), [(9,)], False),
    "gelu_tanh": (
        lambda a: a.gelu("tanh"),
        lambda a: a / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (a + 0.044715 * a**3))),
        [(9,)],
        False,
    ),
    "silu": (lambda a: a.silu(), lambda a: a * sigmoid(a), [(9,)], False),
    "softplus": (lambda a: a.softplus(), lambda a: np.logaddexp(a, 0), [(9,)], False),
    "clamp": (lambda a: a.clamp(-0.5, 0.7), lambda a: np.clip(a, -0.5, 0.7), [(9,)], False),
    "clamp below": (lambda a: a.clamp(min=0.1), lambda a: np.maximum(a, 0.1), [(9,)], False),
    "maximum": (maximum, np.maximum, [(3, 4), (4,)], False),
    "minimum": (minimum, np.minimum, [(3, 4), (3, 1)], False),
    "where": (
        lambda a, b: where(a > 0, a * 2.0, b),
        lambda a, b: np.where(a > 0, a * 2, b),
        [(3, 4), (4,)],
        False,
    ),
    "floor": (lambda a: a.floor() + a * 0.0, lambda a: np.floor(a), [(5,)], False),
    "sum": (lambda a: a.sum(), lambda a: a.sum(), [(3, 4)], False),
    "sum over axes": (lambda a: a.sum((0, 2)), lambda a: a.sum((0, 2)), [(2, 3, 4)], False),
    "mean": (lambda a: a.mean(1, keepdims=True), lambda a: a.mean(1)[:, None], [(3, 4)], False),
    "var": (lambda a: a.var(0), lambda a: a.var(0), [(5, 2)], False),
    "var, corrected": (
        lambda a: a.var(0, correction=1),
        lambda a: a.var(0, ddof=1),
        [(5, 2)],
        False,
    ),
    "prod": (lambda a: a.prod(), lambda a: a.prod(), [(5,)], False),
    "prod over an axis": (lambda a: a.prod(1), lambda a: a.prod(1), [(3, 4)], False),
    "std": (
        lambda a: a.std((0, 1), correction=1),
        lambda a: a.std((0, 1), ddof=1),
        [(3, 2, 2)],
        False,
    ),
    "var_mean": (
        lambda a: a.var_mean(1)[0] * a.var_mean(1)[1],
        lambda a: a.var(1) * a.mean(1),
        [(3, 4)],
        False,
    ),
    "logsumexp": (
        lambda a: a.logsumexp((0, 2)),
        lambda a: np.log(np.exp(a).sum((0, 2))),
        [(2, 3, 4)],
        False,
    ),
    "norm": (lambda a: a.norm(), lambda a: np.sqrt((a * a).sum()), [(3, 4)], False),
    "norm of order 3": (
        lambda a: a.norm(3, 1, keepdims=True),
        lambda a: (np.abs(a) ** 3).sum(1, keepdims=True) ** (1 / 3),
        [(3, 4)],
        False,
    ),
    "norm of order 1": (lambda a: a.norm(1, 0), lambda a: np.abs(a).sum(0), [(3, 4)], False),
    "largest norm": (lambda a: a.norm(math.inf, 0), lambda a: np.abs(a).max(0), [(3, 4)], False),
    "amax": (lambda a: a.amax((0, 1)), lambda a: a.max((0, 1)), [(3, 2, 4)], False),
    "max": (lambda a: a.max(1), lambda a: a.max(1), [(3, 4)], False),
    "min": (lambda a: a.min(), lambda a: a.min(), [(3, 4)], False),
    "softmax": (
        lambda a: a.softmax(),
        lambda a: np.exp(log_softmax(a, -1)),
        [(3, 5)],
        False,
    ),
    "softmax over axis 0": (
        lambda a: a.softmax(0),
        lambda a: np.exp(log_softmax(a, 0)),
        [(3, 5)],
        False,
    ),
    "log_softmax": (
        lambda a: a.log_softmax(1),
        lambda a: log_softmax(a, 1),
        [(2, 3, 4)],
        False,
    ),
    "pad by reflection, then exp": (
        lambda a: pad(a, ((0, 0), (2, 1)), "reflect").exp(),
        lambda a: np.exp(np.pad(a, ((0, 0), (2, 1)), "reflect")),
        [(2, 3)],
        False,
    ),
    "pad by a number, then exp": (
        lambda a: pad(a, 1, constant_values=0.5).exp(),
        lambda a: np.exp(np.pad(a, 1, constant_values=0.5)),
        [(2, 3)],
        False,
    ),
    "matmul": (lambda a, b: a @ b, lambda a, b: a @ b, [(3, 4), (4, 2)], False),
    "matmul of vectors": (lambda a, b: a @ b, lambda a, b: a @ b, [(4,), (4,)], False),
    "matmul of a vector": (lambda a, b: a @ b, lambda a, b: a @ b, [(4,), (2, 4, 3)], False),
    "matmul on a vector": (lambda a, b: a @ b, lambda a, b: a @ b, [(2, 3, 4), (4,)], False),
    "batched matmul": (lambda a, b: a @ b, lambda a, b: a @ b, [(2, 3, 4), (2, 4, 2)], False),
    "broadcast matmul": (lambda a, b: a @ b, lambda a, b: a @ b, [(5, 1, 3, 4), (2, 4, 2)], False),
    "folded matmul": (lambda a, b: a @ b, lambda a, b: a @ b, [(2, 3, 4), (4, 2)], False),
    "matmul transposed": (lambda a, b: a.T @ b.T, lambda a, b: a.T @ b.T, [(4, 3), (2, 4)], False),
    "einsum": (
        lambda a, b, c: einsum("ij,kj,k->ik", a, b, c),
        lambda a, b, c: np.einsum("ij,kj,k->ik", a, b, c),
        [(3, 4), (2, 4), (2,)],
        False,
    ),
    "einsum of a diagonal": (
        lambda a, b: einsum("...ii,...i", a, b),
        lambda a, b: np.einsum("...ii,...i", a, b),
        [(2, 3, 3), (3,)],
        False,
    ),
    "tensordot": (
        lambda a, b: tensordot(a, b, 2),
        lambda a, b: np.tensordot(a, b, 2),
        [(2, 3, 2), (3, 2, 2)],
        False,
    ),
    "kron": (kron, np.kron, [(2, 2), (2,)], False),
    "reshape": (lambda a: a.reshape(4, -1), lambda a: a.reshape(4, -1), [(2, 6)], False),
    "reshape a view": (
        lambda a: a.T.reshape(12) * 2.0,
        lambda a: a.T.reshape(12) * 2,
        [(2, 6)],
        False,
    ),
    "permute": (
        lambda a: a.permute(2, 0, 1),
        lambda a: a.transpose(2, 0, 1),
        [(2, 3, 4)],
        False,
    ),
    "expand": (
        lambda a: a.expand(2, 3, 4),
        lambda a: np.broadcast_to(a, (2, 3, 4)),
        [(3, 1)],
        False,
    ),
    "slice": (lambda a: a[1:, ::-2], lambda a: a[1:, ::-2], [(3, 5)], False),
    "slices of a parameter": (
        lambda a: a[0] * a[1] + a[1:].sum(0) * a[-1],
        lambda a: a[0] * a[1] + a[1:].sum(0) * a[-1],
        [(3, 4)],
        False,
    ),
    "slices of a result": (slices_of_a_result, slices_of_a_result, [(3, 4)], False),
    "index": (lambda a: a[-1, None, ..., 2], lambda a: a[-1, None, ..., 2], [(3, 4, 5)], False),
    "cat": (
        lambda a, b: cat([a, b, a], 1),
        lambda a, b: np.concatenate([a, b, a], 1),
        [(2, 3), (2, 1)],
        False,
    ),
    "stack": (
        lambda a, b: stack([a, b], 1),
        lambda a, b: np.stack([a, b], 1),
        [(2, 3), (2, 3)],
        False,
    ),
    "contiguous": (lambda a: a.T.contiguous(), lambda a: a.T, [(2, 3)], False),
    "one input twice": (lambda a: a * a + a, lambda a: a * a + a, [(3,)], False),
    "a result twice": (lambda a: twice(a * 2.0), lambda a: 2 * (a * 2.0), [(3,)], False),
    "sums of sums": (
        lambda a: (a * 3.0 + a[0]) + (a * 3.0 + a[1]),
        lambda a: 2 * (a * 3.0) + a[0] + a[1],
        [(3,)],
        False,
    ),
    "a chain": (
        lambda a, b: ((a @ b).tanh().exp().sum(0) * b[0]).mean(),
        lambda a, b: (np.exp(np.tanh(a @ b)).sum(0) * b[0]).mean(),
        [(3, 4), (4, 2)],
        False,
    ),
    "an index": (lambda a: a[[2, 0, 2], 1:] ** 3, lambda a: a[[2, 0, 2], 1:] ** 3, [(3, 4)], False),
    "positions along an axis": (
        lambda a, b: a.take_along_axis(LINES, axis=1).exp() * b,
        lambda a, b: np.exp(np.take_along_axis(a, LINES, 1)) * b,
        [(2, 4), (2, 3)],
        False,
    ),
    "values put at positions": (
        lambda a, b: a.put_along_axis(LINES, b, axis=1) ** 3,
        lambda a, b: put(a, b) ** 3,
        [(2, 4), (2, 3)],
        False,
    ),
    "values added at positions": (
        lambda a, b: a.index_add(1, [1, 0, 1], b).sin(),
        lambda a, b: np.sin(a + b @ np.eye(4)[[1, 0, 1]]),
        [(2, 4), (2, 3)],
        False,
    ),
    "the largest of positions": (
        lambda a, b: a.scatter_reduce(1, LINES, b, "amax") ** 3,
        lambda a, b: largest(a, b) ** 3,
        [(2, 4), (2, 3)],
        False,
    ),
    "triangles and diagonals": (
        lambda a: a.tril().exp() * a.diagonal().diag(),
        lambda a: np.exp(np.tril(a)) * np.diag(np.diagonal(a)),
        [(3, 3)],
        False,
    ),
    "rolled, flipped and repeated": (
        lambda a: a.roll(1, 0).flip(1).repeat(2, 0) ** 2,
        lambda a: np.repeat(np.roll(a, 1, 0)[:, ::-1], 2, 0) ** 2,
        [(3, 2)],
        False,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_gradient_equals_central_differences(case, device, equals_central_differences):
    equals_central_differences(*CASES[case], device)
