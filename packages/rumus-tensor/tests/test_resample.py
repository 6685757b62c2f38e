"""Padding, resampling, windows as columns and channels as pixels against numpy."""

import numpy as np
import pytest

from rumus import nn
from rumus.nn import functional as F  # noqa: N812
from rumus.tensor import (
    ArgumentError,
    DTypeError,
    ShapeError,
    bool_,
    float16,
    int32,
    pad,
    tensor,
    zeros,
)

RNG = np.random.default_rng(4)


def numbers(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize(
    ("mode", "numpys"), [("reflect", "reflect"), ("replicate", "edge"), ("circular", "wrap")]
)
@pytest.mark.parametrize("widths", [((2, 1), (0, 3)), ((9, 8), (11, 13))])
def test_padding_equals_numpys_also_beyond_one_turn(mode, numpys, widths, device):
    x = numbers(4, 5)
    wanted = np.pad(x, widths, numpys)
    for name in (mode, numpys):
        np.testing.assert_array_equal(pad(tensor(x, device=device), widths, name).numpy(), wanted)


@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate", "circular"])
def test_gradients_of_padding_are_the_sums_of_what_it_copied(mode, device):
    p = nn.Parameter(tensor(numbers(3, 4), device=device))
    widths = ((2, 2), (1, 3))
    y = pad(p, widths, mode, 2.5)
    g = numbers(*y.shape)
    into = y.backward(tensor(g, device=device)).get(p.id).numpy()
    numpys = {"replicate": "edge", "circular": "wrap"}.get(mode, mode)
    filled = {"constant_values": 12} if mode == "constant" else {}
    places = np.pad(np.arange(12).reshape(3, 4), widths, numpys, **filled)
    wanted = np.bincount(places.ravel(), g.ravel(), 13)[:12].reshape(3, 4)
    np.testing.assert_allclose(into, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "int32", "uint8", "bool"])
def test_padding_keeps_the_dtype(dtype, device):
    x = np.arange(6).reshape(2, 3).astype(dtype)
    got = pad(tensor(x, device=device), (1, 2), constant_values=1)
    wanted = np.pad(x, (1, 2), constant_values=1)
    assert got.numpy().dtype == wanted.dtype
    np.testing.assert_array_equal(got.numpy(), wanted)
    assert pad(tensor(x, device=device), 0).shape == (2, 3)


def test_pytorchs_order_of_padding_begins_with_the_last_axis_and_cuts_where_negative(device):
    x = tensor(np.arange(6, dtype=np.float32).reshape(2, 3), device=device)
    assert F.pad(x, (1, -1)).tolist() == [[0, 0, 1], [0, 3, 4]]
    assert F.pad(x, (0, 0, -1, 1), value=9).tolist() == [[3, 4, 5], [9, 9, 9]]
    layer = nn.ZeroPad2d((1, 0, 0, 2))
    assert layer(x.reshape((1, 2, 3))).shape == (1, 4, 4)
    assert nn.ReflectionPad1d(1)(x).tolist() == [[1, 0, 1, 2, 1], [4, 3, 4, 5, 4]]


def interpolated(x, size, align_corners):
    """Linear along the last axis, by numpy."""
    n = x.shape[-1]
    places = np.arange(size)
    at = places * (n - 1) / max(size - 1, 1) if align_corners else (places + 0.5) * n / size - 0.5
    lines = [np.interp(at, np.arange(n), line) for line in x.reshape(-1, n).astype(np.float64)]
    return np.reshape(lines, (*x.shape[:-1], size))


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("size", [(7, 3), (2, 12), (1, 5)])
def test_bilinear_interpolation_is_linear_along_both_axes(size, align_corners, device):
    x = numbers(2, 3, 4, 5)
    p = nn.Parameter(tensor(x, device=device))
    y = F.interpolate(p, size, mode="bilinear", align_corners=align_corners)
    rows = interpolated(x.swapaxes(2, 3), size[0], align_corners).swapaxes(2, 3)
    np.testing.assert_allclose(
        y.numpy(), interpolated(rows, size[1], align_corners), rtol=1e-5, atol=1e-5
    )
    g = numbers(*y.shape)
    into = y.backward(tensor(g, device=device)).get(p.id).numpy()
    # The map is linear: a product with it is one with its adjoint.
    np.testing.assert_allclose((into * x).sum(), (g * y.numpy()).sum(), rtol=1e-4, atol=1e-4)


