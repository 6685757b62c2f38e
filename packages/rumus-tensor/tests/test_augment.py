"""Images changed at random: each change beside its closed form, and what all have in common."""

import colorsys
import math

import numpy as np
import pytest

from rumus import gpu, nn
from rumus.nn import augment, functional
from rumus.tensor import (
    ArgumentError,
    DTypeError,
    Generator,
    ShapeError,
    float16,
    manual_seed,
    tensor,
    zeros,
)

RNG = np.random.default_rng(3)
BYTES = RNG.integers(0, 256, (4, 3, 7, 6), np.uint8)
FLOATS = RNG.random((4, 3, 7, 6), np.float32)
NEARLY_1 = 1 - 2**-24

ALL = {
    "crop": lambda: augment.RandomCrop(5, padding=2),
    "horizontal flip": lambda: augment.RandomHorizontalFlip(),
    "vertical flip": lambda: augment.RandomVerticalFlip(),
    "resized crop": lambda: augment.RandomResizedCrop((5, 4)),
    "affine": lambda: augment.RandomAffine(30, (0.2, 0.1), (0.7, 1.3), 20),
    "colours": lambda: augment.ColorJitter(0.4, 0.4, 0.4, 0.2),
    "grey": lambda: augment.RandomGrayscale(0.5),
    "erasing": lambda: augment.RandomErasing(0.7),
}


def changed(layer, images, u, device):
    rows = [u] * len(images) if np.ndim(u) == 1 else u
    numbers = tensor(np.array(rows, np.float32), device=device)
    return layer.changed(tensor(images, device=device), numbers).numpy()


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("dtype", ["uint8", "float32", "float16"])
def test_images_keep_their_dtype_and_are_the_same_on_both_devices(name, dtype, device):
    layer, images = ALL[name](), BYTES if dtype == "uint8" else FLOATS.astype(dtype)
    layer.generator = Generator(4)
    got = layer(tensor(images, device=device))
    layer.generator = Generator(4)
    host = layer(tensor(images))
    assert got.dtype == images.dtype and got.shape[:2] == images.shape[:2]
    apart = np.abs(got.numpy().astype(np.float64) - host.numpy().astype(np.float64)).max()
    assert apart <= {"uint8": 1, "float32": 2e-5, "float16": 2e-3}[dtype]


@pytest.mark.parametrize("name", ALL)
def test_in_evaluation_and_for_no_images_nothing_happens(name, device):
    layer, x = ALL[name](), tensor(BYTES, device=device)
    assert layer.eval()(x) is x
    empty = layer.train()(zeros(0, 3, 7, 6, dtype="uint8", device=device))
    assert empty.shape[0] == 0


@pytest.mark.parametrize("name", ALL)
def test_each_image_has_numbers_of_its_own_and_no_others(name, device):
    layer = ALL[name]()
    u = RNG.random((4, layer.draws)).astype(np.float32)
    whole = changed(layer, FLOATS, u, device)
    for k in range(4):
        one = changed(layer, FLOATS[k : k + 1], u[k : k + 1], device)
        assert np.allclose(one[0], whole[k], atol=1e-6)


@pytest.mark.gpu
@pytest.mark.parametrize("name", ALL)
def test_captured_steps_draw_anew_each_time(name):
    layer, x = ALL[name](), tensor(np.tile(BYTES, (8, 1, 1, 1)), device="gpu")
    step = gpu.capture(lambda x: layer(x))
    layer.generator.set_state(1)
    got = [step(x).numpy() for _ in range(3)]
    layer.generator.set_state(1)
    expected = [layer(x).numpy() for _ in range(3)]
    assert all(map(np.array_equal, got, expected))
    assert not np.array_equal(got[1], got[2])


# Places


def test_a_crop_is_the_part_that_the_numbers_say(device):
    padded = np.pad(BYTES, ((0, 0), (0, 0), (2, 2), (2, 2)), constant_values=9)
    layer = augment.RandomCrop((8, 5), padding=2, fill=9)  # 4 places down, 6 to the right
    u = [[0, 0], [0.26, 0.34], [0.99, 0.5], [NEARLY_1, NEARLY_1]]
    starts = [(0, 0), (1, 2), (3, 3), (3, 5)]
    expected = [padded[k, :, r : r + 8, c : c + 5] for k, (r, c) in enumerate(starts)]
    assert np.array_equal(changed(layer, BYTES, u, device), expected)


