"""Means and deviations, measured once in batches and kept with the model."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rumus import nn
from rumus.tensor import ArgumentError, DTypeError, ShapeError, float16, float32, tensor


def table(rows, columns, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(rows, columns)) * [[1, 10, 1e-3]] + [[1e4, -5, 0]]


def test_a_table_gets_mean_0_and_deviation_1_and_comes_back(device):
    data = table(1000, 3).astype(np.float32)
    scale = nn.Standardize(3, device=device).fit(np.array_split(data, 7))
    x = tensor(data, device=device)
    y = scale(x)
    exact = data.astype(np.float64)
    assert np.allclose(scale.mean.numpy(), exact.mean(0), rtol=1e-6)
    assert np.allclose(scale.std.numpy(), exact.std(0), rtol=1e-6)
    assert np.allclose(y.numpy(), (exact - exact.mean(0)) / exact.std(0), atol=2e-3)
    assert np.allclose(scale.inverse(y).numpy(), data, rtol=1e-6, atol=1e-6)


@settings(deadline=None)
@given(
    hnp.arrays(np.float64, (12, 2), elements=st.floats(-1e3, 1e3)),
    st.lists(st.integers(0, 12), max_size=4),
    st.floats(-1e9, 1e9),
)
def test_any_cut_into_batches_gives_the_same_numbers(data, cuts, offset):
    data = data + offset
    scale = nn.Standardize(2).fit(np.split(data, sorted(cuts)))
    tolerance = 1e-12 * (abs(offset) + 1e3)
    assert np.allclose(scale.mean.numpy(), data.mean(0), rtol=1e-6, atol=tolerance)
    std = data.std(0)
    spread = std > 1e-6 * (abs(offset) + 1)
    assert np.allclose(scale.std.numpy()[spread], std[spread], rtol=1e-5)


def test_large_means_cost_no_digits():
    data = np.array([[1e9], [1e9 + 1], [1e9 + 2]])
    scale = nn.Standardize(1).fit([row[None] for row in data])
    assert scale.std.item() == pytest.approx(np.sqrt(2 / 3), rel=1e-6)


def test_images_have_numbers_for_each_channel(device):
    images = np.random.default_rng(1).integers(0, 256, (6, 3, 5, 4), np.uint8)
    scale = nn.Standardize(3, device=device).fit([tensor(images[:4], device=device), images[4:]])
    exact = images.astype(np.float64)
    mean, std = exact.mean((0, 2, 3)), exact.std((0, 2, 3))
    assert np.allclose(scale.mean.numpy(), mean, rtol=1e-6)
    expected = (exact - mean[:, None, None]) / std[:, None, None]
    assert np.allclose(scale(tensor(images, device=device)).numpy(), expected, atol=1e-5)


def test_the_axis_may_be_the_last_and_one_feature_is_for_all():
    data = np.arange(24.0).reshape(2, 4, 3)
    last = nn.Standardize(3, axis=-1).fit([data])
    assert np.allclose(last.mean.numpy(), data.mean((0, 1)))
    one = nn.Standardize(1).fit([data])
    assert np.allclose(one.mean.item(), data.mean()) and one.std.shape == (1,)


def test_the_first_part_of_a_batch_is_measured_or_another():
    batches = [(np.full((2, 1), 3.0), np.array([[1.0], [5.0]]))]
    assert nn.Standardize(1).fit(batches).mean.item() == 3
    assert nn.Standardize(1).fit(batches, part=1).mean.item() == 3
    assert nn.Standardize(1).fit(batches, part=1).std.item() == 2
    with pytest.raises(ArgumentError, match="a batch has 2 parts, not 2"):
        nn.Standardize(1).fit(batches, part=2)


@pytest.mark.parametrize("number", [0.1, -1e6 / 3, 1e-30])
def test_rounding_is_no_deviation(number):
    scale = nn.Standardize(1).fit([np.full((300, 1), number), np.full((7, 1), number)])
    assert scale.std.item() == 1


def test_deviations_that_float32_does_not_have_divide_nothing():
    assert nn.Standardize(1).fit([np.array([[1e-50], [3e-50]])]).std.item() == 1


def test_a_feature_that_never_changes_is_moved_to_0():
    scale = nn.Standardize(2).fit([np.array([[7.0, 1.0], [7.0, 3.0]])])
    assert scale.std.tolist() == [1.0, 1.0]
    assert scale(tensor([[7.0, 2.0]])).tolist() == [[0.0, 0.0]]


def test_numbers_are_in_the_state_and_not_trained(tmp_path):
    model = nn.Sequential(nn.Standardize(2).fit([np.array([[1.0, 2], [3, 6]])]), nn.Linear(2, 1))
    assert [name for name, _ in model.named_parameters()] == ["1.weight", "1.bias"]
    nn.save_file(model, tmp_path / "x")
    again = nn.Sequential(nn.Standardize(2), nn.Linear(2, 1))
    again.load_state_dict(nn.load_file(tmp_path / "x"))
    assert again[0].mean.tolist() == [2.0, 4.0] and again[0].std.tolist() == [1.0, 2.0]


def test_float16_stays_and_integers_become_float32(device):
    scale = nn.Standardize(2, mean=[1.0, 2.0], std=4, device=device)
    x = np.array([[5, 2], [1, 10]])
    for dtype, result in (("float16", "float16"), ("int32", "float32"), ("uint8", "float32")):
        y = scale(tensor(x.astype(dtype), device=device))
        assert y.dtype == np.dtype(result)
        assert y.tolist() == [[1.0, 0.0], [0.0, 2.0]]
    y = scale.to(float16)(tensor(x, device=device))
    assert y.dtype == float16 and y.tolist() == [[1.0, 0.0], [0.0, 2.0]]


def test_a_loader_is_where_it_was_after_measuring():
    class Loader:
        """Counts its epochs, as those of rumus-data do."""

        epoch = 3

        def __iter__(self):
            self.epoch += 1
            return iter([np.ones((4, 2)), np.zeros((4, 2))])

        def state_dict(self):
            return {"epoch": self.epoch}

        def load_state_dict(self, state):
            self.epoch = state["epoch"]

    loader = Loader()
    assert nn.Standardize(2).fit(loader).mean.tolist() == [0.5, 0.5]
    assert loader.epoch == 3


def test_a_float16_model_keeps_large_and_fine_numbers(device):
    """A mean of 250,000 is infinite as a float16, and one of 2017.3 is 2017."""
    prices = nn.Sequential(nn.Standardize(2, mean=[250_000, 2017.3], std=[40_000, 0.5]))
    model = prices.to(device).to("float16")
    x = tensor(np.array([[290_000, 2017.8]], np.float32), device=device)
    y = model(x)
    assert y.dtype == float16
    np.testing.assert_allclose(y.numpy(), [[1.0, 1.0]], rtol=1e-3)
    np.testing.assert_allclose(model[0].inverse(y).numpy(), [[290_000, 2017.8]], rtol=1e-6)
    assert model.to("float32")(x).dtype == float32
    images = nn.Sequential(nn.Standardize(3, mean=128, std=64), nn.Conv2d(3, 2, 1))
    pixels = tensor(np.zeros((1, 3, 4, 4), np.uint8), device=device)
    assert images.to(device).to("float16")(pixels).dtype == float16


def test_mistakes_are_refused_and_leave_the_old_numbers():
    scale = nn.Standardize(2, mean=3.0, std=[1.0, 2.0])
    for batches, kind, message in (
        ([], ArgumentError, "no sample"),
        ([np.zeros((0, 2))], ArgumentError, "no sample"),
        ([np.array([[1.0, np.nan]])], ArgumentError, "NaN .* feature 1; fill"),
        ([np.array([[np.inf, 1.0]]), np.ones((3, 2))], ArgumentError, "among feature 0;"),
        ([np.zeros((4, 3))], ShapeError, r"2 features along axis 1, not \(4, 3\)"),
        ([np.zeros(4)], ShapeError, r"2 features along axis 1, not \(4,\)"),
        ([np.array([["a", "b"]])], DTypeError, "takes numbers, not <U1"),
    ):
        with pytest.raises(kind, match=message):
            scale.fit(batches)
        assert scale.mean.tolist() == [3.0, 3.0]
    with pytest.raises(DTypeError, match="not bool"):
        scale(tensor([[True, False]]))
    for arguments, message in (
        ({"features": 0}, "at least 1"),
        ({"features": 2, "mean": [1.0] * 3}, "2 of them"),
        ({"features": 2, "std": 0.0}, "above 0, not 0.0"),
        ({"features": 2, "mean": np.inf}, "mean is finite, not inf"),
    ):
        with pytest.raises(ArgumentError, match=message):
            nn.Standardize(**arguments)