def test_nearest_interpolation_repeats_and_skips(device):
    x = tensor(numbers(1, 2, 4, 6), device=device)
    twice = F.interpolate(x, scale_factor=2)
    np.testing.assert_array_equal(twice.numpy(), x.numpy().repeat(2, 2).repeat(2, 3))
    np.testing.assert_array_equal(F.interpolate(x, (2, 3)).numpy(), x.numpy()[:, :, ::2, ::2])
    exact = nn.Upsample(size=(2, 2), mode="nearest-exact")(x)
    np.testing.assert_array_equal(exact.numpy(), x.numpy()[:, :, 1::2, 1::3])
    half = F.interpolate(x.to(float16), scale_factor=(1, 0.5))
    assert half.dtype == float16 and half.shape == (1, 2, 4, 3)


def test_columns_are_the_windows_and_fold_adds_them_up(device):
    x = numbers(2, 3, 6, 7)
    p = nn.Parameter(tensor(x, device=device))
    y = F.unfold(p, (3, 2), dilation=(1, 2), padding=(1, 0), stride=(2, 1))
    wide = np.pad(x, [(0, 0), (0, 0), (1, 1), (0, 0)])
    cuts = [wide[:, :, i : i + 5 : 2, j : j + 5] for i in range(3) for j in (0, 2)]
    wanted = np.stack(cuts, 2).reshape(2, 18, 15)
    np.testing.assert_array_equal(y.numpy(), wanted)
    g = numbers(2, 18, 15)
    folded = nn.Fold((6, 7), (3, 2), dilation=(1, 2), padding=(1, 0), stride=(2, 1))
    added = folded(tensor(g, device=device)).numpy()
    into = y.backward(tensor(g, device=device)).get(p.id).numpy()
    np.testing.assert_array_equal(into, added)
    np.testing.assert_allclose((added * x).sum(), (g * wanted).sum(), rtol=1e-4, atol=1e-4)
    assert F.unfold(p[:0], (3, 2)).shape == (0, 18, 24)


def test_pixels_and_channels_change_places_and_back(device):
    x = tensor(np.arange(16, dtype=np.float32).reshape(1, 4, 2, 2), device=device)
    y = nn.PixelShuffle(2)(x)
    assert y.tolist()[0][0][0] == [0, 4, 1, 5] and y.tolist()[0][0][1] == [8, 12, 9, 13]
    np.testing.assert_array_equal(nn.PixelUnshuffle(2)(y).numpy(), x.numpy())


MISTAKES = [
    (lambda: pad(zeros((2, 3)), ((1, 1), (1, 1), (1, 1))), ArgumentError, "each of 2 axes"),
    (lambda: pad(zeros((2, 3)), -1), ArgumentError, "negative"),
    (lambda: pad(zeros((2, 3)), 1, "mirror"), ArgumentError, "mode is one of"),
    (lambda: pad(zeros((1, 3)), 1, "reflect"), ShapeError, "length of at least 2"),
    (lambda: F.pad(zeros((2, 3)), (1, 2, 3)), ArgumentError, "pairs"),
    (lambda: F.pad(zeros((2, 3)), (-2, -2)), ShapeError, "nothing is left"),
    (lambda: F.interpolate(zeros((1, 1, 4, 4))), ArgumentError, "either size or scale_factor"),
    (lambda: F.interpolate(zeros((1, 1, 4)), 2, mode="bilinear"), ArgumentError, "no mode"),
    (lambda: F.interpolate(zeros((1, 1, 4)), 2, align_corners=True), ArgumentError, "linear modes"),
    (lambda: F.interpolate(zeros((1, 1, 4), dtype=int32), 2), DTypeError, "takes floats"),
    (lambda: F.interpolate(zeros((1, 4)), 2), ShapeError, r"\(N, C, L\)"),
    (lambda: F.unfold(zeros((1, 1, 4, 4)), 5), ShapeError, "larger than planes"),
    (lambda: F.fold(zeros((1, 9, 3)), 4, 3), ShapeError, r"\(N, C \* 9, 4\)"),
    (lambda: F.pixel_shuffle(zeros((1, 3, 2, 2)), 2), ShapeError, r"C \* 4"),
    (lambda: F.unfold(zeros((1, 1, 4, 4), dtype=bool_), 2), DTypeError, "takes floats"),
]


@pytest.mark.parametrize(("mistake", "error", "message"), MISTAKES)
def test_mistakes_say_what_was_given_and_expected(mistake, error, message):
    with pytest.raises(error, match=message):
        mistake()