def test_all_places_of_a_crop_are_equally_likely(device):
    layer = augment.RandomCrop(1, generator=Generator(2))
    x = tensor(np.tile(np.arange(12, dtype=np.float32).reshape(1, 1, 3, 4), (6000, 1, 1, 1)))
    counts = np.bincount(layer(x.to(device)).numpy().ravel().astype(int), minlength=12)
    assert (np.abs(counts - 500) < 5 * np.sqrt(500)).all()


@pytest.mark.parametrize(
    ("kind", "axis"), [(augment.RandomHorizontalFlip, 3), (augment.RandomVerticalFlip, 2)]
)
def test_flips_are_as_likely_as_told(kind, axis, device):
    got = changed(kind(0.3), BYTES, [[0.0], [0.29], [0.31], [NEARLY_1]], device)
    assert np.array_equal(got[:2], np.flip(BYTES[:2], axis)) and np.array_equal(got[2:], BYTES[2:])
    assert np.array_equal(changed(kind(0.0), BYTES, [0.0], device), BYTES)


def test_the_middle_is_cut_out_in_evaluation_too(device):
    x = tensor(BYTES, device=device)
    for layer in (augment.CenterCrop((4, 3)), augment.CenterCrop((4, 3)).eval()):
        assert np.array_equal(layer(x).numpy(), BYTES[:, :, 1:5, 1:4])


def test_half_the_size_takes_triangles_of_four_pixels(device):
    line = np.array([0, 80, 160, 240, 16, 8, 4, 0], np.uint8)
    got = augment.Resize((1, 4))(tensor(line.reshape(1, 1, 1, 8), device=device)).numpy()
    inner = [np.dot(line[k : k + 4], [1, 3, 3, 1]) / 8 for k in (1, 3)]
    ends = np.dot(line[:3], [3, 3, 1]) / 7, np.dot(line[5:], [1, 3, 3]) / 7
    assert got.ravel().tolist() == np.round([ends[0], *inner, ends[1]]).tolist()
    assert got.dtype == np.uint8


def test_images_of_the_size_stay_as_they_are():
    x = tensor(BYTES)
    assert augment.Resize((7, 6))(x) is x


def test_a_resized_crop_is_the_part_resized(device):
    images = RNG.random((3, 2, 20, 30)).astype(np.float32)
    layer = augment.RandomResizedCrop((5, 8), scale=(0.25, 0.25), ratio=(1.5, 1.5))
    u = [[0, 0, 0, 0], [0, 0, 0.5, 0.7], [0, 0, NEARLY_1, NEARLY_1]]
    got = changed(layer, images, u, device)  # 10 rows and 15 columns, of 11 and 16 places
    for k, (row, column) in enumerate([(0, 0), (5, 11), (10, 15)]):
        part = images[k : k + 1, :, row : row + 10, column : column + 15]
        expected = functional.interpolate(tensor(part), (5, 8), mode="bilinear", antialias=True)
        assert np.allclose(got[k], expected.numpy()[0], atol=1e-5)


def test_a_part_is_no_larger_than_the_image(device):
    layer = augment.RandomResizedCrop(4, scale=(1.0, 1.0), ratio=(4.0, 4.0))
    got = changed(layer, np.full((1, 1, 6, 6), 77, np.uint8), [0.0, 0.0, 0.9, 0.9], device)
    assert (got == 77).all()


@pytest.mark.parametrize(("degrees", "quarters"), [(90, -1), (180, 2), (-90, 1)])
def test_quarter_turns_clockwise(degrees, quarters, device):
    images = BYTES[:, :, :6, :6]
    got = changed(augment.RandomAffine((degrees, degrees)), images, [0.5] * 5, device)
    assert np.array_equal(got, np.rot90(images, quarters, (2, 3)))


def test_whole_pixels_are_moved_and_the_rest_filled(device):
    layer = augment.RandomAffine(translate=(2 / 6, 3 / 7), fill=5)
    got = changed(layer, BYTES, [[0.5, 0.5, 0.5, NEARLY_1, NEARLY_1]] * 4, device)
    expected = np.full_like(BYTES, 5)
    expected[:, :, 3:, 2:] = BYTES[:, :, :-3, :-2]
    assert np.array_equal(got, expected)
    assert np.array_equal(changed(layer, BYTES, [0.5] * 5, device), BYTES)


