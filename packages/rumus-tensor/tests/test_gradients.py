"""Gradients against central differences of the same function in numpy, in float64."""

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rumus import nn
from rumus.autograd import Function
from rumus.nn import Parameter
from rumus.nn import functional as F  # noqa: N812
from rumus.nn.functional import packed_attention, scaled_dot_product_attention
from rumus.tensor import (
    Tensor,
    cat,
    einsum,
    float16,
    float32,
    kron,
    manual_seed,
    maximum,
    minimum,
    pad,
    rand,
    stack,
    tensor,
    tensordot,
    where,
)
from rumus.tensor._ops.layer_norm import LayerNorm

ERF = np.vectorize(math.erf, otypes=[float])


def weighted_values(q, k, v, mask):
    """Attention by its definition; several query heads share a head of keys."""
    k, v = (np.repeat(a, q.shape[1] // k.shape[1], 1) for a in (k, v))
    parts = np.where(mask, np.exp(q @ k.swapaxes(2, 3) / math.sqrt(q.shape[3])), 0.0)
    return parts / np.maximum(parts.sum(3, keepdims=True), 1e-300) @ v


def weighted_values_with_bias(q, k, v, bias):
    """Something is added to the scores."""
    k, v = (np.repeat(a, q.shape[1] // k.shape[1], 1) for a in (k, v))
    parts = np.exp(q @ k.swapaxes(2, 3) / math.sqrt(q.shape[3]) + bias)
    return parts / parts.sum(3, keepdims=True) @ v


def packed_weighted_values_with_bias(x, bias):
    heads = x.reshape(*x.shape[:2], 6, -1).swapaxes(1, 2)
    y = weighted_values_with_bias(heads[:, :2], heads[:, 2:4], heads[:, 4:], bias)
    return y.swapaxes(1, 2).reshape(*x.shape[:2], -1)


def attention_after_dropout(q, k, v):
    """The same weights in each call."""
    manual_seed(5)
    return scaled_dot_product_attention(q, k, v, dropout_p=0.3)


def weighted_values_after_dropout(q, k, v):
    """By the numbers that the generator gives for that seed."""
    manual_seed(5)
    kept = (rand((1, 2, 3, 4)).numpy() >= np.float32(0.3)) / 0.7
    parts = np.exp(q @ k.swapaxes(2, 3) / math.sqrt(q.shape[3]))
    return parts / parts.sum(3, keepdims=True) * kept @ v


def packed_weighted_values(x):
    """The same of two heads of queries and one of keys and values, side by side."""
    heads = x.reshape(*x.shape[:2], 4, -1).swapaxes(1, 2)
    y = weighted_values(heads[:, :2], heads[:, 2:3], heads[:, 3:], np.tri(x.shape[1], dtype=bool))
    return y.swapaxes(1, 2).reshape(*x.shape[:2], -1)


SEEN = np.array([[True, False, True], [False, False, False], [True, True, False]])


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def log_softmax(a, axis):
    return (
        a
        - a.max(axis, keepdims=True)
        - np.log(np.exp(a - a.max(axis, keepdims=True)).sum(axis, keepdims=True))
    )


def layer_norm(a, weight, bias):
    mean, variance = (f(a, (1, 2), keepdims=True) for f in (np.mean, np.var))
    return (a - mean) / np.sqrt(variance + 1e-2) * weight + bias


def channel_norm(a, groups, weight, bias):
    """Channels by the statistics of a batch, or of groups where there are any."""
    rows = a.reshape(a.shape[0], groups, -1) if groups else a
    axes = 2 if groups else (0, 2)
    mean, variance = (f(rows, axes, keepdims=True) for f in (np.mean, np.var))
    n = ((rows - mean) / np.sqrt(variance + 1e-2)).reshape(a.shape)
    return n * weight[:, None] + bias[:, None]


def softplus(a):
    return np.maximum(a, 0) + np.log1p(np.exp(-np.abs(a)))


def twice(a):
    """With the same gradient for both operands."""
    return a + a


def slices_of_a_result(a):
    b = a * a
    return b[0, ::-1] * b[1] + b[1:].sum(0) + b[:, 1:2].sum(0) * b[-1]


def convolved(x, weight, stride, groups):
    """Of lines, with one zero on both sides."""
    wide = np.pad(x, [(0, 0), (0, 0), (1, 1)])
    _, channels, taps = weight.shape
    places = range(0, wide.shape[2] - taps + 1, stride)
    cuts = np.stack([wide[:, :, p : p + taps] for p in places], 2)
    parts = zip(
        np.split(cuts, groups, axis=1), weight.reshape(groups, -1, channels, taps), strict=True
    )
    return np.concatenate([np.einsum("ncpt,oct->nop", a, b) for a, b in parts], 1)


def adjoint_convolved(x, weight):
    """Of lines, with a stride of 2."""
    y = np.zeros((len(x), weight.shape[1], 2 * x.shape[2] + weight.shape[2] - 2))
    for p in range(x.shape[2]):
        y[:, :, 2 * p : 2 * p + weight.shape[2]] += np.einsum("nc,cot->not", x[:, :, p], weight)
    return y


# name: (function of tensors, the same in numpy, shapes of the arguments, whether all are positive)
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
    "rms norm": (
        lambda a, w: F.rms_norm(a, 5, w, 1e-2),
        lambda a, w: a / np.sqrt((a**2).mean(-1, keepdims=True) + 1e-2) * w,
        [(3, 5), (5,)],
        False,
    ),
    "layer norm without weight": (
        lambda a: F.layer_norm(a, (2, 5), eps=1e-2),
        lambda a: layer_norm(a, 1, 0),
        [(3, 2, 5)],
        False,
    ),
    "batch norm": (
        lambda a, w, b: F.batch_norm(a, None, None, w, b, training=True, eps=1e-2),
        lambda a, w, b: channel_norm(a, 0, w, b),
        [(4, 2, 3), (2,), (2,)],
        False,
    ),
    "batch norm by averages": (
        lambda a, w, b: F.batch_norm(
            a, *(tensor(c, float32, a.device) for c in ([0.5, -1.0], [2.0, 0.5])), w, b, eps=0.0
        ),
        lambda a, w, b: (
            (a - np.array([[0.5], [-1]])) / np.sqrt([[2], [0.5]]) * w[:, None] + b[:, None]
        ),
        [(4, 2, 3), (2,), (2,)],
        False,
    ),
    "group norm": (
        lambda a, w, b: F.group_norm(a, 2, w, b, 1e-2),
        lambda a, w, b: channel_norm(a, 2, w, b),
        [(2, 4, 3), (4,), (4,)],
        False,
    ),
    "instance norm": (
        lambda a: F.instance_norm(a, eps=1e-2),
        lambda a: channel_norm(a, 2, np.ones(2), np.zeros(2)),
        [(2, 2, 4)],
        False,
    ),
    "elu": (
        lambda a: F.elu(a, 0.7),
        lambda a: np.where(a > 0, a, 0.7 * np.expm1(a)),
        [(9,)],
        False,
    ),
    "celu": (
        lambda a: F.celu(a, 2.0),
        lambda a: np.where(a > 0, a, 2 * np.expm1(a / 2)),
        [(9,)],
        False,
    ),
    "mish": (F.mish, lambda a: a * np.tanh(softplus(a)), [(5,)], False),
    "hardswish": (F.hardswish, lambda a: a * np.clip(a + 3, 0, 6) / 6, [(9,)], False),
    "hardsigmoid": (F.hardsigmoid, lambda a: np.clip(a + 3, 0, 6) / 6, [(9,)], False),
    "hardtanh": (
        lambda a: F.hardtanh(a, -0.5, 0.5),
        lambda a: np.clip(a, -0.5, 0.5),
        [(9,)],
        False,
    ),
    "glu": (F.glu, lambda a: a[:, :3] * sigmoid(a[:, 3:]), [(2, 6)], False),
    "swiglu": (F.swiglu, lambda a: a[:, :3] * sigmoid(a[:, :3]) * a[:, 3:], [(2, 6)], False),
    "logsigmoid": (F.logsigmoid, lambda a: -softplus(-a), [(5,)], False),
    "softsign": (F.softsign, lambda a: a / (1 + np.abs(a)), [(5,)], False),
    "prelu": (
        F.prelu,
        lambda a, w: np.where(a > 0, a, a * w[:, None]),
        [(2, 3, 2), (3,)],
        False,
    ),
    "layer norm": (
        lambda a, w, b: LayerNorm((2, 5), 1e-2, (True, True))(a, w, b),
        layer_norm,
        [(3, 2, 5), (2, 5), (2, 5)],
        False,
    ),
    "conv1d": (
        lambda a, b: F.conv1d(a, b, stride=2, padding=1, groups=2),
        lambda a, b: convolved(a, b, 2, 2),
        [(2, 4, 5), (2, 2, 3)],
        False,
    ),
    "conv1d, then exp": (
        lambda a, b: F.conv1d(a, b, padding=1).exp(),
        lambda a, b: np.exp(convolved(a, b, 1, 1)),
        [(1, 2, 3), (2, 2, 2)],
        False,
    ),
    "conv_transpose1d": (
        lambda a, b: F.conv_transpose1d(a, b, stride=2),
        adjoint_convolved,
        [(2, 2, 3), (2, 2, 3)],
        False,
    ),
    "max_pool1d, then exp": (
        lambda a: F.max_pool1d(a, 3, 1).exp(),
        lambda a: np.exp(np.stack([a[:, :, i : i + 3].max(-1) for i in range(3)], 2)),
        [(2, 1, 5)],
        False,
    ),
    "avg_pool1d, then exp": (
        lambda a: F.avg_pool1d(a, 3, 2).exp(),
        lambda a: np.exp(np.stack([a[:, :, i : i + 3].mean(-1) for i in (0, 2)], 2)),
        [(2, 1, 5)],
        False,
    ),
    "interpolate, then exp": (
        lambda a: F.interpolate(a, 3, mode="linear", align_corners=True).exp(),
        lambda a: np.exp(np.stack([a[:, :, 0], a[:, :, 1:3].mean(-1), a[:, :, 3]], 2)),
        [(2, 1, 4)],
        False,
    ),
    "unfold, then exp": (
        lambda a: F.unfold(a, (1, 2)).exp(),
        lambda a: np.exp(np.stack([a[:, 0, 0, :-1], a[:, 0, 0, 1:]], 1)),
        [(2, 1, 1, 4)],
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
    "attention": (
        lambda q, k, v: scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True),
        lambda q, k, v: weighted_values(q, k, v, np.tri(3, 4, dtype=bool)),
        [(1, 2, 3, 2), (1, 1, 4, 2), (1, 1, 4, 2)],
        False,
    ),
    "attention with a mask": (
        lambda q, k, v: scaled_dot_product_attention(q, k, v, tensor(SEEN, device=q.device)),
        lambda q, k, v: weighted_values(q, k, v, SEEN),
        [(1, 1, 3, 2), (1, 1, 3, 2), (1, 1, 3, 2)],
        False,
    ),
    "attention with dropout": (
        attention_after_dropout,
        weighted_values_after_dropout,
        [(1, 2, 3, 2), (1, 2, 4, 2), (1, 2, 4, 2)],
        False,
    ),
    "attention with a mask that is learned": (
        lambda q, k, v, bias: scaled_dot_product_attention(q, k, v, bias, enable_gqa=True),
        weighted_values_with_bias,
        [(2, 2, 3, 2), (2, 1, 4, 2), (2, 1, 4, 2), (2, 1, 4)],
        False,
    ),
    "packed attention with a bias of each sample": (
        lambda x, bias: packed_attention(x, 2, 2, bias),
        packed_weighted_values_with_bias,
        [(2, 3, 12), (2, 1, 3, 3)],
        False,
    ),
    "packed attention": (
        lambda x: packed_attention(x, 2, 1, is_causal=True),
        packed_weighted_values,
        [(1, 3, 8)],
        False,
    ),
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


def numeric_gradient(f, arrays, weights, i, step=1e-6):
    """Central differences of ``sum(weights * f(*arrays))`` with respect to ``arrays[i]``."""
    gradient = np.zeros_like(arrays[i])
    for k in np.ndindex(arrays[i].shape):
        sides = []
        for sign in (1, -1):
            moved = [a.copy() for a in arrays]
            moved[i][k] += sign * step
            sides.append((f(*moved) * weights).sum())
        gradient[k] = (sides[0] - sides[1]) / (2 * step)
    return gradient


@pytest.mark.parametrize("case", CASES)
def test_gradient_equals_central_differences(case, device):
    f, oracle, shapes, positive = CASES[case]
    rng = np.random.default_rng(3)
    arrays = [rng.normal(size=shape) for shape in shapes]
    if positive:
        arrays = [np.abs(a) + 0.3 for a in arrays]
    # What the device sees is float32: the oracle starts from the same numbers.
    arrays = [np.asarray(a, np.float32).astype(np.float64) for a in arrays]
    params = [Parameter(tensor(a, device=device)) for a in arrays]
    result = f(*params)
    wanted = np.asarray(oracle(*arrays))
    np.testing.assert_allclose(result.numpy(), wanted, rtol=2e-5, atol=2e-6)
    weights = rng.normal(size=wanted.shape).astype(np.float32).astype(np.float64)
    grads = result.backward(tensor(weights, device=device))
    for i, p in enumerate(params):
        grad = grads.get(p.id)
        assert isinstance(grad, Tensor)
        assert (grad.shape, grad.dtype, grad.device) == (p.shape, p.dtype, p.device)
        np.testing.assert_allclose(
            grad.numpy(), numeric_gradient(oracle, arrays, weights, i), rtol=1e-4, atol=2e-5
        )


@pytest.mark.parametrize("slice_first", [False, True])
def test_a_slice_adds_to_no_gradient_that_another_input_has(slice_first, device):
    p, q = (Parameter(tensor([[1.0, 2.0], [3.0, 4.0]], device=device)) for _ in range(2))
    a, b = p * 2.0, q * 3.0
    if slice_first:
        cut = a[0]
        both = a + b
    else:
        both = a + b
        cut = a[0]
    grads = (both.sum() + (cut * 5.0).sum() + (a[1] * 7.0).sum()).backward()
    assert grads.get(p.id).tolist() == [[12, 12], [16, 16]]
    assert grads.get(q.id).tolist() == [[3, 3], [3, 3]]


class Both(Function):
    """The sum of two tensors, whose gradients are one array."""

    def forward(self, be, *arrays):
        return be.elementwise("add", *arrays)

    def backward(self, be, grad):
        return grad, grad


# Operations on two arrays of SHAPE, for tensors and for numpy's complex numbers.
SHAPE = (2, 3)
OPERATIONS = {
    "add": lambda a, b: a + b,
    "multiply": lambda a, b: a * b * 0.5,
    "as it is": lambda a, b: a.reshape(SHAPE) + b * 0.0,
    "copy": lambda a, b: a.contiguous() + b if isinstance(a, Tensor) else a + b,
    "both": lambda a, b: Both()(a, b) if isinstance(a, Tensor) else a + b,
    "row": lambda a, b: a[1:] + b,
    "row of it": lambda a, b: a[0] * a[1] + a[-1] + b,
    "turned": lambda a, b: a[::-1, ::-1] * 0.5 + b * b[:, 1:2],
    "column": lambda a, b: a[:, :1] * b + a[:, 1:2],
    "part of a part": lambda a, b: a[:, 1:][:, :1] * b[0, 1:][0] + a,
    "sum": lambda a, b: a.sum(0) * 0.3 + b,
}


def evaluated(program, first):
    """The sum of everything that a program makes of an array."""
    made = [first]
    for name, i, j in program:
        made.append(OPERATIONS[name](made[i % len(made)], made[j % len(made)]))
    total = made[0]
    for array in made[1:]:
        total = total + array
    return total.sum()


PROGRAMS = st.lists(
    st.tuples(st.sampled_from(sorted(OPERATIONS)), st.integers(0, 9), st.integers(0, 9)),
    min_size=1,
    max_size=9,
)


@given(program=PROGRAMS, of_a_result=st.booleans())
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_gradients_of_any_graph_equal_complex_steps(program, of_a_result, device):
    values = np.linspace(0.2, 0.7, 6).reshape(SHAPE).astype(np.float32)
    scale = 1.5 if of_a_result else 1.0
    p = Parameter(tensor(values, device=device))
    loss = evaluated(program, p * 1.5 if of_a_result else p)
    first, second = (loss.backward(retain_graph=True).get(p.id).numpy() for _ in range(2))
    np.testing.assert_array_equal(first, second)
    for at in np.ndindex(SHAPE):
        moved = values.astype(complex)
        moved[at] += 1e-30j
        exact = evaluated(program, moved * scale).imag / 1e-30
        assert first[at] == pytest.approx(exact, rel=1e-4, abs=1e-4)


def test_a_slice_adds_to_nothing_that_a_function_keeps(device):
    class Kept(Function):
        def forward(self, be, x):
            return be.elementwise("mul", x, 1.0)

        def backward(self, be, grad):
            if not hasattr(self, "kept"):
                self.kept = [be.full(grad.shape, 1.0, grad.dtype)]
            return (self.kept[0],)

    p = Parameter(tensor([1.0, 2.0, 3.0], device=device))
    for slice_first in (False, True):
        terms = [lambda: (p[:2] * 10.0).sum(), lambda: Kept()(p).sum()]
        first, second = (term() for term in (terms if slice_first else terms[::-1]))
        loss = first + second
        for _ in range(2):
            assert loss.backward(retain_graph=True).get(p.id).tolist() == [11, 11, 1]


def test_slices_of_a_parameter_whose_dtype_changes_between_them():
    model = nn.Module()
    model.p = p = Parameter(tensor([1.0, 1.0, 1.0, 1.0]))
    a = p[0:2].sum()
    model.to(float16)
    loss = a + p[1:3].sum().to(float32)
    assert loss.backward().get(p.id).tolist() == [1, 2, 1, 0]


def test_equal_extremes_share_the_gradient(device):
    p = Parameter(tensor([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]], device=device))
    grads = p.max(1).sum().backward()
    np.testing.assert_allclose(
        grads.get(p.id).numpy(), [[0, 0.5, 0.5], [1 / 3, 1 / 3, 1 / 3]], rtol=1e-6
    )


def test_equal_arguments_of_maximum_share_the_gradient(device):
    a, b = (
        Parameter(tensor([1.0, 2.0], device=device)),
        Parameter(tensor([1.0, 5.0], device=device)),
    )
    grads = maximum(a, b).sum().backward()
    np.testing.assert_array_equal(grads.get(a.id).numpy(), [0.5, 0])
    np.testing.assert_array_equal(grads.get(b.id).numpy(), [0.5, 1])


def test_a_constant_row_has_the_gradient_zero(device):
    p = Parameter(tensor([1.5, -2.5], device=device))
    np.testing.assert_array_equal(p.floor().sum().backward().get(p.id).numpy(), [0, 0])


def test_gradients_flow_through_a_change_of_dtype(device):
    half = Parameter(tensor([1.0, 2.0], np.float16, device))
    scale = Parameter(tensor([3.0, 4.0], device=device))
    grads = (half * scale).sum().backward()
    assert grads.get(half.id).dtype == np.float16
    np.testing.assert_array_equal(grads.get(half.id).numpy(), [3, 4])
    np.testing.assert_array_equal(grads.get(scale.id).numpy(), [1, 2])


@pytest.mark.parametrize("parameter", [True, False], ids=["parameter", "result"])
def test_gradients_of_float16_are_added_up_in_float32_and_rounded_once(parameter, device):
    p = Parameter(tensor(np.ones(3), float16, device))
    x = p if parameter else p * 1.0
    loss = (x * -40000.0 + x * 40000.0 + x * 40000.0).to(float32)  # the last one comes first
    assert loss.sum().backward().get(p.id).tolist() == [40000.0] * 3

    q = Parameter(tensor(np.ones((2, 3)), float16, device))
    y = q if parameter else q * 1.0
    parts = [y[1, 1:], *(y[0].to(float32) * 1.0 for _ in range(8)), y[0].to(float32) * 2048.0]
    total = sum((part.sum() for part in parts), tensor(0.0, device=device))
    grad = total.backward().get(q.id)
    assert grad.dtype == float16
    assert grad.tolist() == [[2056.0] * 3, [0.0, 1.0, 1.0]]
