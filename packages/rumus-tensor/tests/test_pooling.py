"""Pooling against windows that are cut out one by one."""

import numpy as np
import pytest

from rumus import nn
from rumus.nn import functional as F  # noqa: N812
from rumus.tensor import ArgumentError, DTypeError, ShapeError, float16, int32, tensor, zeros

RNG = np.random.default_rng(3)


def numbers(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def fixed(kernel, stride, padding=(0, 0), dilation=(1, 1)):
    """The places of each window along each axis."""

    def windows(shape):
        for n, k, s, p, d in zip(shape, kernel, stride, padding, dilation, strict=True):
            count = (n + 2 * p - d * (k - 1) - 1) // s + 1
            starts = [o * s - p for o in range(count)]
            yield [[i for i in range(a, a + d * k, d) if 0 <= i < n] for a in starts]

    return windows


def adaptive(*size):
    def windows(shape):
        for n, count in zip(shape, size, strict=True):
            yield [range(o * n // count, -((o + 1) * -n // count)) for o in range(count)]

    return windows


def pooled(x, windows, largest):
    """Results and, for a gradient of ones times 1, 2, …, what each place of x gets."""
    rows, columns = windows(x.shape[2:])
    y = np.zeros((*x.shape[:2], len(rows), len(columns)))
    into = np.zeros(x.shape)
    g = 1.0 + np.arange(y.size).reshape(y.shape)
    for n, c in np.ndindex(*x.shape[:2]):
        for i, down in enumerate(rows):
            for j, along in enumerate(columns):
                cut = x[n, c][np.ix_(down, along)]
                if largest:
                    place = np.unravel_index(cut.argmax(), cut.shape)
                    y[n, c, i, j] = cut[place]
                    into[n, c, down[place[0]], along[place[1]]] += g[n, c, i, j]
                else:
                    y[n, c, i, j] = cut.mean()
                    into[n, c][np.ix_(down, along)] += g[n, c, i, j] / cut.size
    return y, g, into


CASES = {
    "max": (lambda x: F.max_pool2d(x, 2), fixed((2, 2), (2, 2)), True),
    "max, overlapping": (
        lambda x: F.max_pool2d(x, (3, 2), (2, 1), (1, 1)),
        fixed((3, 2), (2, 1), (1, 1)),
        True,
    ),
    "max, dilated": (
        lambda x: F.max_pool2d(x, 3, 2, 1, (2, 3)),
        fixed((3, 3), (2, 2), (1, 1), (2, 3)),
        True,
    ),
    "max, a stride beyond the window": (
        lambda x: F.max_pool2d(x, 2, 3),
        fixed((2, 2), (3, 3)),
        True,
    ),
    "max, adaptive": (lambda x: F.adaptive_max_pool2d(x, (4, 5)), adaptive(4, 5), True),
    "max, adaptive to more": (lambda x: F.adaptive_max_pool2d(x, (11, 3)), adaptive(11, 3), True),
    "mean": (
        lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
        fixed((3, 3), (2, 2), (1, 1)),
        False,
    ),
    "mean, adaptive": (lambda x: F.adaptive_avg_pool2d(x, (4, 3)), adaptive(4, 3), False),
    "mean of all": (lambda x: F.adaptive_avg_pool2d(x, 1), adaptive(1, 1), False),
}


@pytest.mark.parametrize("name", CASES)
def test_results_and_gradients_equal_those_of_each_window(name, device):
    function, windows, largest = CASES[name]
    x = numbers(2, 3, 9, 10)
    y, g, into = pooled(x, windows, largest)
    p = nn.Parameter(tensor(x, device=device))
    result = function(p)
    np.testing.assert_allclose(result.numpy(), y, rtol=1e-6, atol=1e-6)
    grads = result.backward(tensor(g.astype(np.float32), device=device))
    np.testing.assert_allclose(grads.get(p.id).numpy(), into, rtol=1e-6, atol=1e-4)


def test_a_mean_counts_the_zeros_around_unless_told_otherwise(device):
    x = tensor(np.ones((1, 1, 2, 2), np.float32), device=device)
    assert F.avg_pool2d(x, 2, 1, 1).tolist()[0][0][0] == [0.25, 0.5, 0.25]
    assert F.avg_pool2d(x, 2, 1, 1, count_include_pad=False).tolist()[0][0][0] == [1, 1, 1]
    assert F.avg_pool2d(x, 2, 1, 1, divisor_override=2).tolist()[0][0][0] == [0.5, 1, 0.5]


def test_not_a_number_wins_and_its_place_is_given(device):
    x = np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4)
    x[0, 0, 1, 0] = np.nan
    y, places = F.max_pool2d(tensor(x, device=device), 2, return_indices=True)
    np.testing.assert_array_equal(y.numpy()[0, 0], [[np.nan, 7], [13, 15]])
    assert places.dtype == int32 and places.tolist() == [[[[4, 7], [13, 15]]]]
    y, places = F.max_pool2d(tensor(np.full((1, 1, 2, 2), -np.inf), device=device), 2, 2, 1, 1,
                             return_indices=True)  # fmt: skip
    assert places.tolist() == [[[[0, 1], [2, 3]]]]


def test_windows_of_ceil_mode_begin_inside(device):
    x = tensor(np.arange(7, dtype=np.float32).reshape(1, 1, 7), device=device)
    assert F.max_pool1d(x, 2, 2, ceil_mode=True).tolist() == [[[1, 3, 5, 6]]]
    assert F.max_pool1d(x[:, :, :5], 2, 4, 1, ceil_mode=True).tolist() == [[[0, 4]]]
    assert F.avg_pool1d(x, 2, 2, ceil_mode=True).tolist() == [[[0.5, 2.5, 4.5, 6]]]


def test_windows_that_reach_over_a_plane_have_no_greatest_element(device):
    x = tensor([[[1.0, 2.0]]], device=device)
    assert F.max_pool1d(x, 2, 1, 1, 3).tolist() == [[[-np.inf]]]


def test_float16_lines_views_and_no_images(device):
    x = numbers(2, 4, 9).astype(np.float16)
    y = F.avg_pool1d(tensor(x, device=device), 3)
    assert y.dtype == float16
    np.testing.assert_allclose(
        y.numpy(), x.astype(np.float64).reshape(2, 4, 3, 3).mean(-1), rtol=1e-3
    )
    turned = tensor(x, device=device).permute(1, 0, 2)[:, :, ::-1]
    assert F.max_pool1d(turned, 9).numpy()[:, :, 0].tolist() == x.max(-1).T.tolist()
    assert F.max_pool2d(zeros((0, 3, 4, 4), device=device), 2).shape == (0, 3, 2, 2)
    assert nn.AdaptiveAvgPool2d((2, None))(zeros((3, 4, 6), device=device)).shape == (3, 2, 6)


MISTAKES = [
    (lambda: F.max_pool2d(zeros((1, 1, 4, 4)), 5), ShapeError, "larger than the padded input"),
    (lambda: F.max_pool2d(zeros((1, 1, 4, 4)), 2, padding=2), ArgumentError, "at most half"),
    (lambda: F.max_pool2d(zeros((4, 4)), 2), ShapeError, r"\(N, C, H, W\)"),
    (lambda: F.avg_pool2d(zeros((1, 4, 4), dtype=int32), 2), DTypeError, "takes floats"),
    (lambda: F.avg_pool2d(zeros((1, 4, 4)), 2, divisor_override=0), ArgumentError, "not 0"),
    (lambda: F.adaptive_avg_pool2d(zeros((1, 4, 4)), (1, 2, 3)), ArgumentError, "one number or 2"),
    (lambda: F.adaptive_max_pool1d(zeros((1, 4, 0)), 2), ShapeError, "nothing to pool"),
]


@pytest.mark.parametrize(("mistake", "error", "message"), MISTAKES)
def test_mistakes_say_what_was_given_and_expected(mistake, error, message):
    with pytest.raises(error, match=message):
        mistake()