def test_a_ramp_is_turned_scaled_and_sheared_by_its_matrix(device):
    """Bilinear reading of a plane is exact: the result is the plane at the mapped places."""
    rows, columns = 31, 41
    y, x = np.mgrid[:rows, :columns] + 0.5
    plane = (0.01 * (x - columns / 2) - 0.02 * (y - rows / 2)).astype(np.float32)
    layer = augment.RandomAffine((20, 20), (0.1, 0.0), (1.5, 1.5), (10, 10))
    got = changed(layer, plane[None, None], [0.5, 0.5, 0.5, NEARLY_1, 0.5], device)[0, 0]
    angle, lean = np.deg2rad([20, 10])
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = 1.5 * turn @ np.array([[1, -np.tan(lean)], [0, 1]])
    out = np.stack([x - columns / 2 - 0.1 * columns, y - rows / 2])
    source = np.einsum("ij,jyx->iyx", np.linalg.inv(matrix), out)
    inside = (np.abs(source[0]) < columns / 2 - 1) & (np.abs(source[1]) < rows / 2 - 1)
    expected = 0.01 * source[0] - 0.02 * source[1]
    assert inside.mean() > 0.5 and np.allclose(got[inside], expected[inside], atol=2e-5)


# Colours


def test_brightness_contrast_and_saturation_by_their_formulas(device):
    grey = np.tensordot([0.2989, 0.587, 0.114], FLOATS, (0, 1))[:, None]
    factors = np.array([0.5, 0.8, 1.2, 1.5]).reshape(4, 1, 1, 1)
    u = (factors.reshape(4, 1) - 0.5) * np.ones(4)
    for options, middle in (
        ({"brightness": 0.5}, np.zeros(1)),
        ({"contrast": (0.5, 1.5)}, grey.mean((1, 2, 3), keepdims=True)),
        ({"saturation": 0.5}, grey),
    ):
        expected = (middle + (FLOATS - middle) * factors).clip(0, 1)
        got = changed(augment.ColorJitter(**options), FLOATS, u, device)
        assert np.allclose(got, expected, atol=2e-6)
        as_bytes = changed(augment.ColorJitter(**options), np.uint8(FLOATS * 255), u, device)
        assert np.abs(as_bytes / 255 - expected).max() < 2 / 255


def test_hue_turns_the_circle_of_colours(device):
    pixels = np.concatenate([FLOATS[:1], np.zeros_like(FLOATS[:1])], 3)
    pixels[0, :, :, 6:9] = 0.3
    for u, turn in ((0.0, -0.4), (0.5, 0.0), (0.75, 0.2)):
        got = changed(augment.ColorJitter(hue=0.4), pixels, [0, 0, 0, u], device)[0]
        for r in range(7):
            for c in range(12):
                h, s, v = colorsys.rgb_to_hsv(*pixels[0, :, r, c].tolist())
                expected = colorsys.hsv_to_rgb((h + turn) % 1, s, v)
                assert np.allclose(got[:, r, c], expected, atol=5e-6)


def test_grey_images_keep_three_channels(device):
    got = changed(augment.RandomGrayscale(0.4), BYTES, [[0.1], [0.5], [0.3], [0.9]], device)
    grey = np.tensordot([0.2989, 0.587, 0.114], BYTES, (0, 1))[:, None]
    assert np.abs(got[::2] - grey[::2]).max() <= 0.501
    assert np.array_equal(got[1::2], BYTES[1::2])


def test_contrast_of_one_channel_and_colours_of_three(device):
    one = FLOATS[:, :1]
    got = changed(augment.ColorJitter(contrast=1.0), one, [0.0] * 4, device)
    assert np.allclose(got, one.mean((1, 2, 3), keepdims=True), atol=1e-6)
    for layer in (augment.ColorJitter(saturation=0.1), augment.ColorJitter(hue=0.1)):
        with pytest.raises(ShapeError, match=r"red, green and blue.*\(4, 1, 7, 6\)"):
            layer(tensor(one, device=device))


# Rectangles and mixtures


def test_a_rectangle_of_the_size_told_is_painted_over(device):
    layer = augment.RandomErasing(0.5, (0.25, 0.25), (4.0, 4.0), fill=200)
    images = np.zeros((4, 3, 8, 8), np.uint8)  # 2 rows and 8 columns
    u = [[0.4, 0, 0, 0, 0], [0.4, 0, 0, 0.5, 0], [0.4, 0, 0, NEARLY_1, NEARLY_1], [0.6, 0, 0, 0, 0]]
    expected = images.copy()
    for k, row in enumerate((0, 3, 6)):
        expected[k, :, row : row + 2] = 200
    assert np.array_equal(changed(layer, images, u, device), expected)


