"""Convolutions, pooling, padding and resampling against PyTorch: results and gradients."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from rumus import nn, tensor
from rumus.nn import augment, functional

T = torch.nn.functional
F: Any = functional
RNG = np.random.default_rng(5)


def numbers(*shape: int) -> Any:
    return RNG.standard_normal(shape).astype(np.float32)


# name: (the same function of both libraries' functional, shapes of its arguments)
CASES: dict[str, tuple[Callable[..., Any], list[tuple[int, ...]]]] = {
    "conv2d": (lambda f, *a: f.conv2d(*a), [(2, 3, 8, 9), (4, 3, 3, 2), (4,)]),
    "conv2d strided": (
        lambda f, *a: f.conv2d(*a, stride=(2, 3), padding=(1, 2), dilation=(2, 1)),
        [(2, 3, 11, 9), (4, 3, 3, 4), (4,)],
    ),
    "conv2d grouped": (
        lambda f, *a: f.conv2d(*a, padding=1, groups=2),
        [(2, 6, 7, 7), (4, 3, 3, 3), (4,)],
    ),
    "conv2d depthwise": (
        lambda f, *a: f.conv2d(*a, padding=1, stride=2, groups=6),
        [(2, 6, 7, 8), (12, 1, 3, 3), (12,)],
    ),
    "conv2d same": (
        lambda f, *a: f.conv2d(*a, padding="same", dilation=(1, 3)),
        [(2, 3, 6, 7), (4, 3, 4, 2)],
    ),
    "conv2d unbatched": (lambda f, *a: f.conv2d(*a, padding="valid"), [(3, 6, 7), (4, 3, 1, 1)]),
    "conv1d": (
        lambda f, *a: f.conv1d(*a, stride=2, padding=3, dilation=2),
        [(2, 3, 19), (4, 3, 5), (4,)],
    ),
    "conv_transpose2d": (
        lambda f, *a: f.conv_transpose2d(
            *a, stride=(2, 3), padding=1, output_padding=(1, 2), groups=2, dilation=(1, 2)
        ),
        [(2, 4, 4, 5), (4, 3, 3, 2), (6,)],
    ),
    "conv_transpose1d": (
        lambda f, *a: f.conv_transpose1d(*a, stride=3, padding=1, output_padding=1),
        [(2, 4, 6), (4, 3, 4), (3,)],
    ),
    "max_pool2d": (
        lambda f, x: f.max_pool2d(x, 3, 2, 1, dilation=(1, 2), ceil_mode=True),
        [(2, 3, 9, 10)],
    ),
    "max_pool1d": (lambda f, x: f.max_pool1d(x, 4), [(2, 3, 11)]),
    "avg_pool2d": (
        lambda f, x: f.avg_pool2d(x, (3, 2), (2, 3), 1, ceil_mode=True),
        [(2, 3, 9, 8)],
    ),
    "avg_pool2d, padding not counted": (
        lambda f, x: f.avg_pool2d(x, 3, 2, 1, True, count_include_pad=False),
        [(2, 3, 8, 8)],
    ),
    "avg_pool2d by a number": (
        lambda f, x: f.avg_pool2d(x, 3, padding=1, divisor_override=5),
        [(3, 8, 8)],
    ),
    "avg_pool1d": (lambda f, x: f.avg_pool1d(x, 3, 2, 1), [(2, 3, 10)]),
    "adaptive_avg_pool2d": (lambda f, x: f.adaptive_avg_pool2d(x, (3, 5)), [(2, 3, 7, 9)]),
    "adaptive_avg_pool2d, more": (lambda f, x: f.adaptive_avg_pool2d(x, (5, None)), [(2, 3, 2, 3)]),
    "adaptive_avg_pool2d, one": (lambda f, x: f.adaptive_avg_pool2d(x, 1), [(2, 3, 7, 9)]),
    "adaptive_avg_pool1d": (lambda f, x: f.adaptive_avg_pool1d(x, 4), [(2, 3, 9)]),
    "adaptive_max_pool2d": (lambda f, x: f.adaptive_max_pool2d(x, (3, 4)), [(2, 3, 7, 9)]),
    "adaptive_max_pool2d, more": (lambda f, x: f.adaptive_max_pool2d(x, (5, 4)), [(2, 3, 2, 3)]),
    "adaptive_max_pool1d": (lambda f, x: f.adaptive_max_pool1d(x, 4), [(2, 3, 9)]),
    "pad constant": (lambda f, x: f.pad(x, (1, -2, 0, 3), value=1.5), [(2, 3, 4, 5)]),
    "pad reflect": (lambda f, x: f.pad(x, (3, 2, 1, 0), "reflect"), [(2, 3, 4, 5)]),
    "pad replicate": (lambda f, x: f.pad(x, (7, 2, 1, 0), "replicate"), [(2, 3, 4, 5)]),
    "pad circular": (lambda f, x: f.pad(x, (3, 2, 1, 4), "circular"), [(2, 3, 4, 5)]),
    "nearest": (lambda f, x: f.interpolate(x, size=(7, 3)), [(2, 3, 4, 5)]),
    "nearest by a factor": (lambda f, x: f.interpolate(x, scale_factor=(1.5, 2.3)), [(2, 3, 4, 5)]),
    "nearest-exact": (
        lambda f, x: f.interpolate(x, size=(7, 3), mode="nearest-exact"),
        [(2, 3, 4, 5)],
    ),
    "bilinear": (lambda f, x: f.interpolate(x, size=(7, 3), mode="bilinear"), [(2, 3, 4, 5)]),
    "bilinear by a factor": (
        lambda f, x: f.interpolate(x, scale_factor=1.7, mode="bilinear"),
        [(2, 3, 4, 5)],
    ),
    "bilinear, corners": (
        lambda f, x: f.interpolate(x, size=(7, 1), mode="bilinear", align_corners=True),
        [(2, 3, 4, 5)],
    ),
    "bilinear, smaller, antialiased": (
        lambda f, x: f.interpolate(x, size=(5, 3), mode="bilinear", antialias=True),
        [(2, 3, 17, 13)],
    ),
    "bilinear, larger, antialiased": (
        lambda f, x: f.interpolate(x, size=(9, 6), mode="bilinear", antialias=True),
        [(2, 3, 4, 5)],
    ),
    "bilinear by a factor, antialiased": (
        lambda f, x: f.interpolate(x, scale_factor=(0.3, 0.6), mode="bilinear", antialias=True),
        [(2, 3, 14, 15)],
    ),
    "affine_grid": (lambda f, t: f.affine_grid(t, (2, 1, 4, 5), align_corners=False), [(2, 2, 3)]),
    "affine_grid, corners": (
        lambda f, t: f.affine_grid(t, (2, 1, 4, 3), align_corners=True),
        [(2, 2, 3)],
    ),
    **{
        f"grid_sample, {padding}, {corners}": (
            lambda f, x, at, how=(padding, corners): f.grid_sample(x, at, "bilinear", *how),
            [(2, 3, 5, 6), (2, 4, 7, 2)],
        )
        for padding in ("zeros", "border", "reflection")
        for corners in (False, True)
    },
    "linear": (lambda f, x: f.interpolate(x, scale_factor=2, mode="linear"), [(2, 3, 5)]),
    "area": (lambda f, x: f.interpolate(x, size=(3, 7), mode="area"), [(2, 3, 4, 5)]),
    "unfold": (
        lambda f, x: f.unfold(x, (3, 2), dilation=(1, 2), padding=(2, 1), stride=(2, 1)),
        [(2, 3, 6, 7)],
    ),
    "fold": (
        lambda f, x: f.fold(x, (6, 7), (3, 2), dilation=(1, 2), padding=(2, 1), stride=(2, 1)),
        [(2, 18, 28)],
    ),
    "pixel_shuffle": (lambda f, x: f.pixel_shuffle(x, 2), [(2, 8, 3, 4)]),
    "pixel_unshuffle": (lambda f, x: f.pixel_unshuffle(x, 3), [(2, 2, 6, 9)]),
}


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("device", ["cpu", pytest.param("gpu", marks=pytest.mark.gpu)])
def test_results_and_gradients(name: str, device: str) -> None:
    function, shapes = CASES[name]
    arrays = [numbers(*shape) for shape in shapes]
    theirs = [torch.from_numpy(a).requires_grad_() for a in arrays]
    expected = function(T, *theirs)
    g = numbers(*expected.shape)
    expected.backward(torch.from_numpy(g))
    ours = [nn.Parameter(tensor.tensor(a, device=device)) for a in arrays]
    result = function(F, *ours)
    assert result.shape == tuple(expected.shape)
    np.testing.assert_allclose(result.numpy(), expected.detach().numpy(), rtol=1e-5, atol=1e-5)
    grads = result.backward(tensor.tensor(g, device=device))
    for here, there in zip(ours, theirs, strict=True):
        assert there.grad is not None
        into = grads.get(here.id)
        assert into is not None
        np.testing.assert_allclose(into.numpy(), there.grad.numpy(), rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize("name", ["Conv1d", "Conv2d", "ConvTranspose1d", "ConvTranspose2d"])
def test_layers_take_weights_by_name_and_are_written_alike(name: str) -> None:
    theirs = getattr(torch.nn, name)(4, 6, 3, stride=2, padding=1, dilation=2, groups=2)
    ours = getattr(nn, name)(4, 6, 3, stride=2, padding=1, dilation=2, groups=2)
    ours.load_state_dict({k: tensor.tensor(v.numpy()) for k, v in theirs.state_dict().items()})
    x = numbers(2, 4, *(9,) * (2 if name.endswith("2d") else 1))
    expected = theirs(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(ours(tensor.tensor(x)).numpy(), expected, rtol=1e-5, atol=1e-5)
    assert repr(ours) == repr(theirs)


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
def test_convolutions_pad_in_other_ways(mode: str) -> None:
    options = {"padding": "same", "padding_mode": mode}
    theirs = torch.nn.Conv2d(2, 3, (4, 3), **options)  # type: ignore[arg-type]
    ours = nn.Conv2d(2, 3, (4, 3), **options)  # type: ignore[arg-type]
    ours.load_state_dict({k: tensor.tensor(v.numpy()) for k, v in theirs.state_dict().items()})
    x = numbers(2, 2, 6, 7)
    expected = theirs(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(ours(tensor.tensor(x)).numpy(), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("device", ["cpu", pytest.param("gpu", marks=pytest.mark.gpu)])
def test_places_of_max_pooling_and_nan(device: str) -> None:
    x = numbers(2, 3, 8, 8)
    x[0, 0, 2, 2] = x[0, 0, 2, 3] = np.nan
    x[1, 1] = -np.inf
    x[1, 2, :4] = 1.0
    for pool in (
        lambda f, x: f.max_pool2d(x, 3, 2, 1, return_indices=True),
        lambda f, x: f.adaptive_max_pool2d(x, 3, return_indices=True),
    ):
        values, places = pool(F, tensor.tensor(x, device=device))
        expected, where = pool(T, torch.from_numpy(x))
        np.testing.assert_array_equal(values.numpy(), expected.numpy())
        np.testing.assert_array_equal(places.numpy(), where.numpy())


@pytest.mark.parametrize("corners", [False, True])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("device", ["cpu", pytest.param("gpu", marks=pytest.mark.gpu)])
def test_the_nearest_pixel_of_a_grid(padding: str, corners: bool, device: str) -> None:
    x, grid = numbers(2, 3, 5, 6), numbers(2, 4, 7, 2)
    grid[0, 0, :3] = [[np.nan, 0.3], [9e9, -0.2], [-40, np.inf]]
    theirs = torch.from_numpy(x).requires_grad_()
    expected = T.grid_sample(theirs, torch.from_numpy(grid), "nearest", padding, corners)
    expected.sum().backward()
    ours = nn.Parameter(tensor.tensor(x, device=device))
    result = F.grid_sample(ours, tensor.tensor(grid, device=device), "nearest", padding, corners)
    into = result.sum().backward().get(ours.id)
    assert into is not None and theirs.grad is not None
    finite = slice(1, None) if padding == "reflection" else slice(None)
    np.testing.assert_array_equal(result.numpy()[finite], expected.detach().numpy()[finite])
    np.testing.assert_array_equal(into.numpy()[finite], theirs.grad.numpy()[finite])


@pytest.mark.parametrize("size", [(17, 40), (64, 20)])
@pytest.mark.parametrize("device", ["cpu", pytest.param("gpu", marks=pytest.mark.gpu)])
def test_bytes_are_resized_within_a_rounding(size: tuple[int, int], device: str) -> None:
    x = RNG.integers(0, 256, (2, 3, 50, 60), np.uint8)
    wanted = T.interpolate(torch.from_numpy(x), size, mode="bilinear", antialias=True).numpy()
    got = augment.Resize(size)(tensor.tensor(x, device=device)).numpy()
    assert got.dtype == np.uint8
    assert np.abs(got.astype(int) - wanted).max() <= 1  # PyTorch rounds between rows and columns
    exact = torch.from_numpy(x.astype(np.float64))
    exact = T.interpolate(exact, size, mode="bilinear", antialias=True)
    assert np.abs(got - exact.numpy()).max() <= 0.5 + 1e-4
