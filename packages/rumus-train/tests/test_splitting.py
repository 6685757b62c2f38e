"""Batches that do not fit the memory are cut by themselves, with the same weights."""

from typing import Any

import numpy as np
import pytest

from rumus import gpu, nn
from rumus.data import ArrayDataset, DataLoader
from rumus.optim import SGD, Adam
from rumus.tensor import ArgumentError, Tensor, manual_seed
from rumus.train import RunFolder, Trainer, find_shards

X = np.random.default_rng(0).normal(size=(24, 3)).astype(np.float32)
Y = X.sum(axis=1, keepdims=True)


class Tight:
    """A loss of a device that has no room for more than so many samples at once."""

    def __init__(self, most: int) -> None:
        self.most, self.sizes = most, list[int]()

    def __call__(self, output: Tensor, target: Tensor) -> Tensor:
        self.sizes.append(len(output))
        if len(output) > self.most:
            raise gpu.GpuOutOfMemoryError("no room")
        return nn.mse_loss(output, target)


def loader() -> DataLoader:
    return DataLoader(ArrayDataset(X, Y), batch_size=12, shuffle=True)


def trained(loss: Any, **options: Any) -> tuple[Trainer[Any], dict[str, Any]]:
    manual_seed(3)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    trainer = Trainer(Adam(model.parameters(), lr=0.01), **options)
    trainer.fit(model, loader(), loss, epochs=2)
    return trainer, {name: value.numpy() for name, value in model.state_dict().items()}


@pytest.mark.parametrize(("most", "parts"), [(12, 1), (11, 2), (3, 4), (1, 16)])
def test_a_batch_is_cut_into_as_few_parts_as_fit(most: int, parts: int) -> None:
    trainer, weights = trained(Tight(most), shards="auto")
    assert trainer.shards == parts
    _, given = trained(nn.mse_loss, shards=parts)
    _, whole = trained(nn.mse_loss)
    for name, value in weights.items():
        np.testing.assert_array_equal(value, given[name])  # the trial has left no trace
        np.testing.assert_allclose(value, whole[name], rtol=1e-4, atol=1e-6)


def test_what_fits_in_no_parts_is_an_error() -> None:
    with pytest.raises(gpu.GpuOutOfMemoryError):
        trained(Tight(0), shards="auto")


def test_a_tool_says_the_number_and_changes_nothing() -> None:
    model = nn.Linear(3, 1)
    before = model.weight.numpy()
    batches = loader()
    assert find_shards(model, SGD(model.parameters(), lr=1.0), batches, Tight(5)) == 4
    np.testing.assert_array_equal(model.weight.numpy(), before)
    assert batches.state_dict() == loader().state_dict()


def test_a_run_goes_on_with_the_parts_that_it_had(tmp_path: Any) -> None:
    model = nn.Linear(3, 1)
    loss = Tight(6)
    for epochs, most in ((1, 6), (2, 12)):
        trainer = Trainer(SGD(model.parameters(), lr=0.1), shards="auto")
        loss.most = most
        folder = RunFolder(tmp_path / "run", resume=True)
        trainer.fit(model, loader(), loss, epochs=epochs, run=folder)
        assert trainer.shards == 2


def test_where_nothing_can_be_tried_a_number_is_asked_for() -> None:
    model = nn.Linear(3, 1)
    optimizer = SGD(model.parameters(), lr=0.1)
    with pytest.raises(ArgumentError, match="one optimizer; give a number of parts"):
        Trainer({"a": optimizer}, shards="auto")
    with pytest.raises(ArgumentError, match=r"tries the first batch .* peek\(\)"):
        Trainer(optimizer, shards="auto").fit(model, [], nn.mse_loss, epochs=1)
