"""Random programs of many operations: values against numpy, gradients by a complex step."""

import numpy as np
import pytest

import rumus.tensor as rt
from rumus.autograd import leaf
from rumus.tensor import tensor

STEP = 1e-30


def ordered(a, axis):
    """Complex numbers in the order of their real parts."""
    return np.take_along_axis(a, np.argsort(a.real, axis, kind="stable"), axis)


def lifted(a, axis):
    """The logarithm of a sum of exponentials."""
    top = a.real.max(axis, keepdims=True)
    return np.log(np.exp(a - top).sum(axis)) + top.sum(axis)


def normed(a, axis):
    """Over the standard deviation, about the mean."""
    about = a - a.mean(axis, keepdims=True)
    return about / np.sqrt((about**2).mean(axis, keepdims=True) + 0.5)


def ours_normed(x, axis):
    return (x - x.mean(axis, keepdims=True)) / (x.var(axis, keepdims=True) + 0.5).sqrt()


def positions(x, axis):
    """Places along an axis, some of them twice."""
    return np.arange(x.shape[axis] + 1) * 2 % x.shape[axis]


def gram(x, einsum):
    """Products of all rows."""
    rows = x.reshape(x.shape[0], -1)
    return einsum("ik,jk->ij", rows, rows * 0.2)


# each takes an array with axes that are not empty, and one of them
STEPS = {
    "exp": (lambda x, k: (x * 0.1).exp(), lambda a, k: np.exp(a * 0.1)),
    "tanh": (lambda x, k: x.tanh(), lambda a, k: np.tanh(a)),
    "sum": (lambda x, k: x.sum(k), lambda a, k: a.sum(k)),
    "mean kept": (
        lambda x, k: x - x.mean(k, keepdims=True),
        lambda a, k: a - a.mean(k, keepdims=True),
    ),
    "product": (lambda x, k: (1 + 0.1 * x).prod(k), lambda a, k: (1 + 0.1 * a).prod(k)),
    "cumsum": (lambda x, k: x.cumsum(k), lambda a, k: a.cumsum(k)),
    "cumprod": (lambda x, k: (1 + 0.1 * x).cumprod(k), lambda a, k: (1 + 0.1 * a).cumprod(k)),
    "sort": (lambda x, k: rt.sort(x, k), ordered),
    "norm": (ours_normed, normed),
    "logsumexp": (lambda x, k: x.logsumexp(k), lifted),
    "softmax": (
        lambda x, k: x.softmax(k),
        lambda a, k: np.exp(a) / np.exp(a).sum(k, keepdims=True),
    ),
    "take": (
        lambda x, k: x.take(tensor(positions(x, k), device=x.device), k),
        lambda a, k: a.take(positions(a, k), k),
    ),
    "index": (
        lambda x, k: x.movedim(k, 0)[[0, -1, 0]],
        lambda a, k: np.moveaxis(a, k, 0)[[0, -1, 0]],
    ),
    "flip": (lambda x, k: x.flip(k), np.flip),
    "roll": (lambda x, k: x.roll(2, k), lambda a, k: np.roll(a, 2, k)),
    "every other": (
        lambda x, k: x.movedim(k, -1)[..., ::-2],
        lambda a, k: np.moveaxis(a, k, -1)[..., ::-2],
    ),
    "largest": (
        lambda x, k: rt.topk(x, 1, k).values,
        lambda a, k: np.flip(ordered(a, k), k).take([0], k),
    ),
    "products": (
        lambda x, k: rt.einsum("...,...->...", x, x * 0.3),
        lambda a, k: np.einsum("...,...->...", a, a * 0.3),
    ),
    "gram": (
        lambda x, k: gram(x.movedim(k, 0), rt.einsum),
        lambda a, k: gram(np.moveaxis(a, k, 0), np.einsum),
    ),
    "joined": (lambda x, k: rt.cat([x, x * 2], k), lambda a, k: np.concatenate([a, a * 2], k)),
}


SHAPES = [(), (1,), (7,), (0, 3), (3, 4), (5, 1), (2, 3, 4), (2, 0, 3), (1, 6, 2)]


def program(rng, shape):
    """Names and axes of up to five steps that fit."""
    a, steps = np.zeros(shape), []
    for _ in range(5):
        if not a.ndim or not a.size:
            break
        name, axis = str(rng.choice(list(STEPS))), int(rng.integers(a.ndim))
        a = STEPS[name][1](a + 0j, axis)
        steps.append((name, axis))
        if a.size > 400:
            break
    return steps


@pytest.mark.parametrize("group", range(10))
def test_values_and_gradients_of_random_programs(group, device):
    for seed in range(10 * group, 10 * group + 10):
        rng = np.random.default_rng(seed)
        shape = SHAPES[seed % len(SHAPES)]
        steps = program(rng, shape)
        wide = rng.normal(size=(*shape, 2)).astype(np.float32)
        direction = rng.normal(size=shape)
        x = leaf(tensor(wide, device=device))
        y, a = x[..., 1], wide[..., 1] + 1j * STEP * direction
        for name, axis in steps:
            y, a = STEPS[name][0](y, axis), STEPS[name][1](a, axis)
        weights = rng.normal(size=np.shape(a)).astype(np.float32)
        wanted = np.real(a)
        scale = max(1.0, np.abs(wanted).max(initial=0))
        np.testing.assert_allclose(
            y.numpy(), wanted, rtol=1e-4, atol=1e-5 * scale, err_msg=f"{seed}: {steps}"
        )
        found = (y * tensor(weights, device=device)).sum().backward()[x].numpy()
        assert not found[..., 0].any()
        slope = (weights * np.imag(a) / STEP).sum()
        scale = np.abs(weights * np.imag(a) / STEP).sum() + 1
        np.testing.assert_allclose(
            (found[..., 1] * direction).sum(), slope, atol=1e-4 * scale, err_msg=f"{seed}: {steps}"
        )
