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
    (
        lambda: F.interpolate(zeros((1, 1, 4)), 2, mode="bilinear"),
        ArgumentError,
        "nearest-exact, linear, area$",
    ),
    (
        lambda: F.interpolate(zeros((1, 1, 4)), 2, align_corners=True),
        ArgumentError,
        "between neighbours",
    ),
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


def test_antialiasing_weighs_a_triangle_of_the_pixels_it_stands_for(device):
    x = numbers(2, 9)
    for length, step in ((3, 3.0), (4, 2.25), (12, 0.75)):
        reach = max(step, 1.0)
        centres = (np.arange(length)[:, None] + 0.5) * step
        weights = np.maximum(0, 1 - np.abs(np.arange(9) + 0.5 - centres) / reach)
        wanted = x @ (weights / weights.sum(1, keepdims=True)).T
        given = tensor(x[None], device=device)
        got = F.interpolate(given, length, mode="linear", antialias=True)
        np.testing.assert_allclose(got.numpy()[0], wanted, rtol=2e-6, atol=2e-6)


def keys(x, a):
    """Keys' cubic convolution."""
    x = np.abs(x)
    near, far = (a + 2) * x**3 - (a + 3) * x**2 + 1, a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a
    return np.where(x <= 1, near, np.where(x < 2, far, 0))


@pytest.mark.parametrize("length", [1, 4, 9, 23])
def test_bicubic_weighs_four_pixels_the_last_ones_again_past_the_ends(length, device):
    x = numbers(2, 9, 9)
    step = 9 / length
    centres = (np.arange(length)[:, None] + 0.5) * step - 0.5
    weights = keys(np.arange(-12, 21) - centres, -0.75)
    weights = weights @ np.eye(9)[np.clip(np.arange(-12, 21), 0, 8)]
    given = tensor(x[None], device=device)
    got = F.interpolate(given, length, mode="bicubic").numpy()[0]
    np.testing.assert_allclose(got, weights @ x @ weights.T, rtol=1e-5, atol=1e-5)
    reach = max(step, 1.0)
    weights = keys((np.arange(9) - centres) / reach, -0.5)
    weights /= weights.sum(1, keepdims=True)
    got = F.interpolate(given, length, mode="bicubic", antialias=True).numpy()[0]
    np.testing.assert_allclose(got, weights @ x @ weights.T, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "options", [{"mode": "nearest"}, {"mode": "area"}, {"align_corners": True}]
)
def test_antialiasing_is_for_linear_modes(options):
    with pytest.raises(ArgumentError, match="antialias is for modes between neighbours without"):
        F.interpolate(zeros(1, 1, 4, 4), 2, antialias=True, **{"mode": "bilinear", **options})


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("corners", [False, True])
def test_the_grid_of_nothing_changed_reads_the_image(dtype, corners, device):
    x = tensor(numbers(2, 3, 4, 5).astype(dtype), device=device)
    theta = tensor(np.array([[[1, 0, 0], [0, 1, 0]]] * 2, dtype), device=device)
    grid = F.affine_grid(theta, x.shape, corners)
    got = F.grid_sample(x, grid, align_corners=corners)
    assert got.dtype == np.dtype(dtype)
    tolerance = 1e-6 if dtype == "float32" else 2e-2
    np.testing.assert_allclose(got.numpy(), x.numpy(), atol=tolerance, rtol=tolerance)


def test_gradients_of_a_grid_are_the_slopes_between_pixels(device):
    """Of a plane a * column + b * row they are a * W / 2 and b * H / 2 inside of the image."""
    rows, columns = np.mgrid[:6, :8].astype(np.float32)
    plane = tensor((0.5 * columns - 2 * rows)[None, None], device=device)
    at = nn.Parameter(tensor(RNG.uniform(-0.7, 0.7, (1, 3, 3, 2)), device=device))
    slopes = F.grid_sample(plane, at).sum().backward().get(at.id).numpy()
    np.testing.assert_allclose(slopes, np.broadcast_to([2.0, -6.0], (1, 3, 3, 2)), rtol=1e-5)


def test_grids_of_no_images_and_of_no_places(device):
    grid = zeros(0, 2, 3, 2, device=device)
    assert F.grid_sample(zeros(0, 3, 4, 5, device=device), grid).shape == (0, 3, 2, 3)
    grid = zeros(2, 0, 3, 2, device=device)
    assert F.grid_sample(zeros(2, 3, 4, 5, device=device), grid).shape == (2, 3, 0, 3)
    assert F.affine_grid(zeros(0, 2, 3, device=device), (0, 1, 2, 3)).shape == (0, 2, 3, 2)


def test_grids_that_do_not_fit_are_refused():
    x, grid = zeros(1, 1, 4, 4), zeros(1, 2, 2, 2)
    for call, kind, message in (
        (lambda: F.grid_sample(x, zeros(2, 2, 2, 2)), ShapeError, "a grid of"),
        (lambda: F.grid_sample(x, zeros(1, 2, 2, 3)), ShapeError, "a grid of"),
        (lambda: F.grid_sample(x[0], grid), ShapeError, "takes x of"),
        (lambda: F.grid_sample(x, grid.to(float16)), DTypeError, "floats of one dtype"),
        (lambda: F.grid_sample(x, grid, "bicubic"), ArgumentError, "not 'bicubic' and 'zeros'"),
        (lambda: F.grid_sample(x, grid, padding_mode="wrap"), ArgumentError, "and 'wrap'"),
        (lambda: F.affine_grid(zeros(1, 3, 3), (1, 1, 2, 2)), ShapeError, r"\(1, 3, 3\)"),
        (lambda: F.affine_grid(zeros(2, 2, 3), (1, 1, 2, 2)), ShapeError, "theta of"),
        (lambda: F.affine_grid(zeros(1, 2, 3).to(int32), (1, 1, 2, 2)), DTypeError, "floats"),
    ):
        with pytest.raises(kind, match=message):
            call()
