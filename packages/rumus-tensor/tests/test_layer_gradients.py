"""Gradients of what layers compute against central differences of the same in numpy."""

import math

import numpy as np
import pytest

from rumus.nn import functional as F  # noqa: N812
from rumus.nn.functional import packed_attention, scaled_dot_product_attention
from rumus.tensor import (
    float32,
    manual_seed,
    rand,
    tensor,
)
from rumus.tensor._ops.layer_norm import LayerNorm


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


CASES = {
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
}


@pytest.mark.parametrize("case", CASES)
def test_gradient_equals_central_differences(case, device, equals_central_differences):
    equals_central_differences(*CASES[case], device)