@pytest.mark.parametrize("alpha", [1, 2, 8])
def test_shares_are_quantiles_of_beta(alpha):
    """The distribution at x is that of alpha heads or more of 2 alpha - 1 throws (DLMF 8.17.5)."""
    x = augment.MixUp(2, alpha).quantiles.numpy().astype(np.float64)
    n = 2 * alpha - 1
    heads = [math.comb(n, k) * x**k * (1 - x) ** (n - k) for k in range(alpha, n + 1)]
    assert np.allclose(sum(heads), np.linspace(0, 1, len(x)), atol=1e-6)


@pytest.mark.parametrize("alpha", [0.05, 0.2, 0.5, 1.5])
def test_shares_have_the_mean_and_the_variance_of_beta(alpha):
    x = augment.MixUp(2, alpha).quantiles.numpy().astype(np.float64)
    middle = (x[1:] + x[:-1]) / 2
    assert np.isclose(middle.mean(), 0.5, atol=1e-6)
    assert np.isclose(middle.var(), 1 / (4 * (2 * alpha + 1)), rtol=5e-3)


def test_shares_of_a_large_alpha_are_nearly_normal():
    alpha = 1e4
    x = augment.MixUp(2, alpha).quantiles.numpy().astype(np.float64)
    quarter = 0.5 - 0.67449 / math.sqrt(4 * (2 * alpha + 1))
    assert np.isclose(x[len(x) // 4], quarter, atol=1e-5)


def mixed(layer, device, images=FLOATS, target=(0, 2, 1, 2)):
    layer.generator = Generator(7)
    x, y = layer.to(device)(tensor(images, device=device), tensor(np.array(target), device=device))
    return x.numpy(), y.numpy()


def test_images_and_targets_are_mixed_by_the_same_shares(device):
    x, y = mixed(augment.MixUp(3, 0.8), device)
    other = np.roll(FLOATS, 1, 0)
    share = y[[0, 1, 2], [0, 2, 1]].reshape(3, 1, 1, 1)  # the last image is of one class with its
    assert np.allclose(x[:3], FLOATS[:3] * share + other[:3] * (1 - share), atol=1e-6)
    assert np.allclose(y.sum(1), 1) and (y[0, 2], y[1, 0]) == (1 - y[0, 0], 1 - y[1, 2])
    assert len({float(s) for s in share.ravel()}) == 3
    as_bytes, _ = mixed(augment.MixUp(3, 0.8), device, np.uint8(FLOATS * 255))
    assert np.abs(as_bytes[:3] / 255 - x[:3]).max() < 2 / 255


def test_rectangles_are_exchanged_and_targets_are_their_pixels(device):
    x, y = mixed(augment.CutMix(3), device)
    other = np.roll(FLOATS, 1, 0)
    own = (x == FLOATS).all(1)
    assert ((x == other).all(1) | own).all()
    for k, label in enumerate((0, 2, 1)):
        assert np.isclose(y[k, label], own[k].mean(), atol=1e-6)
        away = np.argwhere(~own[k])
        if len(away):
            assert len(away) == np.prod(np.ptp(away, axis=0) + 1)


def test_soft_targets_are_taken_and_given_to_the_loss(device):
    _, y = mixed(augment.MixUp(3), device)
    _, again = mixed(augment.MixUp(3), device, target=np.eye(3, dtype=np.float32)[[0, 2, 1, 2]])
    assert np.array_equal(y, again)
    logits = RNG.normal(size=(4, 3)).astype(np.float32)
    logs = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    loss = functional.cross_entropy(tensor(logits, device=device), tensor(y, device=device))
    assert np.isclose(loss.item(), -(y * logs).sum(1).mean(), rtol=1e-5)


def test_mixtures_do_nothing_in_evaluation():
    x, y = tensor(BYTES), tensor([0, 1, 2, 0])
    same = augment.MixUp(3).eval()(x, y)
    assert same[0] is x and same[1] is y


@pytest.mark.gpu
@pytest.mark.parametrize("kind", [augment.MixUp, augment.CutMix])
def test_mixtures_are_captured(kind):
    layer = kind(3, generator=Generator(1)).to("gpu")
    x, y = tensor(FLOATS, device="gpu"), tensor([0, 2, 1, 2], device="gpu")
    step = gpu.capture(lambda x, y: layer(x, y))
    got = [[part.numpy() for part in step(x, y)] for _ in range(3)]
    layer.generator.set_state(1)
    for images, targets in got:
        again = layer(x, y)
        assert np.array_equal(again[0].numpy(), images)
        assert np.array_equal(again[1].numpy(), targets)


# In a loader


def test_a_loader_gives_each_sample_its_numbers(device):
    layers = augment.RandomCrop(5, padding=1), augment.RandomHorizontalFlip()
    minus_1 = nn.Standardize(3, mean=1.0, device=device)
    transform = augment.by_sample(nn.Sequential(*layers), minus_1)
    rngs = [np.random.default_rng(k) for k in range(4)]
    got = transform((tensor(BYTES, device=device), np.arange(4)), rngs=rngs)[0].numpy()
    for k in range(4):
        rng = np.random.default_rng(k)
        u = [rng.random(2, np.float32), rng.random(1, np.float32)]
        one = changed(layers[0], BYTES[k : k + 1], [u[0]], "cpu")
        assert np.array_equal(got[k], changed(layers[1], one, [u[1]], "cpu")[0] - 1.0)


def test_another_part_of_a_batch_may_be_the_images():
    batch = {"id": np.arange(4), "image": BYTES}
    rngs = [np.random.default_rng(k) for k in range(4)]
    got = augment.by_sample(augment.CenterCrop(2).eval(), part=1)(batch, rngs=rngs)
    assert np.array_equal(got["image"].numpy(), BYTES[:, :, 2:4, 2:4]) and got["id"] is batch["id"]
    with pytest.raises(ArgumentError, match="a batch has 2 parts, not 2"):
        augment.by_sample(augment.CenterCrop(2), part=2)(batch, rngs=rngs)


def test_a_transform_of_batches_says_that_it_is_one():
    with pytest.raises(ArgumentError, match=r"MapDataset\(dataset, transform, batched=True\)"):
        augment.by_sample(augment.CenterCrop(2))(BYTES)


# Mistakes


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: augment.RandomCrop(0), "size is a number above 0"),
        (lambda: augment.RandomCrop((1, 2, 3)), r"or \(rows, columns\), not \(1, 2, 3\)"),
        (lambda: augment.RandomCrop(2, padding=-1), "padding is not negative"),
        (lambda: augment.RandomHorizontalFlip(1.5), "RandomHorizontalFlip: p is from 0 to 1"),
        (lambda: augment.RandomResizedCrop(2, scale=(0.5, 2.0)), "scale is .lowest, highest"),
        (lambda: augment.RandomResizedCrop(2, ratio=(2.0, 1.0)), "ratio is"),
        (lambda: augment.RandomAffine(degrees=400), "degrees is"),
        (lambda: augment.RandomAffine(translate=(0.1, 2.0)), "two shares from 0 to 1"),
        (lambda: augment.RandomAffine(scale=(0.0, 1.0)), "scale is"),
        (lambda: augment.RandomAffine(shear=90), "shear is"),
        (lambda: augment.ColorJitter(brightness=(-1.0, 1.0)), "brightness is"),
        (lambda: augment.ColorJitter(hue=0.6), "hue is"),
        (lambda: augment.RandomErasing(2.0), "RandomErasing: p is from 0 to 1, not 2.0"),
        (lambda: augment.MixUp(0), "classes is from 1"),
        (lambda: augment.CutMix(3, 0.0), "alpha above 0, not 3 and 0.0"),
        (lambda: augment.by_sample(), "takes layers"),
        (lambda: augment.by_sample("crop"), "takes layers"),
    ],
)
def test_numbers_out_of_range_are_refused(make, message):
    with pytest.raises(ArgumentError, match=message):
        make()


def test_what_is_no_batch_of_images_is_refused(device):
    flip = augment.RandomHorizontalFlip()
    with pytest.raises(ShapeError, match=r"images of \(N, C, H, W\), not \(3, 7, 6\)"):
        flip(tensor(BYTES[0], device=device))
    with pytest.raises(DTypeError, match="uint8 or of floats from 0 to 1, not int32"):
        flip(tensor(BYTES.astype(np.int32), device=device))
    with pytest.raises(ShapeError, match=r"images of \(7, 6\) have no part of \(8, 2\)"):
        augment.RandomCrop((8, 2))(tensor(BYTES, device=device))
    with pytest.raises(ShapeError, match="have no part of"):
        augment.CenterCrop(7)(tensor(BYTES, device=device))
    with pytest.raises(ShapeError, match=r"class ids of shape \(4,\) or floats of shape \(4, 3\)"):
        augment.MixUp(3)(tensor(BYTES), tensor([0, 1]))


def test_half_precision_models_keep_their_mixtures():
    manual_seed(0)
    layer = augment.MixUp(3).to(float16)
    x, y = layer(tensor(FLOATS.astype(np.float16)), tensor([0, 2, 1, 2]))
    assert x.dtype == float16 and np.allclose(y.numpy().sum(1), 1, atol=1e-3)
